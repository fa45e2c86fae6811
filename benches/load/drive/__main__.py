"""The comparison, from the start of the first program to the end of the last."""

import argparse
import importlib.util
import os
import resource
import signal
import sys
import time
from pathlib import Path

from calls import CALLS
from peer import Missing
from processes import stop_all
from report import Report
from slot import Slot
from world import LOAD, TARGET, World

ORDER = ["nginx", "haproxy", "whisk-bff", "apache-oidc", "express-oidc", "oauth2-proxy", "wonderwall"]


def options():
    names = [call.name for call in CALLS]
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
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.duration = given.duration or (2 if given.quick else 4)
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
        except Missing as missing:
            report.missing[name] = str(missing)
        except Exception as fault:
            report.missing[name] = f"did not start or log in: {fault}"
        if name in report.missing:
            print(f"without {name}: {report.missing[name]}", flush=True)
    return peers


def run(given, report):
    world = World()
    peers = start_peers(world, given.peers, report)
    slot = Slot(world, given.duration)
    for call in CALLS:
        if call.name not in given.only:
            continue
        for peer in peers:
            slot.warm_up(peer, call, None)
        for _ in range(given.rounds):
            for peer in peers:
                report.add(call.name, peer.name, slot.measure(peer, call))
                peer.cut_log()
        report.print_scenario(call.name, call.about)


def main():
    given = options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    report = Report(given)
    print(f"load {os.getloadavg()[0]:.2f} before the run", flush=True)
    try:
        run(given, report)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        stop_all()
        report.save(given.json)
    print(f"\n{time.time() - report.begun:.0f} s; all figures: {given.json}")


main()
