"""What holds for every test. In CI a skipped test is a failure: what was not tried is not known to work."""

import gc
import os
import random
import sqlite3
from collections.abc import Iterator
from typing import Any, Final, cast

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings
from sqlalchemy import Connection, create_engine, event

from queue_monitor.store import database
from queue_monitor.store.migrating import revision_of, upgrade
from tests.examples import HOUSE
from tests.store.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

settings.load_profile(HOUSE)


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the tests wait for a server, a browser or a database rather than for the processor."""
    return min(16, 2 * (os.cpu_count() or 1))


SLOW_FILES: Final = (
    "test_page_in_time", "test_apart", "test_wallboard", "test_one_owner", "test_lead_page", "test_import",
    "test_kills", "test_service", "test_replay", "test_starting", "test_history", "test_simulation", "test_forecast",
    "test_lasting", "test_outcomes", "test_pipeline", "test_dated_rules", "test_answers", "test_trouble",
    "test_no_number", "test_mqtt_losses", "test_hour_of_poison", "test_losses", "test_one_status", "test_forecaster",
    "test_walls", "test_one_truth", "test_rebuilding", "test_retention", "test_document", "test_real_day",
    "test_asterisk_ami", "test_lead", "test_whole_program", "test_backtest", "test_ami_and_log", "test_mqtt",
    "test_house", "test_forms", "test_report", "test_bars", "test_packages", "test_backup", "test_flood",
    "test_prometheus_files", "test_upgrade_killed", "test_fuzzed_doors", "test_owners", "test_init",
    "test_behind_nginx", "test_first_token", "test_hostile", "test_token", "test_walk", "test_proxies",
)  # fmt: skip
"""Files that take long, first of all: what is begun last must be short, or one worker ends long after the others."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect seven thousand tests without looking for garbage, and let no later look visit what was collected and
    imported: nearly all of it lives as long as the process. Then look less often than Python does by itself, which took
    one twelfth of the processor time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests in each, in a random order")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the slow files first, and leave the order as it is otherwise; or shuffle files and the tests in each."""
    seed = config.getoption("--shuffle")
    if seed is None:
        places = {name: place for place, name in enumerate(SLOW_FILES)}
    else:
        chance = random.Random(seed)
        files = sorted({item.path.stem for item in items})
        places = {name: place for place, name in enumerate(chance.sample(files, len(files)))}
        chance.shuffle(items)
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if count := _skipped(terminalreporter.config):
        terminalreporter.write_line(f"{count} skipped: in CI that is a failure", red=True)


def _skipped(config: pytest.Config) -> int:
    """How many tests were skipped, if that matters here."""
    if not os.environ.get("CI"):
        return 0
    reporter = cast("TerminalReporter | None", config.pluginmanager.get_plugin("terminalreporter"))
    return len(reporter.stats.get("skipped", ())) if reporter else 0


_Said = list[tuple[str, Any]]
_statements: Final[dict[str, _Said]] = {}
"""The statements that the migrations come to on an empty database, with their parameters, by the kind of database."""


def _quick(connection: Connection, migrating: dict[str, Any]) -> None:
    kind = connection.dialect.name
    if revision_of(connection) is not None:
        upgrade(connection, migrating)
    elif kind in _statements:
        for statement, parameters in _statements[kind]:
            connection.exec_driver_sql(statement, parameters)
    elif kind == "sqlite":
        _statements[kind] = _of_the_migrations(migrating)
        _quick(connection, migrating)
    else:
        _statements[kind] = _said(connection, migrating)


def _of_the_migrations(migrating: dict[str, Any]) -> _Said:
    """Return the statements that make the tables as the migrations leave an empty SQLite database."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        upgrade(connection, migrating)
        connection.commit()
        made = cast(sqlite3.Connection, connection.connection.driver_connection)
        found = [(line, None) for line in made.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
    engine.dispose()
    return found


def _said(connection: Connection, migrating: dict[str, Any]) -> _Said:
    """Migrate an empty database, and return what was said to its server, but for the questions."""
    found: _Said = []

    def hear(_: Connection, __: object, statement: str, parameters: Any, *___: object) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            found.append((statement, parameters or None))

    event.listen(connection, "before_cursor_execute", hear)
    upgrade(connection, migrating)
    event.remove(connection, "before_cursor_execute", hear)
    return found


@pytest.fixture(scope="session", autouse=True)
def tables_by_their_statements() -> Iterator[None]:
    """Let the migrations run once in a process for each kind of database: a thousand tests open a new store, which then
    has the same tables in a tenth of the time. Stores of earlier versions and the program as a process run them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "upgrade", _quick)
        yield
