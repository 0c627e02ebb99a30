"""The limits on requests by one client and by all: no wallboard reaches them, and no client can shut out the others."""

import ipaddress
from collections import Counter, OrderedDict
from enum import StrEnum
from typing import Final, TypeVar

from queue_monitor.ports import Clock

REQUESTS_PER_SECOND: Final = 200.0
REQUESTS_AT_ONCE: Final = 4_000
"""The most requests of one client at once: behind one address five hundred wallboards may load together."""

STREAMS_OF_ONE: Final = 600
STREAMS: Final = 1_000
BODY_BYTES: Final = 64 * 1024
"""The largest body in bytes; the intake of events has a limit of its own (adapters/http)."""

WRONG_TOKENS: Final = 20
WRONG_TOKENS_SECONDS: Final = 60.0
CLIENTS: Final = 10_000
"""The most client addresses kept; the one that has been quiet for longest is dropped first."""

T = TypeVar("T")


class Refused(StrEnum):
    """The reason why the guard refused a request; counted in /metrics."""

    NO_TOKEN = "no_token"
    WRONG_TOKEN = "wrong_token"
    WRONG_ROLE = "wrong_role"
    GUESSING = "guessing"
    CROSS_SITE = "cross_site"
    TOO_OFTEN = "too_often"
    TOO_MANY_STREAMS = "too_many_streams"
    TOO_BIG = "too_big"


class Limits:
    """The use that each client has made of its allowance, by the monitor's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._streams: Counter[str] = Counter()
        self.refused: Counter[str] = Counter(dict.fromkeys(Refused, 0))

    def may_ask(self, client: str) -> bool:
        """Take one request of the client's allowance; False when it is used up."""
        now = self._clock.monotonic()
        at, spent = self._spent.pop(client, (now, 0.0))
        spent = max(0.0, spent - (now - at) * REQUESTS_PER_SECOND)
        allowed = spent < REQUESTS_AT_ONCE
        _remember(self._spent, client, (now, spent + 1 if allowed else spent))
        return allowed

    def open_stream(self, client: str) -> bool:
        """Count one stream more; False, and not counted, when there are too many. `close_stream` ends it."""
        if self._streams[client] >= STREAMS_OF_ONE or self._streams.total() >= STREAMS:
            return False
        self._streams[client] += 1
        return True

    def close_stream(self, client: str) -> None:
        self._streams[client] -= 1
        if not self._streams[client]:
            del self._streams[client]

    def guesses(self, client: str) -> bool:
        """Return whether the client has shown too many wrong tokens in the last minute."""
        return self._wrong_of(client)[1] >= WRONG_TOKENS

    def wrong_token(self, client: str) -> None:
        since, count = self._wrong_of(client)
        self._wrong.pop(client, None)
        _remember(self._wrong, client, (since, count + 1))

    def _wrong_of(self, client: str) -> tuple[float, int]:
        now = self._clock.monotonic()
        since, count = self._wrong.get(client, (now, 0))
        return (since, count) if now - since < WRONG_TOKENS_SECONDS else (now, 0)


def client_of(address: str) -> str:
    """Return the key under which a client is counted: its address, or in IPv6 its /64, which one household has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _remember(known: "OrderedDict[str, T]", client: str, value: T) -> None:
    known[client] = value
    if len(known) > CLIENTS:
        known.popitem(last=False)
