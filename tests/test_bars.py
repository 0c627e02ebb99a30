"""A slice of the bars: a few short days through the program that prints them all."""

import importlib.util
from datetime import time
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import structs

from queue_monitor.config import Config
from queue_monitor.model import Target

pytestmark = pytest.mark.timeout(900)  # a loaded machine is slow


@pytest.fixture(scope="module")
def program() -> ModuleType:
    path = Path(__file__).parent.parent / "benchmarks" / "bars.py"
    spec = importlib.util.spec_from_file_location("bars", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def short_days(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Open from eight to a quarter past nine only: the last looks at a whole day cost as much as all of this."""
    usual = program.plain_settings

    def shortened(target: Target) -> Config:
        settings: Config = usual(target)
        week = tuple(structs.replace(hours, close=time(9, 15)) for hours in settings.hours.weekdays)
        return structs.replace(settings, hours=structs.replace(settings.hours, weekdays=week))

    monkeypatch.setattr(program, "plain_settings", shortened)
    return program


def printed(program: ModuleType, days: int, capsys: pytest.CaptureFixture[str]) -> str:
    program.simulated("leaner staffing", days=days, history=1, seed=1, processes=1)
    return capsys.readouterr().out


def test_the_table_is_printed(short_days: ModuleType, capsys: pytest.CaptureFixture[str]):
    table = printed(short_days, 1, capsys)

    assert "simulated, leaner staffing: 1 days of history, 1 judged" in table
    assert "alarm: recall, >= 10 min before" in table
    assert "kundcenter + kundcenter-en: 1 days" in table
    assert "rolling 60 min, usual < 90 %" in table


@pytest.mark.soak
def test_two_runs_print_the_same(program: ModuleType, capsys: pytest.CaptureFixture[str]):
    assert printed(program, 5, capsys) == printed(program, 5, capsys)
