"""A queue_log that is rotated while nobody reads it, in every way in which people rotate logs."""

import asyncio
import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.asterisk_queuelog import Settings, build
from adapters.asterisk_queuelog.follow import _Tail
from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import CallAnswered, CallEntered, Event, SourceGap
from queue_monitor.model import Target
from queue_monitor.ports import AdapterError, Receipt
from tests.adapters.telling import Items, only
from tests.scenario import TEN, office_hours

PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
START = int(TEN.timestamp())
LOOKS_IN_VAIN = 10


def call(number: int) -> bytes:
    """A caller of the given minute: enters, is answered after 5 s, completed after 30 s."""
    at = START + 60 * number
    return (
        f"{at}|{at}.{number}|kundcenter|NONE|ENTERQUEUE||0980319201|1\n"
        f"{at + 5}|{at}.{number}|kundcenter|Bo|CONNECT|5|{at}.9|2\n"
        f"{at + 30}|{at}.{number}|kundcenter|Bo|COMPLETECALLER|5|25|1\n"
    ).encode()


def calls(*numbers: int) -> bytes:
    return b"".join(map(call, numbers))


class CountedClock(ManualClock):
    """Tells when a reader has looked again so many times."""

    _looks = 0
    _enough = asyncio.Event()

    def after(self, looks: int) -> asyncio.Event:
        self._looks, self._enough = looks, asyncio.Event()
        return self._enough

    async def sleep(self, seconds: float) -> None:
        self._looks -= 1
        if self._looks == 0:
            self._enough.set()
        await super().sleep(seconds)


class Log:
    """A queue_log in a folder, and a monitor that is started on it again and again."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        self.file = folder / "queue_log"
        self.clock = CountedClock(TEN + timedelta(hours=2))
        self.options = Settings(path=str(self.file), state_path=str(folder / "state.json"), **options)  # type: ignore[arg-type]
        self.live = Live(Rules(target=Target(), calendar=office_hours(), organisation="Kundcenter"))

    def write(self, *numbers: int) -> None:
        with self.file.open("ab") as file:
            file.write(calls(*numbers))

    async def run(self, meanwhile: Callable[[], None] | None = None) -> Items:
        """Read until the reader has looked several times and found nothing more."""
        items: Items = []
        async with build("log", "kc", self.options, self.clock).connect() as deliveries:
            waiting = asyncio.ensure_future(anext(deliveries))
            for _ in range(2):
                while await self._comes(waiting):
                    delivery = waiting.result()
                    items += delivery.items
                    await delivery.ack(Receipt())
                    waiting = asyncio.ensure_future(anext(deliveries))
                if meanwhile is not None:
                    await asyncio.to_thread(meanwhile)
                    meanwhile = None
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        for item in items:
            assert isinstance(item, Event)
            self.live.apply(item)
        return items

    async def _comes(self, delivery: "asyncio.Future[Any]") -> bool:
        enough = asyncio.ensure_future(self.clock.after(LOOKS_IN_VAIN).wait())
        await asyncio.wait({delivery, enough}, return_when=asyncio.FIRST_COMPLETED)
        enough.cancel()
        return delivery.done()


def entered(items: Items) -> list[int]:
    return [int(one.leg_id.rpartition(".")[2]) for one in only(CallEntered, items)]


def packed(path: Path, suffix: str = ".gz") -> None:
    path.with_name(path.name + suffix).write_bytes(PACKERS[suffix](path.read_bytes()))
    path.unlink()


def renamed(log: Log, name: str) -> Path:
    new = log.folder / name
    new.parent.mkdir(exist_ok=True)
    log.file.rename(new)
    return new


def copied_and_cut(log: Log, name: str) -> Path:
    new = log.folder / name
    shutil.copyfile(log.file, new)
    os.truncate(log.file, 0)
    return new


def shift(folder: Path) -> None:
    """Make room for the next file."""
    for file in [*folder.glob("queue_log[.-]*"), *folder.glob("old/queue_log*")]:
        file.rename(file.with_name(file.name.replace("20261123", "20261122").replace(".1", ".2")))


WAYS: dict[str, Callable[[Log], object]] = {
    "renamed": lambda log: renamed(log, "queue_log.1"),
    "renamed by date": lambda log: renamed(log, "queue_log-20261123"),
    "packed at once": lambda log: packed(renamed(log, "queue_log.1")),
    "packed with bzip2": lambda log: packed(renamed(log, "queue_log.1"), ".bz2"),
    "packed with xz": lambda log: packed(renamed(log, "queue_log-20261123"), ".xz"),
    "moved to an old folder": lambda log: renamed(log, "old/queue_log.1"),
    "moved and packed": lambda log: packed(renamed(log, "old/queue_log-20261123")),
    "copied and cut": lambda log: copied_and_cut(log, "queue_log.1"),
    "copied, cut and packed": lambda log: packed(copied_and_cut(log, "queue_log.1")),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_call_once_however_the_log_was_rotated_meanwhile(tmp_path: Path, way: str) -> None:
    log = Log(tmp_path)
    log.write(1, 2)
    assert entered(await log.run()) == [1, 2]
    log.write(3)
    WAYS[way](log)
    log.write(4, 5, 6, 7, 8)

    items = await log.run()

    assert (entered(items), only(SourceGap, items)) == ([3, 4, 5, 6, 7, 8], [])
    assert entered(await log.run()) == []


@pytest.mark.parametrize("look", [1, 2, 3])
async def test_every_call_once_when_the_log_is_cut_and_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    log = Log(tmp_path)
    log.write(1, 2)
    is_cut, looks = _Tail._is_cut, [0]

    def cut_behind_the_look(tail: _Tail) -> bool:
        found = is_cut(tail)
        if tail._offset and looks[0] < look:
            looks[0] += 1
            if looks[0] == look:
                log.write(3)
                copied_and_cut(log, "queue_log.1")
                log.write(4, 5, 6, 7, 8)
        return found

    monkeypatch.setattr(_Tail, "_is_cut", cut_behind_the_look)
    items = await log.run(lambda: None)

    assert (entered(items), only(SourceGap, items)) == ([1, 2, 3, 4, 5, 6, 7, 8], [])


@pytest.mark.parametrize("way", WAYS)
async def test_every_call_once_however_the_log_is_rotated_under_the_reader(tmp_path: Path, way: str) -> None:
    log = Log(tmp_path)
    log.write(1, 2)

    def rotate() -> None:
        log.write(3)
        WAYS[way](log)
        log.write(4, 5, 6, 7, 8)

    items = await log.run(rotate)

    assert (entered(items), only(SourceGap, items)) == ([1, 2, 3, 4, 5, 6, 7, 8], [])


@pytest.mark.parametrize("way", WAYS)
async def test_a_log_rotated_twice_is_read_in_order(tmp_path: Path, way: str) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.write(2)
    WAYS[way](log)
    shift(log.folder)
    log.write(3, 4)
    WAYS[way](log)
    log.write(5)

    items = await log.run()

    assert (entered(items), only(SourceGap, items)) == ([2, 3, 4, 5], [])


async def test_a_folder_elsewhere_can_be_named(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", rotated_paths=(str(tmp_path / "archive" / "queue_log*"),))
    log.folder.mkdir()
    log.write(1)
    await log.run()
    log.write(2)
    packed(renamed(log, "../archive/queue_log-20261123"))
    log.write(3)

    assert entered(await log.run()) == [2, 3]


async def test_who_waited_when_the_log_was_packed_is_answered_as_the_same_caller(tmp_path: Path) -> None:
    log = Log(tmp_path)
    lines = call(1).splitlines(keepends=True)
    log.file.write_bytes(lines[0])
    (first,) = only(CallEntered, await log.run())
    packed(renamed(log, "queue_log.1"))
    log.file.write_bytes(b"".join(lines[1:]))

    (answered,) = only(CallAnswered, await log.run())

    assert answered.visit_id == first.visit_id


async def test_who_waited_before_the_rotation_is_known_after_a_later_start(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.file.write_bytes(calls(1).splitlines(keepends=True)[0])
    (first,) = only(CallEntered, await log.run())
    packed(renamed(log, "queue_log.1"))
    log.write(2)
    await log.run()
    with log.file.open("ab") as file:
        file.write(calls(1).splitlines(keepends=True)[1])

    (answered,) = only(CallAnswered, await log.run())

    assert answered.visit_id == first.visit_id


async def test_lines_that_are_in_no_file_any_more_are_a_gap(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1, 2)
    await log.run()
    log.write(3)
    log.file.unlink()
    log.write(30, 31)

    items = await log.run()

    (gap,) = only(SourceGap, items)
    assert entered(items) == [30, 31]
    assert (gap.from_, gap.to) == (TEN + timedelta(minutes=2, seconds=30), TEN + timedelta(minutes=30))
    covered = log.live.coverage(("kundcenter",), TEN, TEN + timedelta(minutes=40), TEN + timedelta(hours=1))
    assert covered.blind_minutes == 1 + 28
    assert [*only(SourceGap, await log.run())] == []


@pytest.mark.parametrize("numbers", [(30,), (30, 31, 32, 33, 34)])
async def test_an_inode_used_again_is_another_file(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    """Cut to nothing without a copy, whether it has grown past the saved place or not: the same inode."""
    log = Log(tmp_path)
    log.write(1, 2)
    await log.run()
    os.truncate(log.file, 0)
    log.write(*numbers)

    items = await log.run()

    assert (entered(items), len(only(SourceGap, items))) == ([*numbers], 1)


async def test_of_older_files_that_are_still_there_everything_is_read_and_the_rest_is_a_gap(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.file.unlink()
    log.write(10, 11)
    packed(renamed(log, "queue_log.1"))
    log.write(20)

    items = await log.run()

    assert (entered(items), len(only(SourceGap, items))) == ([10, 11, 20], 1)


async def test_a_rotated_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    renamed(log, "other.1")
    with pytest.raises(AdapterError) as missing:
        await log.run()
    assert missing.value.permanent
    (tmp_path / "other.1").rename(tmp_path / "queue_log.1")

    log.write(2)
    assert entered(await log.run()) == [2]


async def test_a_copy_of_the_log_is_not_read_beside_it(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.write(2)
    shutil.copyfile(log.file, tmp_path / "queue_log.backup")
    renamed(log, "queue_log.1")
    log.write(3)

    assert entered(await log.run()) == [2, 3]


async def test_a_damaged_packed_file_is_a_gap_and_stops_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.write(2)
    packed(renamed(log, "queue_log.1"))
    packed_file = tmp_path / "queue_log.1.gz"
    packed_file.write_bytes(packed_file.read_bytes()[:40])
    log.write(3)

    items = await log.run()

    assert (entered(items), len(only(SourceGap, items))) == ([3], 1)


async def test_a_state_without_a_mark_still_knows_its_file(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    place = f'{{"inode":{log.file.stat().st_ino},"offset":{log.file.stat().st_size}}}'
    await asyncio.to_thread(Path(log.options.state_path).write_text, place, encoding="utf-8")
    log.write(2)
    renamed(log, "queue_log.1")
    log.write(3)

    items = await log.run()

    assert (entered(items), only(SourceGap, items)) == ([2, 3], [])


# ---- a file that is gone in the middle


CHAINS = {
    "numbered": ("queue_log.3", "queue_log.2", "queue_log.1"),
    "numbered upwards": ("queue_log.7", "queue_log.8", "queue_log.9"),
    "packed": ("queue_log.3.gz", "queue_log.2.gz", "queue_log.1"),
    "dated": ("queue_log-20261121", "queue_log-20261122.gz", "queue_log-20261123"),
    "dated by the week": ("queue_log-2026-11-08", "queue_log-2026-11-15", "queue_log-2026-11-22"),
}
OLDER = {
    "numbered": "queue_log.4",
    "numbered upwards": "queue_log.6",
    "packed": "queue_log.4.gz",
    "dated": "queue_log-20261120",
    "dated by the week": "queue_log-2026-11-01",
}


def put(log: Log, name: str, *numbers: int) -> None:
    content = calls(*numbers)
    (log.folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("missing", [None, 1, 2])
async def test_a_file_missing_in_the_middle_is_a_gap(tmp_path: Path, chain: str, missing: int | None) -> None:
    """Of the last file, only numbers that begin with 1 tell."""
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.file.unlink()
    put(log, OLDER[chain], 0)
    for number, name in enumerate(CHAINS[chain]):
        if number != missing:
            put(log, name, *((1, 2), (10,), (20,))[number])
    log.write(30)

    items = await log.run()

    gaps = [(gap.from_, gap.to) for gap in only(SourceGap, items)]
    end = timedelta(seconds=30)
    match missing, chain:
        case 1, _:
            assert gaps == [(TEN + timedelta(minutes=2) + end, TEN + timedelta(minutes=20))]
        case 2, "numbered" | "packed":
            assert gaps == [(TEN + timedelta(minutes=10) + end, TEN + timedelta(minutes=30))]
        case _:
            assert gaps == []
    assert entered(items) == [number for at, number in enumerate((2, 10, 20, 30)) if at != missing]
    assert only(SourceGap, await log.run()) == []


async def test_a_file_in_the_middle_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    renamed(log, "queue_log.3")
    (tmp_path / "queue_log.2.gz").write_bytes(b"\x1f\x8b damaged")
    put(log, "queue_log.1", 20)
    log.write(30)

    items = await log.run()

    assert (entered(items), len(only(SourceGap, items))) == ([20, 30], 1)


async def test_a_log_rotated_again_while_its_files_are_read_is_read_in_order(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.write(2)
    renamed(log, "queue_log.2")
    log.write(3)
    renamed(log, "queue_log.1")
    log.write(4)
    async with build("log", "kc", log.options, log.clock).connect() as deliveries:
        items = [*(await anext(deliveries)).items]
        for number in (2, 1):
            (tmp_path / f"queue_log.{number}").rename(tmp_path / f"queue_log.{number + 1}")
        renamed(log, "queue_log.1")
        log.write(5)
        for _ in range(3):
            items += (await anext(deliveries)).items

    assert (entered(items), only(SourceGap, items)) == ([2, 3, 4, 5], [])


async def test_a_file_that_goes_while_those_before_it_are_read_is_a_gap(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1)
    await log.run()
    log.write(2)
    renamed(log, "queue_log.3")
    put(log, "queue_log.2", 3)
    put(log, "queue_log.1", 4)
    log.write(5)
    async with build("log", "kc", log.options, log.clock).connect() as deliveries:
        items = [*(await anext(deliveries)).items]
        (tmp_path / "queue_log.2").unlink()
        for _ in range(2):
            items += (await anext(deliveries)).items

    assert (entered(items), len(only(SourceGap, items))) == ([2, 4, 5], 1)
