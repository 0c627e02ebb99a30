"""A disk that is really full: a small file system of its own, mounted as root, that a file of nothing fills."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from queue_monitor.model import Role
from tests.alerts.receivers import until
from tests.api.centre import TOKENS, Centre, centre, with_tokens

CALLERS: Final = 1_000
IN_ONE_REQUEST: Final = 10
LEFT: Final = 900_000
"""The bytes that are left when the monitor is told of the first caller: room for some of them."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 40 MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def asked(told: Centre, path: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(told.address + path, headers=headers), timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def counted(told: Centre) -> int:
    status: dict[str, Any] = asked(told, "/api/v1/status")[1]
    return int(status["total"]["periods"]["day"]["entered"])


@pytest.mark.soak
def test_a_full_disk_is_told_and_no_caller_is_lost_or_counted_twice(tmp_path: Path) -> None:
    taken: list[int] = []

    def tell(told: Centre) -> None:
        for first in range(0, CALLERS, IN_ONE_REQUEST):
            callers = range(first, first + IN_ONE_REQUEST)
            told.tell(*(event for caller in callers for event in (told.enters(caller), told.leaves(caller))))
            taken.extend(callers)

    with small_disk(tmp_path / "disk") as disk, centre(disk, with_tokens()) as told:
        free = os.statvfs(disk)
        filler = disk / "filler"
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - LEFT))
        telling = Thread(target=tell, args=(told,))
        telling.start()
        full = 503, {"status": "not_ready", "reasons": ["Journalen kan inte skrivas."]}
        until(lambda: asked(told, "/readyz") == full, "the monitor says that it cannot write")
        when_full = len(taken)
        assert asked(told, "/healthz")[0] == 200
        filler.unlink()
        telling.join()
        until(lambda: asked(told, "/readyz")[0] == 200, "the monitor can write again")
        until(lambda: counted(told) == CALLERS, "every caller is counted")
        log = (disk / "log.txt").read_text(encoding="utf-8")

    assert 0 < when_full < CALLERS
    assert taken == list(range(CALLERS))
    assert "database or disk is full" in log
    assert "journal up again" in log
