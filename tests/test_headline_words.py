"""The sentence above a past period says what its formula counts, and never that nobody called where somebody did."""

import pytest

from queue_monitor import texts
from queue_monitor.core.service_level import DEFINITIONS
from queue_monitor.model import Counts, Coverage, DefinitionId, Target

SEEN = Coverage(seen_minutes=540)


def said(counts: Counts, definition: str, *, coverage: Coverage = SEEN, so_far: bool = False) -> str:
    target = Target(definition=DefinitionId(definition))
    parts = DEFINITIONS[target.definition](counts)
    words = texts.headline_words(target, counts, parts, coverage, so_far=so_far)
    return words.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("D1", "92,1 % av 8 900 besvarade samtal besvarades inom 5 min."),
        ("D2", "82,0 % av 10 000 samtal besvarades inom 5 min."),
        ("D3", "86,3 % av 9 500 samtal besvarades inom 5 min."),
        ("D5", "91,5 % av 10 000 samtal besvarades, eller lades på av den som ringde, inom 5 min."),
    ],
)
def test_the_worked_month_is_said_as_each_formula_counts_it(definition: str, words: str):
    month = Counts(
        answered_in_time=8200, answered_late=700, abandoned_short=500, abandoned_in_time=450, abandoned_late=150
    )

    assert said(month, definition) == words


@pytest.mark.parametrize(
    ("counts", "definition", "words"),
    [
        (Counts(unknown=3), "D2", "3 samtal kom in i öppettid, men inget av dem räknas i andelen."),
        (Counts(excluded=1), "D2", "Ett samtal kom in i öppettid, men det räknas inte i andelen."),
        (Counts(abandoned_late=2), "D1", "2 samtal kom in i öppettid, men inget av dem räknas i andelen."),
        (Counts(abandoned_short=2), "D3", "2 samtal kom in i öppettid, men inget av dem räknas i andelen."),
        (Counts(refused_full=2), "D2", "Inga samtal kom in i öppettid under perioden."),
        (Counts(), "D2", "Inga samtal kom in i öppettid under perioden."),
    ],
)
def test_calls_outside_the_formula_came_in_all_the_same(counts: Counts, definition: str, words: str):
    assert said(counts, definition) == words


def test_who_waits_inside_the_limit_has_come_in_but_is_not_in_the_share_yet():
    waiting = said(Counts(waiting_in_time=1), "D2", so_far=True)

    assert waiting == "Ett samtal har kommit in i öppettid, men det räknas inte i andelen än."


def test_of_a_time_that_nobody_saw_it_is_not_said_that_nobody_called():
    assert said(Counts(), "D2", coverage=Coverage(blind_minutes=540)) == "Ingenting mättes i öppettid under perioden."
