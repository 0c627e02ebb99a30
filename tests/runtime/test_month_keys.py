"""The file of the keys under which numbers in ids are replaced."""

import asyncio
import logging
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from queue_monitor.clock import SystemClock
from queue_monitor.ports import StoreError
from queue_monitor.runtime.month_keys import KEY_BYTES, MonthKeys
from queue_monitor.whole_file import write_json


async def test_the_file_is_made_with_the_first_key_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "deep" / "keys.json"
    keys = MonthKeys(path)
    assert not path.exists()

    key = keys.of("2026-11")
    assert not path.exists(), "the disk may be slow: whoever takes calls does not wait for it"
    await keys.save()

    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert MonthKeys(path).of("2026-11") == key != MonthKeys(path).of("2026-12")


async def test_what_was_carried_over_outlives_the_process(tmp_path: Path):
    keys = MonthKeys(tmp_path / "keys.json")
    keys.of("2026-12")
    keys.carry("2026-12", {"nr-b": "nr-a"})
    await keys.save()

    again = MonthKeys(tmp_path / "keys.json")

    assert (again.carried("2026-12", "nr-b"), again.carried("2026-12", "nr-a")) == ("nr-a", None)


def test_the_newest_earlier_month_is_the_one_before(tmp_path: Path):
    keys = MonthKeys(None)
    for month in ("2026-08", "2026-11", "2027-01"):
        keys.of(month)

    assert [keys.before(month) for month in ("2026-08", "2026-12", "2027-02")] == [None, "2026-11", "2027-01"]


async def test_a_key_that_is_destroyed_is_in_no_file_and_never_comes_back(tmp_path: Path):
    path = tmp_path / "keys.json"
    keys = MonthKeys(path)
    old, new = keys.of("2026-10"), keys.of("2026-11")
    keys.carry("2026-10", {"nr-b": "nr-a"})
    await keys.save()

    keys.destroy("2026-10")
    keys.destroy("2026-09")

    assert keys.months == ["2026-11"]
    (content,) = (file.read_text() for file in tmp_path.iterdir())  # noqa: ASYNC240
    assert old.hex() not in content and "nr-a" not in content
    again = MonthKeys(path)
    assert again.of("2026-11") == new
    assert again.of("2026-10") != old


@pytest.mark.parametrize("mode", [0o640, 0o604])
async def test_a_file_that_is_open_to_others_is_refused_with_what_to_do(tmp_path: Path, mode: int):
    path = tmp_path / "keys.json"
    keys = MonthKeys(path)
    keys.of("2026-11")
    await keys.save()
    path.chmod(mode)

    with pytest.raises(StoreError, match=r"store.number_keys: .* chmod 600"):
        MonthKeys(path)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"2026-11": {"key": "short"}}', '{"november": {"key": "' + "0" * 64 + '"}}']
)
def test_a_damaged_file_is_refused_and_not_written_over(tmp_path: Path, content: str):
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(StoreError, match=r"store.number_keys: .* is damaged"):
        MonthKeys(path)
    assert path.read_text() == content


async def test_a_disk_that_takes_no_key_costs_no_call_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    keys = MonthKeys(tmp_path / "file" / "keys.json")
    (tmp_path / "file").write_text("")

    with caplog.at_level(logging.ERROR):
        november = keys.of("2026-11")
        await keys.save()
        keys.of("2026-12")
        await keys.save()

    assert keys.of("2026-11") == november
    assert caplog.text.count("store.number_keys cannot be written") == 1
    (tmp_path / "file").unlink()
    await keys.save()
    assert MonthKeys(tmp_path / "file" / "keys.json").of("2026-11") == november


async def test_a_key_made_while_another_is_written_is_on_disk_too_when_all_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keys = MonthKeys(tmp_path / "keys.json")
    written = MonthKeys._save

    def slowly(self: MonthKeys) -> None:
        written(self)
        if len(self.months) == 1:
            self.of("2026-12")

    monkeypatch.setattr(MonthKeys, "_save", slowly)
    keys.of("2026-11")
    await keys.save()

    assert MonthKeys(tmp_path / "keys.json").months == ["2026-11", "2026-12"]


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_whoever_saves_while_another_does_waits_until_the_disk_has_the_key(
    is_cancelled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    begun, goes_on, path = threading.Event(), threading.Event(), tmp_path / "keys.json"

    def slowly(file: Path, content: object) -> None:
        begun.set()
        goes_on.wait()
        write_json(file, content)

    monkeypatch.setattr("queue_monitor.runtime.month_keys.write_json", slowly)
    keys = MonthKeys(path)
    key = keys.of("2026-11")
    first = asyncio.create_task(keys.save())
    await asyncio.to_thread(begun.wait)
    if is_cancelled:
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
    second = asyncio.create_task(keys.save())
    for _ in range(5):
        await SystemClock().sleep(0)
    was_done = second.done()
    goes_on.set()
    await second

    assert not was_done
    assert MonthKeys(path).of("2026-11") == key
    await asyncio.gather(first, return_exceptions=True)
