"""A TCP proxy on loopback that does what networks do: cut, refuse, stall, and deliver in small pieces."""

import asyncio
import contextlib
from collections.abc import Iterator
from types import TracebackType

PIECE = 64 * 1024


class Proxy:
    """Passes connections on to a port, until told otherwise. `opened` counts those that came.

    `pieces` gives the sizes in which bytes from the server are delivered; `cut_at` ends the next connection, in the
    middle of whatever it is, after so many of them.
    """

    def __init__(self, target: int, *, pieces: Iterator[int] | None = None, cut_at: int | None = None) -> None:
        self.target = target
        self.port = 0
        self.opened = 0
        self.passed = 0
        self.cut_at = cut_at
        self._pieces = pieces
        self._flows = asyncio.Event()
        self._flows.set()
        self._door: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._ended: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        self._flows.set()

    def hang_up(self) -> None:
        """Break every connection; new ones are welcome."""
        for line in list(self._lines):
            line.transport.abort()

    async def cut(self) -> None:
        """Break every connection, and refuse new ones until `mend`."""
        if self._door:
            self._door.close()
            self._door = None
        self.hang_up()
        while self._ended:
            await asyncio.wait(self._ended)

    async def mend(self) -> None:
        self._door = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._door.sockets[0].getsockname()[1]

    def stall(self) -> None:
        """Connections stay open and nothing comes through from the server, as behind a firewall that has forgotten."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._ended.add(task)
        task.add_done_callback(self._ended.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._lines.add(writer)
        onward = None
        try:
            far, onward = await asyncio.open_connection("127.0.0.1", self.target)
            self._lines.add(onward)
            up = asyncio.create_task(self._pass(reader, onward))
            await self._deliver(far, writer)
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
        except OSError:
            pass
        finally:
            for line in filter(None, (writer, onward)):
                self._lines.discard(line)
                line.close()
                with contextlib.suppress(OSError):
                    await line.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()

    async def _deliver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed, cut_at, self.cut_at = 0, self.cut_at, None
        while piece := await reader.read(next(self._pieces) if self._pieces else PIECE):
            await self._flows.wait()
            if cut_at is not None:
                piece = piece[: cut_at - passed]
            writer.write(piece)
            await writer.drain()
            passed += len(piece)
            self.passed += len(piece)
            if passed == cut_at:
                return
