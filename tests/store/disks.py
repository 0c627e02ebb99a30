"""A disk that can be filled and given room again, for a SQLite file or for a PostgreSQL database.

As root it is a real one, a few megabytes of memory mounted as a file system. Who may not mount sets a limit to the size
of files instead, which a database meets in the same place: when its file should grow.
"""

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psycopg

from tests.store.calls import rows
from tests.store.postgres import Postgres


class Disk(Protocol):
    """`url` is a database on it."""

    url: str

    def fill(self) -> None: ...

    def make_room(self) -> None: ...


class Mounted:
    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while ballast.write(b"x" * 4096):
                pass

    def make_room(self) -> None:
        self._ballast.unlink()


class Limited:
    """No file of these processes may grow above the limit. 0 is this process."""

    def __init__(self, url: str, limit: int) -> None:
        self.url = url
        self._limit = limit

    def _processes(self) -> list[int]:
        if self.url.startswith("sqlite"):
            return [0]
        own = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [pid for (pid,) in rows(self.url, own)]

    def _set(self, limit: int) -> None:
        for process in self._processes():
            _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
            resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, most))

    def fill(self) -> None:
        if not self.url.startswith("sqlite"):
            self._write_up_to_the_limit()
        self._set(self._limit)

    def make_room(self) -> None:
        self._set(resource.RLIM_INFINITY)

    def _write_up_to_the_limit(self) -> None:
        """The server's own log must stay below the limit (its files are 16 MB), so the table has to be above it."""
        rows(
            self.url,
            "INSERT INTO journal (seq, at_us, received_us, body) SELECT -n, -1, 0, "
            "convert_to(repeat('x', 1500), 'UTF8') FROM generate_series(1, :n) AS n",
            n=self._limit // 1500,
        )


def may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        return mounted.returncode == 0 and subprocess.run(["umount", folder], check=True).returncode == 0


@contextmanager
def small_disk_for_sqlite(tmp_path: Path) -> Iterator[Disk]:
    url = f"sqlite:///{tmp_path}/small/journal.db"
    if not may_mount():
        yield Limited(url, limit=400_000)
        return
    with _mounted(tmp_path / "small", "size=3m"):
        yield Mounted(url, tmp_path / "small")


@contextmanager
def small_disk_for_postgres(postgres: Postgres) -> Iterator[Disk]:
    if not may_mount():
        yield Limited(postgres.new_database(), limit=16 * 1024 * 1024)
        return
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "small"
        with _mounted(folder, f"size=24m,uid={postgres.runs_as},mode=700"):
            (folder / "tables").mkdir()
            os.chown(folder / "tables", folder.stat().st_uid, -1)
            postgres.execute(f"CREATE TABLESPACE small LOCATION '{folder}/tables'")
            url = postgres.new_database("TABLESPACE small")
            yield Mounted(url, folder)
            postgres.execute(f'DROP DATABASE "{psycopg.conninfo.conninfo_to_dict(url)["dbname"]}" WITH (FORCE)')
            postgres.execute("CHECKPOINT")
            postgres.execute("DROP TABLESPACE small")


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
