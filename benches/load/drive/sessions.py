"""Scenarios about how many sessions there are, and where their records are read from."""

import re
import time

from browser import Browser
from calls import Call
from processes import free_port

COLD = "GET, every session read from the store (store.cache_max_age = 0)"
MANY = "GET, {} sessions in turn, beside one session"
MILLION = "the same with {} sessions in Redis"


def cold(stage):
    """An instance without its cache, with the sessions of the first."""
    broker, port = stage.broker, free_port()
    program = broker.run("whisk-bff-cold", *broker.instance(port, store__cache_max_age="0s"))
    program.wait_until_listening(port)
    rows = {"whisk-bff": {"port": port, "program": program}}
    try:
        stage.rounds("cold", COLD, Call("cold", COLD), rows)
    finally:
        program.stop()
        broker.cut_log("whisk-bff-cold")


def many(stage):
    """As many sessions as the cache of one instance holds with ease."""
    cookies = stage.logged_in()
    about = MANY.format(f"{len(cookies):,}")
    stage.rounds("sessions", about, Call("sessions", about), in_turn(cookies))


def million(stage):
    """The same sessions among a million others."""
    cookies = stage.logged_in()
    records, bytes_each = seed(stage.world.redis, stage.given.records)
    about = MILLION.format(f"{records:,}")
    stage.rounds("million", about, Call("million", about), in_turn(cookies))
    stage.report.print_single(
        "store", "what a session takes in Redis", {"whisk-bff": {"sessions": records, "bytes each": bytes_each}}
    )


def in_turn(cookies):
    return {"whisk-bff, one session": {}, f"whisk-bff, {len(cookies):,} in turn": {"cookies": cookies}}


def log_in(peer, count):
    """The Cookie headers of so many new sessions, each from a whole login."""
    began, cookies, failed = time.monotonic(), [], 0
    browser = Browser()
    while len(cookies) < count:
        browser.jars = {}
        try:
            cookies.append(peer.log_in(browser))
        except RuntimeError:
            # A machine that is very busy makes one time out now and then. They are not measured.
            failed += 1
            if failed > count / 100:
                raise
    browser.close()
    print(f"\n{count:,} logins in {time.monotonic() - began:.0f} s, {failed} failed", flush=True)
    return cookies


def seed(redis, count):
    """Fills Redis up to so many sessions, and tells how many there are and what each takes.

    The records are copies of a real one under names of the same form. Each is sealed for its own
    name, so none of the copies would open: they are ballast, and no call asks for them.
    """
    cursor, names = b"0", []
    while not names:
        cursor, names = redis.ask("SCAN", cursor, "MATCH", "whisk-bff:s:*", "COUNT", "1000")
    shape = re.fullmatch(rb"(whisk-bff:s:\{).*(\})", names[0])
    present = redis.ask("DBSIZE")
    before, made = redis.used_memory(), 0
    while present + made < count:
        part = min(20_000, count - present - made)
        redis.ask("EVAL", COPY, 1, names[0], shape[1], shape[2], made, part)
        made += part
    grown = redis.used_memory() - before
    return present + made, round(grown / made) if made else 0


# 43 characters between the braces, as in a real name: SHA-1 in hexadecimal, and three more.
COPY = """
local record, ttl = redis.call('DUMP', KEYS[1]), redis.call('PTTL', KEYS[1])
for i = ARGV[3] + 1, ARGV[3] + ARGV[4] do
  redis.call('RESTORE', ARGV[1] .. redis.sha1hex(i) .. 'xxx' .. ARGV[2], ttl, record)
end
"""
