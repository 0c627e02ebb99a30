"""What people write who do not know TOML or the forms of ours is named, with what they may have meant."""

import json
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from queue_monitor.__main__ import main
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.commands.exits import WRONG
from queue_monitor.config import Config, ConfigError, load
from queue_monitor.periods import months_of
from queue_monitor.reports.period import PeriodError, parsed

SOURCE: Final = '[[sources]]\nname = "sim"\nkind = "simulator"\n'


def read(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "monitor.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {}, settings_of, adapter_kinds())


def mistakes(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environ)
    return [str(mistake).replace(str(folder), "") for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[target]\nratio = 0,9", "a decimal has a point, such as 0.9"),
        ("[organisation]\nname = \u201dLuleå\u201d", 'quotation marks are straight: "text"'),
        ("[queues.Förskola]\nlabel = 'x'", 'such as [queues."Förskola"]'),
        ("[queues.Bygg och miljö]\nlabel = 'x'", "stands in quotation marks"),
        ("[queues.Bygg och tomt]\nlabel = 'x'", "a name with a space stands in quotation marks"),
        ("[target]\nratio = 0.9\nratio = 0.8", "a key that stands there already"),
        ("[target]\nratio = 0.9\n[target]", "[target] stands twice"),
        ("[target.exits]\n[target.exits]", "[target.exits] stands twice"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line_and_what_it_should_be(tmp_path: Path, text: str, told: str):
    """Somebody who writes a decimal comma, a curly quotation mark or a bare name with å learns what TOML wants."""
    (found,) = mistakes(tmp_path, f"{text}\n{SOURCE}")
    assert found.startswith("/monitor.toml, line ")
    assert told in found


def test_a_line_in_quotation_marks_gives_no_guess_about_its_letters(tmp_path: Path):
    """Swedish letters inside quotation marks are no reason for a line that cannot be read."""
    (found,) = mistakes(tmp_path, 'name = "Kö \u201da\u201d, 1,5" x\n')
    assert found.endswith('TOML, such as key = "text"')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[organisation]\nlanguage = "SV"', "(did you mean sv?)"),
        ('[target]\ndefinition = "d2"', "(did you mean D2?)"),
        ('[target.exits]\nexit_key = "mis"', "(did you mean miss?)"),
        ('[http]\nport = "8080"', "(without quotation marks)"),
        ('[http]\npublic = "true"', "(without quotation marks)"),
        ('[target]\nratio = "0,9"', "(with a decimal point)"),
        ("[retention.journal]\nmonths = 5000", "from 1 to 1200"),
    ],
)
def test_a_value_that_is_nearly_right_is_told_with_what_was_meant(tmp_path: Path, text: str, told: str):
    """A choice in other letters, and a number or a truth in quotation marks, come with a guess."""
    (found,) = mistakes(tmp_path, f"{text}\n{SOURCE}")
    assert found.endswith(told)


def test_a_choice_that_is_like_none_gives_no_guess(tmp_path: Path):
    """The holidays of Norway are no slip for none at all."""
    (found,) = mistakes(tmp_path, f'[hours]\nholidays = "norge"\n{SOURCE}')
    assert found == 'hours.holidays: "norge"; expected one of sweden, none'


def test_a_source_without_a_kind_is_told_the_kinds(tmp_path: Path):
    """Somebody who forgets the kind sees which there are."""
    (found,) = mistakes(tmp_path, '[[sources]]\nname = "a"\n')
    assert all(kind in found for kind in adapter_kinds())


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"POOLS__0__NAME": "Bygg", "POOLS__0__QUEUES": "a, b"}, "pools"),
        ({"WALLBOARD__BOARDS__0__NAME": "vaxel"}, "wallboard.boards"),
        ({"REPORT__GOALS__0__NAME": "x", "REPORT__GOALS__0__TARGET": "y"}, "report.goals"),
        (
            {
                "REFERENCES__0__NAME": "Piteå",
                "REFERENCES__0__PERIOD": "2025",
                "REFERENCES__0__VALUE": "87 %",
                "REFERENCES__0__SOURCE": "x",
                "REFERENCES__0__DATE": "2026-01-01",
            },
            "references",
        ),
        ({"HTTP__CORS_ORIGINS__0": "https://a.example"}, "http.cors_origins"),
        ({"HOURS__CLOSURES__0__DATE": "2026-12-10", "HOURS__CLOSURES__0__REASON": "x"}, "hours.closures"),
    ],
)
def test_a_place_in_any_list_can_be_set_by_a_variable(tmp_path: Path, variables: dict[str, str], key: str):
    """Any setting can come from a variable, also one in a list that the file does not have."""
    understood = read(tmp_path, SOURCE, {f"QUEUE_MONITOR_{name}": value for name, value in variables.items()})
    value: object = understood
    for part in key.split("."):
        value = getattr(value, part)
    assert len(value) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "first", "months"),
    [
        ("2026-10", (2026, 10), 1),
        ("2026-T1", (2026, 1), 4),
        ("2026-T3", (2026, 9), 4),
        ("2026", (2026, 1), 12),
        ("2026-01..2026-08", (2026, 1), 8),
        ("2026-01..2026-12", (2026, 1), 12),
        ("2026-11..2027-02", (2026, 11), 4),
        ("2001", (2001, 1), 12),
        ("2099-12", (2099, 12), 1),
    ],
)
def test_a_period_in_the_settings_means_the_months_of_a_report(written: str, first: tuple[int, int], months: int):
    """A goal or a reference is of a period for which a report can be made."""
    found = months_of(written)

    assert found is not None
    assert ((found[0] // 12, found[0] % 12 + 1), len(found)) == (first, months)
    assert (parsed(written, "period").first, parsed(written, "period").months) == (date(*first, 1), months)


NO_PERIODS: Final = (
    "2026-T4", "2026-13", "2026-00", "2026-08..2026-01", "2026-01..2027-01", "2026-01..2026-13", "2026-01..2026-00",
    "1999-01", "0001", "2000", "2099-12..2100-01", "2100", "9999-12", "", "oktober", "2026-1",
)  # fmt: skip


@pytest.mark.parametrize("written", NO_PERIODS)
def test_what_means_no_period_is_none_in_settings_and_reports(written: str):
    """A period that no report has is none in the settings."""
    assert months_of(written) is None
    with pytest.raises(PeriodError):
        parsed(written, "period")


@pytest.mark.parametrize("period", ["2026-10..2026-09", "2020-01..2026-12", "0001-01"])
def test_a_goal_of_a_period_that_no_report_has_is_told_before_a_start(tmp_path: Path, period: str):
    """Somebody who writes a period backwards is told by check-config and not by a start that fails."""
    goal = f'[[report.goals]]\nname = "x"\ntarget = "y"\nvalues = [{{ period = "{period}", value = "1" }}]\n'
    (found,) = mistakes(tmp_path, goal + SOURCE)
    assert found.startswith("report.goals[0].values[0]: ")


def test_a_goal_has_one_value_a_period_however_that_is_written(tmp_path: Path):
    """A tertial and its four months are one period, so the second value would silently win."""
    values = '[{ period = "2026-T1", value = "1" }, { period = "2026-01..2026-04", value = "2" }]'
    (found,) = mistakes(tmp_path, f'[[report.goals]]\nname = "x"\ntarget = "y"\nvalues = {values}\n{SOURCE}')
    assert found == 'report.goals: 2026-T1 twice for "x"; expected one value a period'


def test_an_address_that_links_cannot_be_put_behind_is_refused(tmp_path: Path):
    """The address of the pages has no question and no fragment, for paths are put behind it."""
    for address in ("https://x.example/?a=b", "https://x.example/#a", "https://x .example"):
        (found,) = mistakes(tmp_path, f"[alerts]\nlink = {json.dumps(address)}\n{SOURCE}")
        assert found.startswith("alerts.link: ")


def test_two_of_our_files_at_one_place_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Two files of the monitor's own at one path would overwrite each other."""
    path = tmp_path / "monitor.toml"
    path.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/a"\nspill = "{tmp_path}/x/../a"\n{SOURCE}')
    assert main(["check-config", str(path)]) == WRONG
    assert "as store.spill; expected a file of its own" in capsys.readouterr().err


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_in_place_of_the_settings_is_told_as_such(folder: str, capsys: pytest.CaptureFixture[str]):
    """Somebody who names the folder of the settings is told that it is no file."""
    for command in (["check-config", folder], ["report", "--period", "2026-10", "--config", folder]):
        assert main(command) == WRONG
        assert "is a directory; expected a readable TOML file" in capsys.readouterr().err
