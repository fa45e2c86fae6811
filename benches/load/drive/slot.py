"""One slot of the comparison: one peer under one kind of call for some seconds."""

import json
import subprocess

from world import LOAD


class Slot:
    """Drives peers with wrk and takes the figures."""

    def __init__(self, world, seconds):
        self.world, self.seconds = world, seconds

    def warm_up(self, peer, call, cookies=None, port=None, program=None):
        self.wrk(peer, call, cookies, port, max(2, self.seconds // 2) if cookies else max(1, self.seconds // 2))

    def measure(self, peer, call, cookies=None, port=None, program=None):
        """The figures of one slot. `port` and `program` are those of a further instance."""
        world, program = self.world, program or peer.program
        world.redis.reset()
        arrived = world.arrived()
        cpu, redis_cpu = program.cpu_seconds(), world.redis.program.cpu_seconds()
        load = self.wrk(peer, call, cookies, port, self.seconds)
        cpu, redis_cpu = program.cpu_seconds() - cpu, world.redis.program.cpu_seconds() - redis_cpu
        # The question itself is one request.
        arrived = world.arrived() - arrived - 1
        commands = world.redis.calls()
        calls = max(load["calls"], 1)
        faults = []
        if load["errors"]:
            faults.append(f"{load['errors']} errors ({load['kinds']})")
        if arrived < load["calls"] * call.hops:
            faults.append(f"{load['calls']} calls, {arrived // call.hops} at the API")
        if load["bytes"] < load["calls"] * call.answer:
            faults.append("answers too short")
        return {
            "cpu_us": cpu / calls * 1e6,
            "redis_us": redis_cpu / calls * 1e6,
            "store_calls": sum(commands.values()) / calls,
            "store_commands": commands,
            "calls": load["calls"],
            "calls_s": load["calls"] / load["seconds"],
            "p50_ms": load["p50_ms"],
            "p99_ms": load["p99_ms"],
            "max_ms": load["max_ms"],
            "memory_mib": program.memory_kib() / 1024,
            "faults": faults,
        }

    def wrk(self, peer, call, cookies, port, seconds):
        folder = self.world.folder
        headers = {"Host": peer.url.partition("//")[2], **call.headers}
        header_file, cookie_file = folder / "wrk.headers", folder / "wrk.cookies"
        header_file.write_text("".join(f"{name}: {value}\n" for name, value in headers.items()), "utf-8")
        jar = cookies or [peer.cookie]
        cookie_file.write_text("".join(f"{cookie}\n" for cookie in jar if cookie), "utf-8")
        command = ["wrk", "--threads", "1", "--connections", str(call.connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "10s", "--script", str(LOAD / "wrk" / "calls.lua")]
        command += [f"http://127.0.0.1:{port or peer.port}", "--", call.method, call.path]
        command += [str(header_file), str(call.body), str(cookie_file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout.strip().splitlines()[-1])
