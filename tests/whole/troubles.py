"""Troubles that a monitor has to live with: each is one round, and says when the monitor took it wrongly."""

import asyncio
import json
import random
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from queue_monitor.clock import SystemClock
from queue_monitor.model import Role
from tests.api.centre import TOKENS, signed
from tests.patience import PATIENCE
from tests.whole.doors import HOST, Door, LogDoor, ManagerDoor, Whole
from tests.whole.poison import Poison

BAD_SENDER: Final = "ond"
NAMES: Final = 10_000
IN_ONE_REQUEST: Final = 500
FLOOD: Final = 1_000
SLOW_CLIENTS: Final = 40
GUESSES: Final = 40
BAD_IN_A_ROUND: Final = 60
DAYS_OFF: Final = (-500, -1, -1 / 24, 1 / 24 / 5, 1, 365)
SECONDS_OFF: Final = (-290, 290, -290, -290, 0, 4_000, -4_000, 0)

Trouble = Callable[[Whole, Poison, float], Awaitable[None]]
"""One round: `share` of what an hour of it has in each."""

_TAKEN: Final = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED})
_LATER: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})


async def poison_at_every_door(whole: Whole, poison: Poison, share: float) -> None:
    """Bad messages, and one that ends in the middle."""

    async def at(door: Door) -> None:
        for _ in range(int(BAD_IN_A_ROUND * share)):
            await door.bad(poison)
        await door.broken(poison)

    await asyncio.gather(*map(at, whole.doors))


async def floods(whole: Whole, poison: Poison, share: float) -> None:
    """Thousands at once, nothing wrong with them: by the bad sender, by a switch and in a log."""
    round_, now = random.getrandbits(40), SystemClock().now()
    callers = [f"{round_}-{number}" for number in range(int(FLOOD * share))]
    ami = next(door for door in whole.doors if isinstance(door, ManagerDoor))
    log = next(door for door in whole.doors if isinstance(door, LogDoor))
    at = int(now.timestamp())
    lines = (f"{at}|{at}.{who}|flod|NONE|ENTERQUEUE||anonymous|1" for who in callers)
    ends = (f"{at}|{at}.{who}|flod|NONE|ABANDON|1|1|0" for who in callers)
    await asyncio.to_thread(log.append, "".join(f"{line}\n" for line in (*lines, *ends)).encode())
    for who in callers:
        told = f"Timestamp: {now.timestamp():.6f}\r\nUniqueid: {who}\r\nLinkedid: {who}\r\nQueue: flod\r\n"
        joins = f"Event: QueueCallerJoin\r\n{told}Position: 1\r\nCount: 1\r\n\r\n"
        leaves = f"Event: QueueCallerAbandon\r\n{told}Position: 1\r\nOriginalPosition: 1\r\nHoldTime: 0\r\n\r\n"
        await ami.switch.say((joins + leaves + f"Event: Hangup\r\n{told}Cause: 0\r\n\r\n").encode())
    await _post_all(whole, [_event("call.entered", who, queue="flod") for who in callers])
    await _post_all(whole, [_event("call.left", who, outcome="abandoned") for who in callers])


async def ten_thousand_queue_names(whole: Whole, poison: Poison, share: float) -> None:
    """Each made up and named by one caller, every tenth by two."""
    round_ = random.getrandbits(40)
    names = [(number, f"påhittad {round_} {number}") for number in range(int(NAMES * share))]
    await _post_all(whole, [_event("call.entered", f"{round_}-{number}", queue=name) for number, name in names])
    await _post_all(whole, [_event("call.entered", f"{round_}-{n}b", queue=name) for n, name in names if n % 10 == 0])
    await _post_all(whole, [_event("call.left", f"{round_}-{number}", outcome="abandoned") for number, _ in names])
    await _post_all(
        whole, [_event("call.left", f"{round_}-{n}b", outcome="abandoned") for n, _ in names if n % 10 == 0]
    )


async def clock_jumps(whole: Whole, poison: Poison, share: float) -> None:
    """A sender whose clock jumps: its heartbeats say so, and so do its events."""
    for off in SECONDS_OFF:
        status = await _post(whole, b"[]", seconds_off=off)
        assert status in ({HTTPStatus.UNAUTHORIZED} if abs(off) > 300 else _TAKEN | _LATER), (off, status)
    for days in DAYS_OFF:
        who = str(random.getrandbits(40))
        event = _event("call.entered", who, queue="klocka") | {
            "time": (SystemClock().now() + timedelta(days=days)).isoformat()
        }
        status = await _post(whole, json.dumps([event]).encode())
        assert status in {HTTPStatus.BAD_REQUEST} | _TAKEN | _LATER, (days, status)


async def wrong_tokens(whole: Whole, poison: Poison, share: float) -> None:
    """Guesses, and signatures that are none; whoever has the right token at the same address is let in."""
    answers = [await asyncio.to_thread(_get, whole, f"gissning-{number}") for number in range(int(GUESSES * share))]
    assert set(answers) <= {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}, answers
    assert await _post(whole, b"[]", signature="sha256=" + "0" * 64) == HTTPStatus.UNAUTHORIZED
    assert await asyncio.to_thread(_get, whole, TOKENS[Role.STATUS]) == HTTPStatus.OK


async def slow_clients(whole: Whole, poison: Poison, share: float) -> None:
    """Some take for ever to ask, some never read what they asked for."""
    port = urlsplit(whole.told.address).port
    head = f"GET /api/v1/stream HTTP/1.1\r\nHost: monitor\r\nAuthorization: Bearer {TOKENS[Role.WALLBOARD]}\r\n"
    async with AsyncExitStack() as stack:
        writers = []
        for number in range(int(SLOW_CLIENTS * share)):
            _, writer = await asyncio.open_connection(HOST, port, limit=1024)
            stack.callback(writer.transport.abort)
            writers.append(writer)
            writer.write((head + "\r\n").encode() if number % 2 else head[:10].encode())
        for sign in head[10:14]:
            await SystemClock().sleep(0.3)
            for writer in writers[::2]:
                with suppress(ConnectionError):
                    writer.write(sign.encode())


PESTERING: Final[tuple[Trouble, ...]] = (
    *(poison_at_every_door, floods, ten_thousand_queue_names),
    *(clock_jumps, wrong_tokens, slow_clients),
)


THOUSANDS: Final = (floods, ten_thousand_queue_names)
"""Those with thousands of calls in each round."""


# ---- the bad sender


def _event(kind: str, who: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}/{who}",
        "source": f"urn:kc:http:{BAD_SENDER}",
        "type": f"se.kundcenter.{kind}",
        "time": SystemClock().now().isoformat(),
        "data": {"visit_id": f"{BAD_SENDER}:{who}", **data},
    }


async def _post_all(whole: Whole, events: list[dict[str, Any]]) -> None:
    for at in range(0, len(events), IN_ONE_REQUEST):
        body = json.dumps(events[at : at + IN_ONE_REQUEST]).encode()
        while (status := await _post(whole, body)) in _LATER:
            await SystemClock().sleep(0.5)
        assert status in _TAKEN, status


async def _post(whole: Whole, body: bytes, *, seconds_off: float = 0.0, signature: str = "") -> int:
    def post() -> int:
        """Sign now, not before a thread is free: a signature holds for five minutes of the sender's clock."""
        headers = signed(body, BAD_SENDER, seconds_off) | {"Content-Type": "application/cloudevents-batch+json"}
        if signature:
            headers["X-KC-Signature"] = signature
        return _status(urllib.request.Request(f"{whole.told.address}/api/v1/events", body, headers))

    return await asyncio.to_thread(post)


def _get(whole: Whole, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return _status(urllib.request.Request(f"{whole.told.address}/api/v1/status", headers=headers))


def _status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
