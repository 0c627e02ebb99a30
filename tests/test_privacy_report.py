"""The data protection officer reads what is kept, why and until when, as the settings' table has it."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from queue_monitor import texts
from queue_monitor.__main__ import main
from queue_monitor.commands import privacy
from queue_monitor.config import Config, KeptFor, RetentionSettings
from queue_monitor.store.schema import metadata
from tests.runtime.test_lasting import at, callers, tell
from tests.test_retention import DECISION, MONDAY, config_with, living, table

ROOT = Path(__file__).parent.parent
TODAY = date(2026, 11, 29)


def paragraph(report: str, head: str) -> str:
    """What is said of one kind, in one line."""
    (found,) = re.findall(rf"^{head}\n((?:  .*\n?)+)", report, re.MULTILINE)
    return re.sub(r"\s+", " ", found)


def reported(config: Config, language: str = "sv", found: privacy.Found | None = None) -> str:
    return privacy.report(config, found or privacy.Found(is_empty=True), TODAY, language)


@pytest.fixture
def decided(tmp_path: Path) -> Config:
    kept = structs.replace(table(journal=24, calls=1), sums=KeptFor(months=120))
    return config_with(tmp_path / "m", kept)


def test_what_is_kept_until_when_and_by_which_decision_is_as_in_the_settings(decided: Config):
    swedish, english = reported(decided), reported(decided, "en")

    assert f"24 månader, enligt beslut {DECISION}; det som är från före 2024-11-29 gallras varje natt" in paragraph(
        swedish, "Händelsejournalen"
    )
    assert f"one month, by decision {DECISION}; what is from before 2026-10-29 is deleted" in paragraph(
        english, "Calls"
    )
    assert "tills vidare: 120 månader föreslås, men inget gallringsbeslut" in paragraph(swedish, "Summor")
    assert "until further notice: no time and no decision" in paragraph(english, "Alerts")
    assert "INGET GALLRAS" not in swedish


def test_without_any_decision_it_is_said_first_that_nothing_is_deleted(decided: Config):
    undecided = structs.replace(decided, retention=RetentionSettings(journal=KeptFor(months=24)))

    assert reported(undecided).index("INGET GALLRAS") < reported(undecided).index("Händelsejournalen")
    assert "NOTHING IS DELETED" in reported(undecided, "en")


@pytest.mark.parametrize("how", ["daily", "named", "none"])
def test_how_agents_are_kept_is_said_as_it_is_set(decided: Config, how: str):
    kept = structs.replace(decided, store=structs.replace(decided.store, agents=how))

    for language in texts.LANGUAGES:
        head = texts.say("privacy.calls.name", language)
        assert texts.say(f"privacy.agents.{how}", language) in paragraph(reported(kept, language), head)


async def test_how_far_back_it_goes_and_when_it_was_last_deleted_is_asked_of_the_store(decided: Config):
    async with living(decided, at(MONDAY, 18)) as m:
        await tell(m.run, callers(MONDAY, 3))
        await m.night(date(2028, 3, 2))
        m.run.clock.advance_to(at(date(2028, 3, 6), 18))
        await tell(m.run, callers(date(2028, 3, 6), 3))
        found = await privacy.asked(decided, m.run.clock.now() + timedelta(days=1))

    said = paragraph(reported(decided, found=found), "Händelsejournalen")
    assert "Finns från: 2028-03-06" in said
    assert "Senast gallrat: 2028-03-03 0.30" in said
    assert "Finns från: 2026-03-02" in paragraph(reported(decided, found=found), "Summor")


def test_every_line_fits_a_terminal_and_no_kind_is_left_out(decided: Config):
    for language in texts.LANGUAGES:
        report = reported(decided, language)
        assert max(len(line) for line in report.splitlines() if " " in line.strip()) <= 130
        for kind in (*RetentionSettings.__struct_fields__, *privacy.OTHERS):
            assert paragraph(report, texts.say(f"privacy.{kind}.name", language))


def test_the_command_answers_before_there_is_a_store_and_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    assert main(["privacy"]) == 0
    assert "Där finns inget ännu." in capsys.readouterr().out
    assert main(["privacy", "--language", "en"]) == 0
    assert "There is nothing there yet." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_page_for_the_officer_names_every_table_of_the_database_and_every_kind():
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")

    assert not [table.name for table in metadata.sorted_tables if f"`{table.name}`" not in page]
    assert not [kind for kind in RetentionSettings.__struct_fields__ if f"`retention.{kind}`" not in page]
