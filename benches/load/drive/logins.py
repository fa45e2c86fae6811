"""Whole logins: what one costs the proxy, from the first redirect to the session's cookie."""

import statistics
import time

from browser import Browser

ABOUT = "a login, the whole code grant, one after the other"


def run(stage):
    count = 30 if stage.given.quick else 200
    rows = {}
    for peer in stage.brokers():
        peer.check()
        program, redis = peer.program, stage.world.redis
        redis.reset()
        cpu, redis_cpu, took = program.cpu_seconds(), redis.program.cpu_seconds(), []
        for _ in range(count):
            browser = Browser()
            began = time.monotonic()
            peer.log_in(browser)
            took.append((time.monotonic() - began) * 1000)
            browser.close()
        took.sort()
        rows[peer.name] = {
            "CPU µs": (program.cpu_seconds() - cpu) / count * 1e6,
            "Redis µs": (redis.program.cpu_seconds() - redis_cpu) / count * 1e6,
            "store": sum(redis.calls().values()) / count,
            "p50 ms": statistics.median(took),
            "p99 ms": took[len(took) * 99 // 100],
        }
        peer.cut_log()
    stage.report.print_single("login", ABOUT, rows)
