"""What was backed up comes back whole, wherever it is put, and nothing passes for a backup that is none."""

import asyncio
import gzip
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from queue_monitor.__main__ import main
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.commands import backup_file, backups, rebuilding
from queue_monitor.commands.exits import BUSY, WRONG
from queue_monitor.config import Config, load
from queue_monitor.ports import StoreError, StoreInUse
from queue_monitor.store import copying, open_store
from tests.killing import killed_at, restored
from tests.runtime.lasting import monitor
from tests.runtime.test_lasting import FRIDAY, MONDAY, at, callers, tell
from tests.store.calls import read_all
from tests.store.monitor import BATCH, Monitor
from tests.store.old import RECORDING
from tests.test_rebuilding import history, nothing

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def settings(folder: Path) -> Config:
    """A monitor whose files lie in this folder, with a log that it follows."""
    (folder / "c.toml").write_text(
        f'[[sources]]\nname = "log"\nkind = "asterisk_queuelog"\npath = "/nowhere"\nstate_path = "{folder}/log.place"\n'
    )
    read = load(folder / "c.toml", {}, settings_of, adapter_kinds())
    store = structs.replace(
        read.store,
        url=f"sqlite:///{folder}/calls.db",
        agent_key=f"{folder}/agent.key",
        number_keys=f"{folder}/number-keys.json",
    )
    return structs.replace(read, store=store)


@pytest.fixture
def here(tmp_path: Path) -> Config:
    (tmp_path / "here").mkdir()
    return settings(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Config:
    """The settings of another machine."""
    (tmp_path / "there").mkdir()
    return settings(tmp_path / "there")


def file_of(config: Config) -> Path:
    return Path(config.store.url.removeprefix("sqlite:///"))


async def filled(config: Config, number: int = 40, meanwhile: Callable[[], object] | None = None) -> None:
    """Two days with as many callers; `meanwhile` is done while the monitor still has the store."""
    folder = file_of(config).parent
    (folder / "number-keys.json").write_text("{}")
    (folder / "log.place").write_text('{"place":1}')
    async with monitor(f"sqlite:///{folder}/calls.db", at(MONDAY, 12), folder, rules_of(config)) as run:
        await tell(run, callers(FRIDAY, number))
        await tell(run, callers(MONDAY, number))
        await run.store.pack(at(MONDAY, 1))
        if meanwhile is not None:
            meanwhile()


def left_in(folder: Path) -> list[Path]:
    """What lies in a folder that is not finished."""
    return [path for path in folder.rglob("*") if "unfinished" in path.name or ".restor" in path.name]


def small(path: Path) -> dict[str, bytes]:
    """The files beside the database."""
    return {name: (path.parent / name).read_bytes() for name in ("agent.key", "number-keys.json", "log.place")}


async def test_a_backup_of_a_running_monitor_gives_the_same_figures_in_another_folder(
    here: Config, there: Config, tmp_path: Path
):
    target = tmp_path / "calls.backup"

    await filled(here, meanwhile=lambda: backups.backup(here, target, NOW))
    restored = await backups.restore(there, target, over=False)

    assert history(file_of(there)) == history(file_of(here))
    assert small(file_of(there)) == small(file_of(here))
    assert (await rebuilding.verify(there, None, nothing)).differences == []
    assert "80 calls and 240 events, the newest of 2026-11-23 " in restored.summary()
    kept = [target, *file_of(there).parent.glob("*.db*"), *file_of(there).parent.glob("*.key")]
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}
    assert not left_in(tmp_path)


async def test_while_events_come_in_all_that_was_acknowledged_before_is_in_the_backup(
    here: Config, there: Config, tmp_path: Path
):
    folder = file_of(here).parent
    with Monitor("append", f"sqlite:///{folder}/calls.db") as other:
        acknowledged = [int(other.says()) for _ in range(20)][-1]
        made = backups.backup(here, tmp_path / "calls.backup", NOW)
        later = int(other.says())
    await backups.restore(there, tmp_path / "calls.backup", over=False)

    with closing(sqlite3.connect(file_of(there))) as database:
        numbers = [seq for (seq,) in database.execute("SELECT seq FROM journal ORDER BY seq")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert acknowledged <= len(numbers) == made.manifest.events
    assert len(numbers) % BATCH == 0
    assert later > acknowledged


async def test_a_flipped_bit_is_recognised_wherever_it_is_and_nothing_is_touched(
    here: Config, there: Config, tmp_path: Path
):
    target = tmp_path / "calls.backup"
    await filled(here, 3)
    backups.backup(here, target, NOW)
    whole = target.read_bytes()

    for place in range(10):
        content = bytearray(whole)
        content[(len(content) - 1) * place // 9] ^= 1 << place % 8
        target.write_bytes(content)
        with pytest.raises(StoreError, match=r"calls\.backup is (damaged|no whole backup).*take another one"):
            await backups.restore(there, target, over=True)
    assert [path.name for path in file_of(there).parent.iterdir()] == ["c.toml"]


async def test_one_that_was_cut_short_is_no_backup(here: Config, there: Config, tmp_path: Path):
    target = tmp_path / "calls.backup"
    await filled(here, 3)
    backups.backup(here, target, NOW)

    for size in (target.stat().st_size - 1, target.stat().st_size // 2, 10, 0):
        os.truncate(target, size)
        with pytest.raises(StoreError, match="is no whole backup"):
            await backups.restore(there, target, over=True)
        assert backups.expired(tmp_path, datetime(2200, 1, 1, tzinfo=UTC)) == []


async def test_a_backup_can_be_opened_with_any_tar(here: Config, tmp_path: Path):
    await filled(here, 3)
    backups.backup(here, tmp_path / "calls.backup", NOW)

    with tarfile.open(tmp_path / "calls.backup") as archive:
        names = archive.getnames()
    assert names == ["manifest.json", "places/log", "agent.key", "number-keys.json", "database.db"]


async def test_what_was_deleted_is_in_no_backup_that_is_made_afterwards(here: Config, tmp_path: Path):
    await filled(here, 3)
    with closing(sqlite3.connect(file_of(here))) as database, database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("INSERT INTO mark (name, value) VALUES ('x', 'hemligt samtal')")
        database.commit()
        database.execute("DELETE FROM mark WHERE name = 'x'")

    made = backups.backup(here, tmp_path / "calls.backup", NOW)

    assert b"hemligt" not in made.path.read_bytes()


# ---- killed


def test_killed_at_any_file_it_touches_a_backup_is_whole_or_not_there(here: Config, tmp_path: Path):
    asyncio.run(filled(here, 3))
    folder, number = tmp_path / "backups", 0
    folder.mkdir()
    while True:
        went_on = killed_at(number, tmp_path, backups.backup, here, folder, NOW)
        for made in folder.glob("*.backup"):
            backup_file.checked(made)
        if not went_on:
            break
        number += 1
        for made in folder.glob("*.backup"):
            made.unlink()

    assert number > 8
    assert [path.name for path in folder.iterdir()] == ["queue-monitor-20261123T233000Z.backup"]


def test_killed_at_any_file_it_touches_a_restore_leaves_the_old_store_or_the_new_one(
    here: Config, there: Config, tmp_path: Path
):
    backup, folder, before = tmp_path / "calls.backup", file_of(there).parent, tmp_path / "before"
    asyncio.run(filled(here, 3))
    backups.backup(here, backup, NOW)
    new = history(file_of(here)), small(file_of(here))
    asyncio.run(filled(there, 2))
    (folder / "log.place").write_text("old")
    old = history(file_of(there)), small(file_of(there))
    with closing(sqlite3.connect(file_of(there))) as database:  # a log of the old one must not get into the new one
        database.execute("INSERT INTO mark (name, value) VALUES ('x', 'y')")
        database.commit()
        shutil.copytree(folder, before)

    found: list[bool] = []
    went_on = True
    while went_on:
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        number = len(found)
        went_on = killed_at(number, tmp_path, restored, there, backup)
        copying.finish(file_of(there))  # as whoever opens it next does
        now = history(file_of(there)), small(file_of(there))
        assert now in (old, new)
        found.append(now == new)

    assert found == sorted(found)
    assert set(found) == {False, True}
    assert not left_in(folder)


async def test_a_restore_that_was_broken_off_is_ended_by_whoever_opens_the_store_next(
    here: Config, there: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await filled(here, 2)
    backups.backup(here, tmp_path / "calls.backup", NOW)
    with monkeypatch.context() as killed:
        killed.setattr(copying, "finish", lambda file: None)
        await backups.restore(there, tmp_path / "calls.backup", over=False)
    assert not file_of(there).exists()

    with pytest.raises(StoreError, match="a restore was broken off"):
        await open_store(there.store.url, own=False)
    await (await open_store(there.store.url)).close()
    assert history(file_of(there)) == history(file_of(here))


# ---- refused, and said


async def test_a_store_that_holds_calls_is_replaced_only_when_told_so(here: Config, there: Config, tmp_path: Path):
    await filled(here, 3)
    backups.backup(here, tmp_path / "calls.backup", NOW)
    await filled(there, 1)

    with pytest.raises(StoreError, match=r"holds calls already; make a backup of it first; then.*--over"):
        await backups.restore(there, tmp_path / "calls.backup", over=False)
    await backups.restore(there, tmp_path / "calls.backup", over=True)
    assert history(file_of(there)) == history(file_of(here))


async def test_a_store_that_cannot_be_read_may_hold_calls(here: Config, there: Config, tmp_path: Path):
    await filled(here, 3)
    backups.backup(here, tmp_path / "calls.backup", NOW)
    file_of(there).write_bytes(b"x" * 10_000)

    with pytest.raises(StoreError, match="may hold calls"):
        await backups.restore(there, tmp_path / "calls.backup", over=False)
    await backups.restore(there, tmp_path / "calls.backup", over=True)
    assert history(file_of(there)) == history(file_of(here))


async def test_nothing_is_put_back_under_a_running_monitor(here: Config, tmp_path: Path):
    await filled(here, 3)
    backups.backup(here, tmp_path / "calls.backup", NOW)
    before = history(file_of(here))

    store = await open_store(here.store.url)
    with pytest.raises(StoreInUse):
        await backups.restore(here, tmp_path / "calls.backup", over=True)
    await store.close()
    assert history(file_of(here)) == before


async def test_a_backup_of_a_newer_version_is_refused(here: Config, there: Config, tmp_path: Path):
    await filled(here, 1)
    with closing(sqlite3.connect(file_of(here))) as database, database:
        database.execute("UPDATE queue_monitor_version SET version_num = '9999'")
    backups.backup(here, tmp_path / "calls.backup", NOW)

    with pytest.raises(StoreError, match="made by a newer version"):
        await backups.restore(there, tmp_path / "calls.backup", over=False)


async def test_a_backup_of_an_older_version_comes_back_and_is_brought_up(here: Config, there: Config, tmp_path: Path):
    file_of(here).write_bytes(gzip.decompress(RECORDING.read_bytes()))
    backups.backup(here, tmp_path / "calls.backup", NOW)
    await backups.restore(there, tmp_path / "calls.backup", over=False)

    store = await open_store(there.store.url)
    events = await read_all(store)
    await store.close()
    assert len(events) > 280


def test_a_postgresql_store_is_referred_to_its_own_tools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", "postgresql://monitor:hemligt@db/calls")

    for command, done in (("backup", "backed up"), ("restore", "restored")):
        assert main([command, str(tmp_path / "x.backup")]) == WRONG
        said = capsys.readouterr().err
        assert f"the PostgreSQL database 'calls' on db:5432 is not {done} by this command" in said
        assert "docs/backup.md" in said and "pg_dump" in said
        assert "hemligt" not in said


def test_the_commands_say_what_they_did_and_what_is_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for name, value in (("url", "sqlite:///calls.db"), ("agent_key", "agent.key"), ("backups", "kept")):
        monkeypatch.setenv(f"QUEUE_MONITOR_STORE__{name.upper()}", value)
    monkeypatch.chdir(tmp_path)
    asyncio.run(filled(settings(tmp_path), 2))

    assert main(["backup", "one.backup"]) == 0
    assert "read again and found whole." in capsys.readouterr().out
    assert main(["backup", "one.backup"]) == WRONG
    assert "one.backup exists already" in capsys.readouterr().err
    assert main(["backup"]) == 0
    assert len(list(Path("kept").glob("queue-monitor-*.backup"))) == 1
    assert main(["restore", "one.backup"]) == WRONG
    assert "holds calls already" in capsys.readouterr().err
    assert main(["restore", "one.backup", "--over"]) == 0
    assert "Start the monitor." in capsys.readouterr().out
    assert main(["restore", "kept", "--over"]) == 0, "the newest of a folder"
    assert main(["restore", ".", "--over"]) == 0
    Path("none").mkdir()
    assert main(["restore", "none", "--over"]) == WRONG
    assert "none holds no backup" in capsys.readouterr().err
    assert main(["restore", "c.toml"]) == WRONG
    assert "c.toml is no whole backup" in capsys.readouterr().err
    with Monitor("hold", f"sqlite:///{tmp_path}/calls.db") as other:
        assert other.says() == "ready"
        assert main(["restore", "one.backup", "--over"]) == BUSY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_restores_belongs_to_the_user_whose_folder_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home, user = tmp_path / "home", 61_999
    home.mkdir()
    os.chown(home, user, user)
    for name, value in (("url", f"sqlite:///{home}/calls.db"), ("agent_key", f"{home}/agent.key")):
        monkeypatch.setenv(f"QUEUE_MONITOR_STORE__{name.upper()}", value)
    asyncio.run(filled(settings(tmp_path), 2))
    monkeypatch.chdir(tmp_path)
    with pytest.MonkeyPatch.context() as theirs:
        theirs.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{tmp_path}/calls.db")
        theirs.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", f"{tmp_path}/agent.key")
        assert main(["backup", "one.backup"]) == 0

    assert main(["restore", "one.backup", "--over"]) == 0
    assert main(["verify"]) == 0
    made = {path.name: path.stat().st_uid for path in home.iterdir()}
    assert {"calls.db", "agent.key"} <= made.keys()
    assert set(made.values()) == {user}
    assert (tmp_path / "one.backup").stat().st_uid == 0, "where root keeps it, it is root's"


# ---- a damaged database


def damage(file: Path, page: int, count: int = 200) -> None:
    with file.open("r+b") as database:
        database.seek(page * 4096 + 8)
        database.write(b"\xff" * count)


async def test_a_damaged_database_is_said_with_what_to_do(
    here: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    await filled(here, 40)
    with closing(sqlite3.connect(file_of(here))) as database:
        page = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'contact_by_at'").fetchone()[0]
    damage(file_of(here), page - 1)
    target = tmp_path / "calls.backup"

    with pytest.raises(StoreError, match=r"is damaged \(.*put back a backup with: queue-monitor restore"):
        backups.backup(here, target, NOW)
    found = (await rebuilding.verify(here, None, nothing)).differences
    assert found[0].startswith("damaged database: ")
    assert not left_in(tmp_path) and not target.exists()


async def test_a_store_whose_first_page_is_damaged_is_not_waited_for(here: Config):
    await filled(here, 3)
    damage(file_of(here), 0, 4000)

    with pytest.raises(StoreError, match=r"is damaged .*queue-monitor restore") as caught:
        await open_store(here.store.url)
    assert not caught.value.passing
