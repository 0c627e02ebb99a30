"""The formulas of docs/definitions.md, reproduced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core.service_level import (
    DEFINITIONS,
    are_many_refused,
    ceiling_parts,
    floor_parts,
    including_refused,
    is_under,
    judge,
    lost_share,
    meets_target,
    misses,
    ratio,
    refused_ratio,
    service_level,
    terms,
)
from queue_monitor.model import Counts, DefinitionId, ExitPolicy, Outcome, Target

WORKED_MONTH = Counts(
    answered_in_time=8200, answered_late=700, abandoned_short=500, abandoned_in_time=450, abandoned_late=150
)
TARGET = Target()


def test_the_worked_month_comes_out_exactly():
    shares = {name: round((share or 0) * 100, 1) for name, share in service_level(WORKED_MONTH).items()}

    assert shares == {"D1": 92.1, "D2": 82.0, "D3": 86.3, "D4": 90.6, "D5": 91.5}
    assert WORKED_MONTH.entered == 10_000
    assert lost_share(WORKED_MONTH) == 0.11


def test_exactly_five_minutes_is_in_time_and_a_millisecond_more_is_not():
    assert judge(Outcome.ANSWERED, 300_000, TARGET) == "answered_in_time"
    assert judge(Outcome.ANSWERED, 300_001, TARGET) == "answered_late"
    assert judge(Outcome.WAITING, 300_000, TARGET) == "waiting_in_time"
    assert judge(Outcome.WAITING, 300_001, TARGET) == "waiting_late"


def test_a_short_abandonment_ends_just_below_its_limit():
    assert judge(Outcome.ABANDONED, 19_999, TARGET) == "abandoned_short"
    assert judge(Outcome.ABANDONED, 20_000, TARGET) == "abandoned_in_time"
    assert judge(Outcome.ABANDONED, 300_000, TARGET) == "abandoned_in_time"
    assert judge(Outcome.ABANDONED, 300_001, TARGET) == "abandoned_late"


def test_no_calls_give_no_number():
    assert set(service_level(Counts()).values()) == {None}
    assert ratio(floor_parts(Counts(), DefinitionId.D2)) is None
    assert including_refused(Counts(), DefinitionId.D2) is None


def test_89_96_percent_is_under_90_however_it_is_rounded():
    assert is_under((8996, 10_000), 0.9)
    assert not is_under((9000, 10_000), 0.9)
    assert not is_under((0, 0), 0.9)


def test_185_of_200_entered_looks_green_until_the_800_refused_are_counted():
    counts = Counts(answered_in_time=185, answered_late=15, refused_full=800)

    assert service_level(counts)["D2"] == 0.925
    assert including_refused(counts, DefinitionId.D2) == 0.185


def test_a_caller_past_the_limit_is_a_miss_while_still_waiting_by_every_definition():
    counts = Counts(answered_in_time=9, waiting_late=1)

    assert {misses(counts, definition) for definition in DefinitionId} == {1}


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.EXIT_KEY, Outcome.LOST, Outcome.CALLBACK])
def test_leaving_without_an_answer_is_a_miss_and_no_abandonment(outcome: Outcome):
    counts = Counts(**{judge(outcome, 10_000, TARGET): 1})

    assert counts.abandoned == 0
    assert counts.left_otherwise == 1
    assert misses(counts, DefinitionId.D2) == 1


def test_an_exit_that_a_setting_excludes_is_in_no_formula():
    field = judge(Outcome.EXIT_KEY, 10_000, TARGET, ExitPolicy(excluded=frozenset({Outcome.EXIT_KEY})))

    assert field == "excluded"
    assert set(service_level(Counts(excluded=3)).values()) == {None}


SETTLED = ("answered_in_time", "answered_late", "abandoned_short", "abandoned_in_time", "abandoned_late", "timeout")


@given(
    st.fixed_dictionaries({name: st.integers(0, 50) for name in SETTLED}),
    st.lists(st.sampled_from(SETTLED), max_size=8),
    st.lists(st.sampled_from(("answered_late", "abandoned_late", "timeout")), max_size=4),
    st.sampled_from(DefinitionId),
)
def test_however_the_waiting_end_the_share_ends_between_floor_and_ceiling(
    settled: dict[str, int], ends: list[str], late_ends: list[str], definition: DefinitionId
):
    now = Counts(**settled) + Counts(waiting_in_time=len(ends), waiting_late=len(late_ends))
    end = Counts(**settled)
    for name in ends + late_ends:
        end += Counts(**{name: 1})
    truth = ratio(DEFINITIONS[definition](end))
    floor, ceiling = ratio(floor_parts(now, definition)), ratio(ceiling_parts(now, definition))

    if truth is not None and floor is not None and ceiling is not None:
        assert floor <= truth <= ceiling


def test_as_many_refused_as_the_limit_allows_are_not_too_many() -> None:
    """29 of 100 are 29 %, although 0.29 times 100 is a little less than 29."""
    assert not are_many_refused(Counts(answered_in_time=71, refused_full=29), Target(refused_limit_ratio=0.29))
    assert are_many_refused(Counts(answered_in_time=70, refused_full=30), Target(refused_limit_ratio=0.29))
    assert not are_many_refused(Counts(), Target(refused_limit_ratio=0.0))


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        (Counts(), None),
        (Counts(waiting_in_time=1), 0.0),
        (Counts(answered_in_time=4), 0.0),
        (Counts(answered_in_time=3, refused_full=1), 0.25),
        (Counts(refused_closed=2), 1.0),
    ],
)
def test_the_share_of_refused_callers_is_the_same_whether_or_not_the_offered_are_counted_already(
    counts: Counts, share: float | None
) -> None:
    assert refused_ratio(counts) == refused_ratio(counts, terms(counts).offered) == share


def test_a_share_just_under_the_target_does_not_meet_it() -> None:
    just = Counts(answered_in_time=9 * 10**12, answered_late=10**12)

    assert meets_target(Counts(answered_in_time=8999, answered_late=1001), Target()) is False
    assert meets_target(Counts(answered_in_time=9000, answered_late=1000), Target()) is True
    assert meets_target(just, Target()) is True
    assert meets_target(just + Counts(answered_late=1), Target()) is False
    assert meets_target(Counts(), Target()) is None


def test_where_too_many_were_refused_no_target_is_met_by_any_formula() -> None:
    for definition in DefinitionId:
        assert meets_target(Counts(answered_in_time=98, refused_full=2), Target(), definition) is True
        assert meets_target(Counts(answered_in_time=98, refused_full=3), Target(), definition) is False
    assert meets_target(Counts(refused_closed=5), Target()) is False
