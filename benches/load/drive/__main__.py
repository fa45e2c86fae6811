"""The comparison, from the start of the first program to the end of the last."""

import argparse
import importlib.util
import os
import resource
import signal
import sys
import time
from pathlib import Path

import idle
import logins
import sessions
import storm
from calls import CALLS
from peer import Missing
from processes import stop_all
from report import Report
from stage import Stage
from world import LOAD, TARGET, World

ORDER = ["nginx", "haproxy", "whisk-bff", "apache-oidc", "express-oidc", "oauth2-proxy", "wonderwall"]
OTHERS = {
    "cold": sessions.cold,
    "sessions": sessions.many,
    "million": sessions.million,
    "login": logins.run,
    "storm": storm.run,
    "idle": idle.run,
}
FOR_ALL = ["login", "idle"]


def options():
    names = [call.name for call in CALLS] + list(OTHERS)
    parser = argparse.ArgumentParser(
        prog="benches/load/run",
        description="Measures what a call costs through whisk-bff and through its peers, in turn, each alone on one core.",
        epilog="Example: benches/load/run --only small,post --peers nginx,whisk-bff --rounds 5",
    )
    listed = lambda text: [part for part in text.split(",") if part]
    parser.add_argument("--only", type=listed, default=names, help=f"scenarios, of: {', '.join(names)}")
    parser.add_argument("--peers", type=listed, default=ORDER, help=f"of: {', '.join(ORDER)}")
    parser.add_argument("--rounds", type=int, help="slots for each peer and scenario (default 3)")
    parser.add_argument("--duration", type=int, help="seconds of one slot (default 4)")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds, fewer sessions")
    parser.add_argument("--json", type=Path, default=TARGET / "bench" / "load.json", help="where the figures go")
    own = TARGET / "release" / "whisk-bff"
    parser.add_argument("--binary", type=Path, default=own, help="another build of whisk-bff; nothing is built then")
    given = parser.parse_args()
    given.binary = given.binary.resolve()
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.duration = given.duration or (2 if given.quick else 4)
    given.sessions = 1_000 if given.quick else 10_000
    given.records = 100_000 if given.quick else 1_000_000
    for wrong in set(given.only) - set(names) | set(given.peers) - set(ORDER):
        parser.error(f"there is no {wrong}")
    return given


def load_peer(world, name):
    source = LOAD / "peers" / name
    spec = importlib.util.spec_from_file_location(f"peers.{name}", source / "peer.py")
    if not (source / "peer.py").exists():
        raise Missing("no settings here yet")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.This(world, name, source)


def start_peers(world, names, report):
    """The peers that run and pass their check; the others are told."""
    peers = []
    for name in names:
        try:
            peer = load_peer(world, name)
            peer.check_needs()
            peer.start()
            peer.check()
            peers.append(peer)
            report.versions[name] = peer.version()
            print(f"with {name}: {report.versions[name]}", flush=True)
        except Missing as missing:
            report.missing[name] = str(missing)
        except Exception as fault:
            report.missing[name] = f"did not start or log in: {fault}"
        if name in report.missing:
            print(f"without {name}: {report.missing[name]}", flush=True)
    return peers


def run(given, report):
    world = World(given.binary)
    stage = Stage(given, world, report)
    stage.peers = {peer.name: peer for peer in start_peers(world, given.peers, report)}
    for call in CALLS:
        if call.name in given.only:
            stage.all_peers(call)
    for name, scenario in OTHERS.items():
        if name in given.only and (name in FOR_ALL or "whisk-bff" in stage.peers):
            try:
                scenario(stage)
            except Exception as fault:
                report.missing[name] = f"the scenario ended early: {fault!r}"
                print(f"\n{report.missing[name]}", flush=True)
    report.print_summary()


def main():
    given = options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    report = Report(given)
    print(f"{os.cpu_count()} cores, load {report.load:.2f} before the run", flush=True)
    try:
        run(given, report)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        stop_all()
        report.save(given.json)
    for name, why in report.missing.items():
        print(f"\nwithout {name}: {why}")
    print(f"\n{time.time() - report.begun:.0f} s, load {os.getloadavg()[0]:.2f} behind the run; all figures: {given.json}")


main()
