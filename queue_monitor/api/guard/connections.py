"""The limits on connections: their number, the time for a request to arrive, and the time for an answer to be read.

Uvicorn would wait for a request for ever, and for any number and length of them. A wallboard asks once, in a moment,
and then reads; a slower client only keeps the others out.
"""

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS: Final = 1_500
"""The most connections: all the streams there may be (`limits`), and as many again for everything else."""

KEPT_FILES: Final = 100
"""The open files that the journal, the sources and the alerts need, however many connections come."""

ASK_SECONDS: Final = 15.0
"""The time from the connection, or the last answer, until the whole next request has come."""

TAKE_SECONDS: Final = 30.0
"""The time for which a client may read nothing of what waits for it."""

HEAD_BYTES: Final = 16 * 1024
"""The longest request: its line and its headers."""


class Connection(HttpToolsProtocol):
    """One connection of a server with a limited number of them. See `bounded`."""

    most: int
    asking: dict["Connection", None]
    """The connections that have not asked yet, oldest first: the first one is cut off when all places are taken."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            next(iter(self.asking), self).cut_off()
        if not transport.is_closing():
            self._listen()

    def connection_lost(self, exc: Exception | None) -> None:
        self._asked()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request line and the headers are too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._asked()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise ValueError("too long")  # the parser stops, and 400 is answered
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._listen()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(TAKE_SECONDS, self.cut_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken()

    def cut_off(self) -> None:
        """Close at once, whatever still waits to be sent."""
        self.asking.pop(self, None)
        self.transport.abort()

    def _listen(self) -> None:
        self._asked()
        self.asking[self] = None
        self._deadline = self.loop.call_later(ASK_SECONDS, self.cut_off)

    def _asked(self) -> None:
        self.asking.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _taken(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def bounded(most: int) -> type[Connection]:
    """Return the connection class for one server with room for `most` connections at once."""

    class Bounded(Connection):
        pass

    Bounded.most, Bounded.asking = most, {}
    return Bounded


def room() -> int:
    """Return how many connections the limit on open files allows, after raising it as far as it may be."""
    wanted = MAX_CONNECTIONS + KEPT_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft - KEPT_FILES)
