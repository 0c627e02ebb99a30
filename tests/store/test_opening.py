import asyncio
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from queue_monitor.ports import StoreError
from queue_monitor.store import newest_revision, open_store
from queue_monitor.store.schema import metadata
from tests.store.calls import START, entered, read_all, rows
from tests.store.monitor import Monitor
from tests.store.postgres import PASSWORD, Postgres


async def refused(url: str) -> str:
    """What a person is told when the store cannot be opened."""
    with pytest.raises(StoreError) as caught:
        await open_store(url)
    assert str(caught.value).startswith("store.url: ")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


async def test_a_sqlite_file_is_made_with_its_directories(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/var/lib/kö monitor/journal.db")
    await store.append([entered(1)], START)
    await store.close()

    made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "var/lib/kö monitor").iterdir()}
    assert made == {"journal.db": 0o600, "journal.db.lock": 0o600}


def modes_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_a_sqlite_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.touch(0o644)
    file.chmod(0o644)
    store = await open_store(f"sqlite:///{file}")
    await store.append([entered(1)], START)
    modes = modes_of(tmp_path)
    await store.close()

    assert set(modes) > {"journal.db", "journal.db-wal"}
    assert set(modes.values()) == {0o600}


async def test_a_relative_path_begins_where_the_program_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = /nowhere\n")

    store = await open_store("sqlite:///var/journal.db")
    await store.close()

    assert (tmp_path / "var/journal.db").exists()


async def test_sqlite_forgets_nothing_that_it_has_committed(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/journal.db")

    async with store._database.reading("could not be read") as connection:
        settings = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "auto_vacuum")
        }
    await store.close()

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 10_000,
        "foreign_keys": 1,
        "auto_vacuum": 2,
    }


async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(url: str) -> None:
    await (await open_store(url)).close()

    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "queue_monitor_version"})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def started_together(url: str, how_many: int) -> list[str]:
    """What each monitor says of its one caller when all open the store at the same moment."""
    with ExitStack() as running:
        monitors = [running.enter_context(Monitor("open", url, str(number))) for number in range(how_many)]
        assert [each.says() for each in monitors] == ["ready"] * how_many
        for each in monitors:
            each.send("go")
        return [each.says() for each in monitors]


async def test_of_monitors_that_start_at_once_on_an_empty_database_one_gets_to_work(url: str) -> None:
    said = sorted(started_together(url, 4))

    store = await open_store(url)
    kept = await read_all(store)
    await store.close()
    assert said[0] == "1"
    # One that comes after the first has ended is no second owner.
    assert all(line == "1" or "is in use by another queue monitor" in line for line in said)
    assert len(kept) == said.count("1")
    assert rows(url, "SELECT version_num FROM queue_monitor_version") == [(newest_revision(),)]


async def test_different_stores_opened_at_once_in_one_program_all_get_to_work(url: str, tmp_path: Path) -> None:
    stores = await asyncio.gather(*map(open_store, [url, f"sqlite:///{tmp_path}/other.db", "sqlite://", "sqlite://"]))

    new = [await store.append([entered(1)], START) for store in stores]
    for store in stores:
        await store.close()

    assert new == [1, 1, 1, 1]


async def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    await (await open_store(url)).close()
    rows(url, "UPDATE queue_monitor_version SET version_num = '9999'")

    assert "newer version of the queue monitor" in await refused(url)


@pytest.mark.parametrize(
    "nonsense, advice",
    [
        ("mysql://root:correct-horse-battery@db/kc", "'mysql' is not a kind of database"),
        ("/var/lib/journal.db", "sqlite:///path/to/file.db"),
        ("", "sqlite:///path/to/file.db"),
        ("sqlite://journal.db", "three slashes"),
        ("postgresql://kc:correct-horse-battery@extra@db/kc", "%40"),
        ("postgresql://kc:correct-horse-battery@db:port/kc", "cannot be read"),
    ],
)
async def test_a_url_that_means_nothing_is_refused_with_the_forms_that_do(nonsense: str, advice: str) -> None:
    assert advice in await refused(nonsense)


async def test_a_directory_that_cannot_be_made_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert f"{tmp_path}/file" in await refused(f"sqlite:///{tmp_path}/file/journal.db")
    assert "/proc/nowhere" in await refused("sqlite:////proc/nowhere/journal.db")


async def test_a_path_that_is_a_directory_is_told_by_its_name(tmp_path: Path) -> None:
    assert f"the SQLite file {tmp_path} cannot be opened" in await refused(f"sqlite:///{tmp_path}")


async def test_a_file_that_is_no_database_is_left_as_it_was(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Hej! " * 1_000)

    assert "not a database" in await refused(f"sqlite:///{letter}")

    assert letter.read_text() == "Hej! " * 1_000


async def test_a_wrong_password_is_told_without_the_password(postgres: Postgres) -> None:
    wrong = postgres.url("postgres", password="not-the-right-one")

    message = await refused(wrong)

    assert "password authentication failed" in message
    assert "not-the-right-one" not in message


async def test_a_password_is_not_told_by_any_of_the_errors_behind_the_message(postgres: Postgres) -> None:
    assert "does not exist" in await refused(postgres.url("no_such_database"))
    assert "refused" in await refused(f"postgresql://kc:{PASSWORD}@127.0.0.1:1/kc")
    assert "no-such-host.invalid" in await refused(f"postgresql://kc:{PASSWORD}@no-such-host.invalid/kc")
    assert "cannot be opened" in await refused(f"{postgres.url('postgres')}?no_such_option=1")


async def test_a_user_who_may_not_make_tables_is_told_so(postgres: Postgres) -> None:
    url = postgres.new_database()
    postgres.execute("DROP ROLE IF EXISTS visitor")
    postgres.execute(f"CREATE ROLE visitor LOGIN PASSWORD '{PASSWORD}'")

    assert "permission denied" in await refused(url.replace("://monitor:", "://visitor:"))


async def test_a_missing_driver_is_told_with_where_it_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index has a package of our own name, and one day it may be anybody's: the message names no such command."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = await refused(f"postgresql://kc:{PASSWORD}@db/kc")

    assert "psycopg, one of the packages in requirements/run.txt" in said
    assert "pip install" not in said


async def test_each_way_to_write_the_scheme_means_the_same_database(postgres_url: str) -> None:
    first = await open_store(postgres_url.replace("postgresql://", "postgres://"))
    await first.append([entered(1)], START)
    await first.close()

    second = await open_store(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    kept = await read_all(second)
    await second.close()

    assert kept == [entered(1)]
