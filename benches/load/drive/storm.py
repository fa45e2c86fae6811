"""The refresh storm: very many calls at once, on several instances, with one expired token."""

import asyncio
import time

from browser import Browser
from peer import FETCH
from processes import free_port

INSTANCES, CALLS = 3, 200
ABOUT = f"{CALLS} calls to each of {INSTANCES} instances at once, on one session whose token has expired"


def run(stage):
    broker, world = stage.broker, stage.world
    programs, ports = [], []
    try:
        for number in range(INSTANCES):
            ports.append(free_port())
            programs.append(broker.run(f"whisk-bff-storm-{number}", *broker.instance(ports[-1])))
            programs[-1].wait_until_listening(ports[-1])
        world.provider_says("/control?expires_in=1&delay_ms=50")
        browser = Browser()
        cookie = broker.log_in(browser)
        browser.close()
        world.provider_says("/control?expires_in=86400&delay_ms=50")
        time.sleep(1.5)
        before = world.provider_says("/count")
        statuses, milliseconds = asyncio.run(storm(broker, ports, cookie))
        after = world.provider_says("/count")
    finally:
        world.provider_says("/control?expires_in=86400&delay_ms=0")
        for program in programs:
            program.stop()
    row = {
        "calls": len(statuses),
        "redemptions": after["refresh_token"] - before["refresh_token"],
        "refused": after["refused"] - before["refused"],
        "failures": sum(status != 200 for status in statuses),
        "last answer ms": milliseconds,
    }
    stage.report.print_single("storm", ABOUT + "; the token endpoint takes 50 ms", {"whisk-bff": row})


async def storm(broker, ports, cookie):
    """All calls written as close together as can be; their statuses, and when the last came."""
    fields = {"Host": broker.url.partition("//")[2], "Cookie": cookie, "Connection": "close", **FETCH}
    call = "GET /v2/small HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    opened = [await asyncio.open_connection("127.0.0.1", port) for port in ports for _ in range(CALLS)]
    began = time.monotonic()
    for _, writer in opened:
        writer.write(call.encode())
    statuses = await asyncio.wait_for(asyncio.gather(*(status(reader) for reader, _ in opened)), 60)
    milliseconds = (time.monotonic() - began) * 1000
    for _, writer in opened:
        writer.close()
    return statuses, milliseconds


async def status(reader):
    """The status of one answer, 0 where there was none."""
    answer = await reader.read()
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
