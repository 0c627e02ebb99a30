"""Stays come out in the order of entry, however many of them have lain in files meanwhile."""

import bz2
import gzip
import lzma
import random
from pathlib import Path

import pytest

from queue_monitor.importing.files import looked_at, opened
from queue_monitor.importing.rows import Stay
from queue_monitor.importing.sorting import Sorted
from queue_monitor.replay.recording import RecordingError


@pytest.mark.parametrize("held", [7, 40, 1_000])
def test_stays_in_any_order_are_given_by_entry_whatever_memory_holds(held: int) -> None:
    chance = random.Random(held)
    stays = [Stay(chance.randrange(50), 0, line, "Kö", "answered", 1, None, "") for line in range(200)]
    with Sorted(held) as found:
        for stay in stays:
            found.add(stay)
        given = list(found)

    assert given == sorted(stays)
    assert found.count == len(stays)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_is_known_by_what_it_holds(pack: object, tmp_path: Path) -> None:
    path = tmp_path / "queue_log"
    path.write_bytes(pack(b"1|2|3|4|5\n" * 100))  # type: ignore[operator]

    with opened(looked_at(path)) as (file, _):
        assert file.read() == b"1|2|3|4|5\n" * 100


def test_a_packed_file_that_ends_too_early_is_said_to_be_broken(tmp_path: Path) -> None:
    path = tmp_path / "queue_log.gz"
    path.write_bytes(gzip.compress(random.Random(1).randbytes(2_000))[:1_000])

    with pytest.raises(RecordingError, match="broken or ends too early"), opened(looked_at(path)) as (file, _):
        file.read()
