"""A real PostgreSQL for tests: its own data, its own free port on loopback, gone when the tests are over.

Needs the Debian package `postgresql`; nothing of the machine's own cluster is touched. `tests/conftest.py` has the
fixtures for all tests.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pytest

USER: Final = "monitor"
PASSWORD: Final = "correct-horse-battery"
_WAIT_SECONDS: Final = 100


class Postgres:
    """One server. `stop` and `start` keep its data, port and password."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._data = home / "data"
        # The server refuses to run as root, so root hands it to the user that the package made.
        self.runs_as = "postgres" if os.geteuid() == 0 else None
        if self.runs_as:
            shutil.chown(home, self.runs_as, self.runs_as)
        self._server: subprocess.Popen[bytes] | None = None
        self._has_test = False
        self.port = _free_port()
        self._create()

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, options: str = "") -> str:
        """The URL of an empty database that no other test has seen."""
        name = f"test_{uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" {options}')
        return self.url(name)

    def emptied_database(self) -> str:
        """The URL of the one that all tests take in turn: a new one is 300 files to make, and to delete."""
        if not self._has_test:
            self.execute("CREATE DATABASE test")
            self._has_test = True
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'test' AND backend_type = 'client backend' AND pid <> pg_backend_pid();"
            " DROP SCHEMA public CASCADE; CREATE SCHEMA public",
            "test",
        )
        return self.url("test")

    def execute(self, sql: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql.encode())

    def start(self) -> None:
        self._server = self._popen("postgres", "-D", str(self._data), "-p", str(self.port))
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self, *, crash: bool = False) -> None:
        """End it in order, or (crash) at once, as if the power went: then nothing is written that was not already."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
            self._server.wait(_WAIT_SECONDS)
            self._server = None

    @property
    def _log(self) -> Path:
        return self._data.parent / "log"

    def _create(self) -> None:
        secret = self._data.parent / "password"
        secret.write_text(PASSWORD)
        making = self._popen(
            "initdb", "-D", str(self._data), "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync",
            "--encoding=UTF8", "--locale=C",
        )  # fmt: skip
        if making.wait(_WAIT_SECONDS) != 0:
            pytest.fail(f"initdb failed:\n{self._log.read_text()}")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write("listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n")

    def _popen(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._programs / program, *arguments],
                user=self.runs_as,
                group=self.runs_as,
                extra_groups=None if self.runs_as is None else [],
                cwd=self._data.parent,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _programs() -> Path:
    """Debian keeps each version's programs apart; elsewhere they are on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    if found is None:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).parent


@contextmanager
def running_server() -> Iterator[Postgres]:
    home = Path(tempfile.mkdtemp(prefix="queue-monitor-postgres-"))
    server = None
    try:
        server = Postgres(_programs(), home)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop(crash=True)  # its data is thrown away: nothing needs to be written first
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run: for everybody, so not to be stopped."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """An empty database on it, the test's own until the test is over."""
    return postgres.emptied_database()
