import re
from datetime import UTC, datetime
from string import Formatter
from typing import NamedTuple

import pytest

from queue_monitor import texts
from queue_monitor.model import DefinitionId, Outcome, RiskFigures, Status, StatusReason, Target
from queue_monitor.texts import words

TEN_PAST_TEN = datetime(2026, 3, 2, 9, 12, 5, tzinfo=UTC)

SHARES = [
    (0.874, 0.9, "87,4 %"),
    (0.8996, 0.9, "89,9 %"),
    (0.89999, 0.9, "89,9 %"),
    (0.9, 0.9, "90,0 %"),
    (0.90004, 0.9, "90,0 %"),
    (0.9999, 0.9, "99,9 %"),
    (1.0, 0.9, "100,0 %"),
    (0.0, 0.9, "0,0 %"),
    (0.0004, None, "0,0 %"),
    (0.0196, 0.02, "1,9 %"),
    (0.92499, 0.925, "92,4 %"),
    (0.9224, 0.9225, "92,2 %"),
    (0.9225, 0.9225, "92,3 %"),
    (0.9224, 0.9223, "92,3 %"),
    (0.9222, 0.9223, "92,2 %"),
    (0.92996, 0.92995, "93,0 %"),
    (2 / 3, None, "66,7 %"),
    (None, 0.9, "–"),
]
CHOSEN = (0.9, 0.925, 0.02, 0.9225, 0.92255, 0.005, 1.0, 0.0, 0.1, 0.29, 0.57)
"""Shares that somebody chose."""
WAITS = [
    (0, "0:00"),
    (9.99, "0:09"),
    (60, "1:00"),
    (245, "4:05"),
    (300, "5:00"),
    (300.9, "5:00"),
    (3599.9, "59:59"),
    (3845, "1:04:05"),
    (-3, "0:00"),
    (None, "–"),
]


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_nothing_is_missing_in_any_language() -> None:
    assert words("sv").keys() == words("en").keys()
    assert all(text for language in texts.LANGUAGES for text in words(language).values())


@pytest.mark.parametrize("key", words("sv"))
def test_a_sentence_has_the_same_gaps_in_both_languages(key: str) -> None:
    assert gaps(words("sv")[key]) == gaps(words("en")[key])


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_everything_the_monitor_can_conclude_can_be_said(language: str) -> None:
    for reason in StatusReason:
        assert all(texts.status_words(status, reason, language) for status in Status)
        said = texts.reason_words(
            reason, target=Target(), share=0.839, risk=RiskFigures(p_miss=0.7, expected_share=0.881), language=language
        )
        assert said.endswith(".")
    for definition in DefinitionId:
        assert texts.say(f"definition.{definition}", language, limit="5 min")
        assert texts.definition_words(definition, limit_seconds=300, short_abandon_seconds=20, language=language)
    for outcome in Outcome:
        assert texts.outcome_words(outcome, language)


@pytest.mark.parametrize(("ratio", "target", "written"), SHARES)
def test_a_share_is_never_rounded_across_the_target(ratio: float | None, target: float | None, written: str) -> None:
    assert texts.percent(ratio, target).replace("\N{NO-BREAK SPACE}", " ") == written


@pytest.mark.parametrize(("seconds", "written"), WAITS)
def test_a_wait_on_the_board_is_minutes_and_whole_seconds(seconds: float | None, written: str) -> None:
    assert texts.wait(seconds) == written


def test_numbers_follow_the_language() -> None:
    assert texts.percent(0.874, 0.9, "en") == "87.4%"
    assert texts.plain_percent(0.925) == "92,5\N{NO-BREAK SPACE}%"
    assert texts.plain_percent(0.9225) == "92,25\N{NO-BREAK SPACE}%"
    assert [texts.plain_percent(ratio, "en") for ratio in (1.0, 0.0, 0.29, 0.57)] == ["100%", "0%", "29%", "57%"]
    assert texts.plain_percent(0.9, "en") == "90%"
    assert (texts.count(1234567), texts.count(1234567, "en")) == (
        "1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567",
        "1,234,567",
    )
    assert texts.count(None) == "–"


def test_the_clock_is_local_and_follows_the_language() -> None:
    assert texts.clock(TEN_PAST_TEN) == "10.12"
    assert texts.clock(TEN_PAST_TEN, language="en") == "10:12"
    assert texts.clock(datetime(2026, 7, 1, 6, 0, tzinfo=UTC)) == "8.00"
    assert texts.clock(None) == "–"


def test_a_wait_in_running_text_has_its_units() -> None:
    assert texts.wait_in_words(245) == "4 min 5 s"
    assert texts.wait_in_words(300) == "5 min"
    assert texts.wait_in_words(20) == "20 s"
    assert texts.wait_in_words(0) == "0 s"
    assert texts.wait_in_words(3845) == "1 tim 4 min"
    assert texts.wait_in_words(None) == "–"


@pytest.mark.parametrize(
    ("opens", "written"),
    [
        (datetime(2026, 3, 2, 12, tzinfo=UTC), "Stängt – öppnar i dag 13.00"),
        (datetime(2026, 3, 3, 7, tzinfo=UTC), "Stängt – öppnar i morgon 8.00"),
        (datetime(2026, 3, 6, 7, tzinfo=UTC), "Stängt – öppnar fredag 8.00"),
        (datetime(2026, 3, 9, 7, tzinfo=UTC), "Stängt – öppnar måndag 9 mars 8.00"),
        (None, "Stängt"),
    ],
)
def test_when_it_opens_is_said_as_a_person_would(opens: datetime | None, written: str) -> None:
    assert texts.opening(opens, TEN_PAST_TEN) == written


def test_an_unknown_language_becomes_the_house_language() -> None:
    assert texts.known_language("de") == "sv"
    assert texts.known_language(None, "en") == "en"
    assert texts.known_language("en", "sv") == "en"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (StatusReason.FORECAST_UNDER, "Prognosen för dagen är 88,1 %, under målet 90 %."),
        (StatusReason.LIKELY_MISSED, "Risken att dagens mål missas är 70 %. Prognosen för dagen är 88,1 %."),
        (
            StatusReason.MANY_REFUSED,
            "Fler än 2 % av uppringningarna har avvisats. Räknas de som missade är andelen 71,2 %.",
        ),
        (
            StatusReason.PERIOD_REFUSED,
            "Fler än 2 % av uppringningarna avvisades. Räknas de som missade blev andelen 71,2 %.",
        ),
        (StatusReason.PERIOD_LOST, "Dagen slutade på 83,9 %, under målet 90 %."),
    ],
)
def test_why_a_status_is_what_it_is_is_said_with_the_numbers_beside_it(reason: StatusReason, said: str) -> None:
    risk = RiskFigures(p_miss=0.7, expected_share=0.881)

    words = texts.reason_words(reason, target=Target(), share=0.8389, including_refused=0.712, risk=risk)

    assert words.replace("\N{NO-BREAK SPACE}", " ") == said


@pytest.mark.parametrize(
    ("language", "said"),
    [("sv", "Dagens mål nås troligen inte."), ("en", "Today's target will probably not be reached.")],
)
def test_a_day_that_is_lost_by_its_alert_alone_is_given_no_forecast_that_is_not_there(language: str, said: str) -> None:
    """After a start it stays out of reach until there is a forecast again."""
    for risk in (None, RiskFigures(p_miss=1.0)):
        words = texts.reason_words(StatusReason.CANNOT_BE_REACHED, target=Target(), risk=risk, language=language)

        assert words == said


class Shown(NamedTuple):
    label: str
    queues: tuple[str, ...]


def test_a_pool_is_called_its_first_queue_and_others_in_each_language() -> None:
    pool, queue = ("växeln", "bygglov"), ("barn",)

    assert texts.label(Shown("Växeln med flera", pool)) == "Växeln med flera"
    assert texts.label(Shown("Växeln med flera", pool), "en") == "Växeln and others"
    assert texts.label(Shown("Växeln and others", pool), "sv") == "Växeln med flera"
    assert texts.label(Shown("Samhällsbyggnad", pool), "en") == "Samhällsbyggnad"
    assert texts.label(Shown("Barn med flera", queue), "en") == "Barn med flera"


CAMEL_CASE = re.compile(r"\b[A-Z][a-z]+[A-Z]\w*")
NAMES_OF_OTHERS = {"JavaScript", "OpenAPI", "PostgreSQL"}


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_no_sentence_holds_a_name_of_the_code(language: str) -> None:
    found = {name for said in words(language).values() for name in CAMEL_CASE.findall(said)}

    assert found <= NAMES_OF_OTHERS


OTHER_NAMES = {
    "sv": re.compile(r"bevakning|monitorn|handläggare|\bagent(en|er|erna|ernas)?\b|\blag(er|ret)\b", re.IGNORECASE),
    "en": re.compile(r"\b(unknown|first|your|more) keys?\b|the key is|whoever runs the queue status", re.IGNORECASE),
}
"""Words for the monitor, the people who answer, the database and a token that would be a second name of the thing."""


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_one_thing_has_one_name(language: str) -> None:
    assert [key for key, said in words(language).items() if OTHER_NAMES[language].search(said)] == []


SEVERAL = {
    language: re.compile(rf"{{(?!(?:share|target|which|day|period)}})\w+}}\s(?:\w+ )?(?:{nouns})\b")
    for language, nouns in (
        ("sv", "minuter|dagar|filer|tavlor|rader|besvarade|avvisade|inkomna"),
        ("en", "minutes|days|files|walls|rows|calls|were|wait"),
    )
}
NEVER_ONE = {
    "alert.minutes",
    "alert.surge.raised",
    "alert.hours.body",
    "history.best.note",
    "history.headline",
    "history.headline.D1",
    "history.headline.D5",
    "history.no_share",
    "history.no_share_yet",
    "lead.week_before",
    "past.pool",
    "past.wait_row",
    "public.wait_about",
    "public.wait_between",
    "public.wait_up_to",
}
"""Sentences that have another for one, or that are said of several only."""


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_sentence_is_right_of_one_too(language: str) -> None:
    """A month has one shortened day, a list one more line, a source one answered call."""
    several = {key for key, said in words(language).items() if SEVERAL[language].search(said)}

    assert {key for key in several if f"{key}.one" not in words(language)} <= NEVER_ONE
