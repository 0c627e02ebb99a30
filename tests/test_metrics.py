import shutil
import subprocess
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from queue_monitor.api import status_body
from queue_monitor.core.queue_places import MAX_QUEUES
from queue_monitor.metrics import Metrics
from queue_monitor.model import (
    AlertsNow,
    Counts,
    Difference,
    DifferenceCause,
    RepeatCallers,
    RiskFigures,
    Snapshot,
    TalkSums,
)
from tests.api import sample
from tests.api.sample import FakeFigures

State = Callable[[], Snapshot]

EVERY_STATE: list[State] = [
    sample.empty,
    sample.no_calls,
    sample.calm,
    sample.rush,
    sample.out_of_reach,
    sample.dead_source,
    sample.night,
    sample.twenty,
]


class Samples:
    """The samples of one scrape, asked for by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                key = one.name, frozenset(one.labels.items())
                assert key not in self._samples
                self._samples[key] = one.value

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._samples.get((name, frozenset(labels.items())))


class Scrape(Samples):
    """What a collector gives now."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics.render()[0].decode())


def scrape(snapshot: Snapshot) -> Scrape:
    return Scrape(Metrics(FakeFigures(snapshot)))


@pytest.mark.parametrize("state", EVERY_STATE)
def test_prometheus_own_checker_finds_nothing(state: State) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "the metrics are checked by promtool: install the Debian package `prometheus`"
    body, _ = Metrics(FakeFigures(state())).render()

    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize("state", EVERY_STATE)
def test_metrics_and_status_say_the_same(state: State) -> None:
    snapshot = state()
    status = msgspec.json.decode(status_body(snapshot))
    seen = scrape(snapshot)

    for face in status["queues"]:
        name = face["name"]
        assert seen("callqueue_calls_waiting", queue=name) == face["waiting"]
        assert seen("callqueue_oldest_wait_seconds", queue=name) == face["oldest_wait_seconds"]
        assert seen("callqueue_answered_total", queue=name) == face["visits_today"]["answered"]
        assert seen("callqueue_left_total", queue=name, outcome="timeout") == face["visits_today"]["left"]["timeout"]
    for window, period in status["total"]["periods"].items():
        for definition, ratio in period["service_level"].items():
            assert seen("callqueue_service_level_ratio", queue="", definition=definition, window=window) == ratio
        assert seen("callqueue_service_level_floor_ratio", queue="", window=window) == period["floor"]
        assert seen("callqueue_service_level_ceiling_ratio", queue="", window=window) == period["ceiling"]
        assert seen("callqueue_misses", queue="", period=window) == period["misses"]
        assert seen("callqueue_coverage_ratio", queue="", window=window) == period["coverage"]["ratio"]
    verdict = status["total"]["status"]["status"]
    assert seen("callqueue_target_status", queue="", period="day", status=verdict) == 1
    assert seen("callqueue_agents", queue="", state="available") == status["agents"]["available"]
    for source in status["sources"]:
        assert seen("callqueue_source_up", source=source["name"], switch=source["switch"]) == source["up"]


def test_where_there_is_no_number_there_is_no_sample() -> None:
    seen = scrape(sample.no_calls())

    assert seen("callqueue_service_level_ratio", queue="", definition="D2", window="day") is None
    assert seen("callqueue_oldest_wait_seconds", queue="") is None
    assert "NaN" not in seen.text
    assert seen("callqueue_misses", queue="", period="day") == 0


def test_agents_are_not_counted_when_the_switch_tells_nothing_of_them() -> None:
    seen = scrape(sample.empty())

    assert "callqueue_agents{" not in seen.text
    assert seen("callqueue_agents_basis", queue="", basis="unknown") == 1


def test_how_people_are_known_is_told_beside_their_number() -> None:
    seen = scrape(sample.seen())

    told = {basis: seen("callqueue_agents_basis", queue="", basis=basis) for basis in ("known", "seen", "unknown")}
    assert told == {"known": 0, "seen": 1, "unknown": 0}


def test_a_correction_downwards_does_not_step_a_counter_back() -> None:
    before = sample.calm()
    counts = before.totals["Kundcenter"]
    figures = FakeFigures(before)
    metrics = Metrics(figures)
    first = Scrape(metrics)
    corrected = replace(counts, timeout=counts.timeout - 1, answered_late=counts.answered_late + 1)

    figures.show(replace(before, totals={"Kundcenter": corrected}))
    second = Scrape(metrics)
    figures.show(replace(before, totals={"Kundcenter": corrected + Counts(timeout=2)}))
    third = Scrape(metrics)

    timeouts = [seen("callqueue_left_total", queue="Kundcenter", outcome="timeout") for seen in (first, second, third)]
    assert timeouts == [1, 1, 2]
    answered = [seen("callqueue_answered_total", queue="Kundcenter") for seen in (first, second)]
    assert answered == [counts.answered, counts.answered + 1]


def test_exactly_three_hundred_seconds_is_in_the_bucket_of_three_hundred() -> None:
    seen = scrape(sample.calm())

    labels = {"queue": "Kundcenter", "outcome": "answered"}
    assert seen("callqueue_wait_seconds_bucket", le="300.0", **labels) == 3
    assert seen("callqueue_wait_seconds_bucket", le="+Inf", **labels) == 4
    assert seen("callqueue_wait_seconds_count", **labels) == 4
    assert seen("callqueue_wait_seconds_sum", **labels) == pytest.approx(651.001)


def test_what_the_headline_judges_is_counted_so_that_it_adds_up() -> None:
    """A share cannot be added over queues, instances or weeks; these two counts can."""
    seen = scrape(sample.calm())

    assert seen("callqueue_target_visits_total", queue="Kundcenter") == 250
    assert seen("callqueue_target_visits_met_total", queue="Kundcenter") == 232


def test_the_definition_and_the_build_are_named() -> None:
    seen = scrape(sample.calm())

    definition = {"definition": "D2", "short_abandon_seconds": "20", "since": "2026-01-01"}
    assert seen("callqueue_definition_info", **definition) == 1
    assert seen("callqueue_build_info", version="0.2.0") == 1


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    metrics = Metrics(FakeFigures(sample.rush()))

    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0; charset=utf-8")

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    names = {family.name for family in read_openmetrics(body.decode())}
    assert {"callqueue_entered", "callqueue_wait_seconds", "callqueue_calls_waiting"} <= names


def test_what_was_not_understood_is_counted_by_source_and_reason() -> None:
    seen = scrape(sample.calm())

    labels = {"source": "urn:kc:asterisk_ami:pbx", "reason": "bad_timestamp"}
    assert seen("callqueue_rejected_total", **labels) == 1


def test_no_metric_tells_who() -> None:
    text = scrape(sample.rush()).text

    assert "visit_id" not in text
    assert "agent=" not in text


def test_the_collector_asks_nothing_before_the_first_scrape() -> None:
    class Silent(FakeFigures):
        def latest(self) -> Snapshot:
            raise AssertionError("asked at start")

    assert isinstance(Metrics(Silent(sample.calm())).registry, CollectorRegistry)


# ---- names and what they hold (the names are an interface: boards, rules and other people's queries rest on them)

NAMES = {
    "callqueue_calls_waiting": {"queue"},
    "callqueue_oldest_wait_seconds": {"queue"},
    "callqueue_agents": {"queue", "state"},
    "callqueue_agents_basis": {"queue", "basis"},
    "callqueue_entered_total": {"queue", "reason"},
    "callqueue_answered_total": {"queue"},
    "callqueue_left_total": {"queue", "outcome"},
    "callqueue_refused_total": {"queue", "reason"},
    "callqueue_offers_total": {"queue", "result"},
    "callqueue_wait_seconds_bucket": {"queue", "outcome", "le"},
    "callqueue_talk_seconds_sum": {"queue"},
    "callqueue_talk_seconds_count": {"queue"},
    "callqueue_source_up": {"source", "switch"},
    "callqueue_source_last_event_timestamp_seconds": {"source", "switch"},
    "callqueue_source_clock_offset_seconds": {"source", "switch"},
    "callqueue_source_gap_seconds_total": {"source", "switch"},
    "callqueue_events_total": {"result"},
    "callqueue_reconcile_difference": {"switch", "queue", "counter"},
    "callqueue_service_level_ratio": {"queue", "definition", "window"},
    "callqueue_service_level_floor_ratio": {"queue", "window"},
    "callqueue_service_level_ceiling_ratio": {"queue", "window"},
    "callqueue_margin_calls": {"queue", "period"},
    "callqueue_miss_probability": {"queue", "period"},
    "callqueue_expected_wait_seconds": {"queue", "bound"},
    "callqueue_coverage_ratio": {"queue", "window"},
    "callqueue_target_status": {"queue", "period", "status"},
    "callqueue_alerts_total": {"alert", "level"},
    "callqueue_notifications_total": {"channel", "result"},
    "callqueue_definition_info": {"definition", "short_abandon_seconds", "since"},
    "callqueue_build_info": {"version"},
}


def full() -> Snapshot:
    """A snapshot in which nothing is missing."""
    snapshot = sample.rush()
    risk = RiskFigures(p_miss=0.4, expected_share=0.91, expected_calls=410.0)
    total = replace(
        snapshot.total,
        risk=risk,
        month_risk=risk,
        margins={"day": 7, "month": -3},
        wait_range_seconds=(60.0, 420.0),
    )
    difference = Difference(
        switch="pbx",
        queue="Kundcenter",
        counter="abandoned",
        switch_says=5,
        ledger_says=4,
        difference=-1,
        since=snapshot.at,
        until=snapshot.at,
        cause=DifferenceCause.BOOKING,
    )
    return replace(
        snapshot,
        total=total,
        reconciliation=(difference,),
        totals_talks={"Kundcenter": TalkSums(calls=2, seconds=330.5)},
        alerts=AlertsNow(raised={("long_wait", "alarm"): 2}, notifications={("sms", "sent"): 2}),
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_has_its_name_and_its_labels(name: str) -> None:
    families = text_string_to_metric_families(scrape(full()).text)
    samples = [one for family in families for one in family.samples if one.name == name]

    assert samples
    assert {frozenset(one.labels) for one in samples} == {frozenset(NAMES[name])}


def test_no_metric_is_made_under_a_name_that_the_documents_do_not_know() -> None:
    families = text_string_to_metric_families(scrape(full()).text)

    assert all(family.name.startswith("callqueue_") for family in families)


def test_entered_is_split_by_why_and_adds_up() -> None:
    before = sample.calm()
    counts = replace(before.totals["Kundcenter"], by_overflow=3, by_transfer=2)
    seen = scrape(replace(before, totals={"Kundcenter": counts}))

    by = {
        reason: seen("callqueue_entered_total", queue="Kundcenter", reason=reason)
        for reason in ("direct", "overflow", "transfer", "reentry", "resume", "callback", "unknown")
    }
    assert (by["overflow"], by["transfer"], by["direct"]) == (3, 2, counts.entered - 5)
    assert sum(value or 0 for value in by.values()) == counts.entered


def test_a_switch_with_the_most_queues_there_can_be_is_scraped_within_bounds() -> None:
    one = sample.calm().queues[0]
    many = tuple(replace(one, name=f"kö {number}") for number in range(MAX_QUEUES + 1))
    crowded = replace(
        sample.calm(),
        queues=many,
        totals={queue.name: sample.DAY for queue in many},
        totals_waits={queue.name: sample.buckets(3.0) for queue in many},
    )

    samples = [line for line in scrape(crowded).text.splitlines() if not line.startswith("#")]

    assert len(samples) < 120 * MAX_QUEUES


# ---- answered from bytes that a thread renders


class Seconds:
    """A clock set by hand, in real seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_scrape_waits_and_the_next_are_given_the_same_bytes() -> None:
    figures, seconds = FakeFigures(sample.calm()), Seconds()
    metrics = Metrics(figures, monotonic=seconds)

    assert metrics.kept() is None
    first = metrics.scrape()
    figures.show(sample.rush())
    seconds.now += 4

    assert metrics.kept() == first == metrics.scrape()
    assert first[0] == Metrics(FakeFigures(sample.calm())).render()[0]


def test_while_somebody_scrapes_newer_figures_are_rendered_without_being_asked_for() -> None:
    figures, seconds = FakeFigures(sample.calm()), Seconds()
    metrics = Metrics(figures, monotonic=seconds)
    metrics.scrape()
    metrics.scrape("application/openmetrics-text")
    figures.show(sample.rush())
    seconds.now += 5

    assert metrics.refresh()
    body, _ = metrics.kept() or (b"", "")
    assert Samples(body.decode())("callqueue_calls_waiting", queue="Kundcenter") == 6
    assert (metrics.kept("application/openmetrics-text") or (b"", ""))[0].endswith(b"# EOF\n")


def test_nothing_is_rendered_any_more_when_nobody_scrapes() -> None:
    figures, seconds = FakeFigures(sample.calm()), Seconds()
    metrics = Metrics(figures, monotonic=seconds)
    metrics.scrape()
    seconds.now += 300

    assert not metrics.refresh()
    assert metrics.kept() is None


def test_old_bytes_are_never_given_though_the_thread_should_be_gone() -> None:
    metrics = Metrics(FakeFigures(sample.calm()), monotonic=(seconds := Seconds()))
    metrics.scrape()
    seconds.now += 11

    assert metrics.kept() is None


def test_versions_that_scrapers_make_up_are_answered_in_plain_text_and_rendered_once() -> None:
    metrics = Metrics(FakeFigures(sample.calm()))
    plain = metrics.scrape()

    for version in ("1.0.1", "2.0", "9.9.9", "x"):
        for kind in ("text/plain", "application/openmetrics-text"):
            found = metrics.scrape(f"{kind};version={version};escaping=underscores")
            assert found == plain or (kind, version) in {("text/plain", v) for v in ("1.0.1", "2.0", "9.9.9")}

    assert len(metrics._bodies) == len(metrics._scraped) == 2, "text/plain of any version is its version 1.0.0"


def test_repeat_callers_are_given_where_they_are_told_apart_and_nowhere_else() -> None:
    found = RepeatCallers(
        since=sample.local(10, 12), calls=168, repeated=21, lost=0, reached_later=0, answered=120, not_back=90
    )
    shown = sample.calm()
    seen = scrape(replace(shown, total=replace(shown.total, repeat_callers=found)))
    status = msgspec.json.decode(status_body(replace(shown, total=replace(shown.total, repeat_callers=found))))

    assert seen("callqueue_repeat_call_ratio", queue="") == 0.125 == status["total"]["repeat_callers"]["repeat_ratio"]
    assert seen("callqueue_not_back_ratio", queue="") == 0.75 == status["total"]["repeat_callers"]["not_back_ratio"]
    assert seen("callqueue_repeat_callers_since_timestamp_seconds") == found.since.timestamp()
    assert seen("callqueue_lost_reached_later_ratio", queue="") is None
    assert status["total"]["repeat_callers"]["reached_later_ratio"] is None
    assert seen("callqueue_repeat_call_ratio", queue="Kundcenter") is None
    assert status["queues"][0]["repeat_callers"] is None
