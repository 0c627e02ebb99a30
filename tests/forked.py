"""Starts a program of ours as a process that need not import it first: half of what a start of the monitor costs.

One process for each test worker has imported what the programs need and does nothing else; each start is a fork of it,
with arguments, environment, folder and standard streams of its own. Killed, signalled and waited for, it is a process
like any other. That `python -m queue_monitor` itself starts is what `test_starting`, `test_walk`, `test_init` and the
first start in `test_service` are about.

As a program: `FD` takes the orders that come on that socket, until its other end is closed.
"""

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import IO, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
_LOADED: Final = (
    *("queue_monitor.commands.serving", "queue_monitor.commands.storing", "queue_monitor.commands.past"),
    *("adapters.http", "adapters.simulator", "alembic.command", "uvicorn.protocols.http.auto", "aiosqlite"),
    *("holidays.countries", "pydantic.v1", "uvicorn.lifespan.off", "queue_monitor.store.migrations.compacting"),
    *("psycopg", "psycopg_binary", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.aiosqlite"),
    *("tests.runtime.lasting", "tests.store.calls"),
)
"""The modules that the programs import sooner or later."""
_LONGEST_ORDER: Final = 1 << 17  # bytes; an environment is some thousand
_STREAMS: Final = 3


class Order(NamedTuple):
    """One start: `python -m MODULE ARGUMENTS`, in which folder, with which environment."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str


class Process:
    """A process that was started here, with as much of `subprocess.Popen` as the tests use."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bool = False,
        stderr: int | None = None,
    ) -> None:
        """`stderr`: a descriptor; without one, that of the tests. The process may read what is written to `stdin`."""
        told = os.environ if env is None else env
        order = Order(module, list(arguments), dict(told), str(cwd or Path.cwd()))
        self.returncode: int | None = None
        its_input, ours = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
        out, its_output = os.pipe()
        news, its_news = os.pipe()
        streams = (its_input, its_output, 2 if stderr is None else stderr)
        try:
            _place().start(order, (*streams, its_news))
        finally:
            for mine in (its_input, its_output, its_news):
                os.close(mine)
        self.stdin: IO[str] | None = os.fdopen(ours, "w", encoding="utf-8") if stdin else None
        self.stdout: IO[str] = os.fdopen(out, "r", encoding="utf-8")
        self._news = os.fdopen(news, "rb", buffering=0)
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code. Raises `TimeoutExpired` after so many seconds."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[str, None]:
        """Wait for its end; return what nobody has read yet."""
        if self.stdin:
            self.stdin.close()
        unread = "" if self.stdout.closed else self.stdout.read()
        self.stdout.close()
        self.wait()
        return unread, None

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._news, selectors.EVENT_READ)
                if selector.select(seconds):
                    self.returncode = int(self._line())
                    self._news.close()
        return self.returncode

    def _line(self) -> str:
        found = bytearray()
        while (byte := self._news.read(1)) not in (b"\n", b""):
            found += byte
        assert found, "the place where processes are started is gone"
        return found.decode()


class _Place:
    """The process that is forked, and the line to it."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(other.fileno())], cwd=ROOT, pass_fds=[other.fileno()]
            ).returncode = 0  # it ends when this process does: nobody waits for it
        self._one_at_a_time = Lock()

    def start(self, order: Order, descriptors: tuple[int, ...]) -> None:
        with self._one_at_a_time:
            socket.send_fds(self._socket, [json.dumps(order).encode()], descriptors)


_the_first: Final = Lock()


def _place() -> _Place:
    """Return the one place of this process. Two threads that start something first must not make two: the place that
    nobody keeps ends, and nobody hears any more of what was started there.
    """
    with _the_first:
        return _made()


@cache
def _made() -> _Place:
    return _Place()


def _serve(orders: socket.socket) -> Order | None:
    """Fork for each order. Returns the order in each fork, and None here, once nobody can give another."""
    running: dict[int, tuple[int, int]] = {}  # by the descriptor that tells of its end: the process and its news
    selector = selectors.DefaultSelector()
    selector.register(orders, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not orders:
                _report(*running.pop(key.fd))
                selector.unregister(key.fd)
                os.close(key.fd)
                continue
            said, descriptors, _, _ = socket.recv_fds(orders, _LONGEST_ORDER, _STREAMS + 1)
            if not said:
                return None
            *streams, news = descriptors
            pid = os.fork()
            if pid == 0:
                selector.close()
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                for mine in (*descriptors, *running, *(one for _, one in running.values()), orders.detach()):
                    os.close(mine)
                return Order(*json.loads(said))
            for stream in streams:
                os.close(stream)
            os.write(news, b"%d\n" % pid)
            end = os.pidfd_open(pid)
            running[end] = (pid, news)
            selector.register(end, selectors.EVENT_READ)


def _report(pid: int, news: int) -> None:
    """Say with which code the process ended, if anybody still listens."""
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(news, b"%d\n" % os.waitstatus_to_exitcode(status))
    os.close(news)


def _become(order: Order) -> None:
    """Be the program from here on, as if the interpreter had begun with it."""
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    lines = 1 if "PYTHONUNBUFFERED" in os.environ else -1
    sys.stdout = open(1, "w", lines, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = [order.module, *order.arguments]
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def _program(descriptor: int) -> None:
    for module in _LOADED:
        import_module(module)
    gc.collect()
    gc.freeze()  # so that no fork writes to every page of it
    if order := _serve(socket.socket(fileno=descriptor)):
        _become(order)


if __name__ == "__main__":
    _program(int(sys.argv[1]))
