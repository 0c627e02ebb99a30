"""One Prometheus collector that reads the newest snapshot, so that /metrics has the same figures as the pages.

All queues together stand under `queue=""`, which Prometheus treats as no label: select `{queue=""}` for the centre and
`{queue!=""}` for each queue. Where there is no number there is no sample: never NaN, never 100 %.

Longer than 450 lines because it is one collector, with a method for each family.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Final, NamedTuple
from weakref import ref
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from queue_monitor.core import service_level
from queue_monitor.model import (
    FIELDS,
    LEFT_OTHERWISE,
    NAMED_COUNTS,
    Counts,
    Outcome,
    Period,
    QueueNow,
    RiskFigures,
    Snapshot,
    SourceNow,
    Staff,
    StaffBasis,
    Status,
)
from queue_monitor.ports import Figures

_LEFT: Final = ("abandoned", *LEFT_OTHERWISE, "unknown", "excluded")
_REFUSED: Final = tuple(field.removeprefix("refused_") for field in FIELDS[Outcome.REFUSED])
_BROUGHT_BY: Final = tuple(field.removeprefix("by_") for field in Counts.__struct_fields__ if field.startswith("by_"))
_RESULTS: Final = tuple(dict.fromkeys(each.result for each in NAMED_COUNTS if each.result))
_STAFF: Final = ("available", "ringing", "busy", "wrapup", "paused", "unreachable", "logged_out")

_WINDOWS_OF_A_QUEUE: Final = frozenset({"30min", "day", "month"})
"""The windows of a single queue; all queues together get all. All six for twenty queues would cost 4 000 series."""

HOLDS_SECONDS: Final = 5.0
"""The time for which the rendered bytes are served before they are rendered anew."""

OLDEST_SECONDS: Final = 2 * HOLDS_SECONDS
"""The greatest age of bytes that are served: beyond it the rendering thread is gone or cannot keep up."""

WANTED_SECONDS: Final = 120.0
"""The time without a scrape after which nothing is rendered any more."""

_ESCAPINGS: Final = ("allow-utf-8", "underscores", "dots", "values")
_FORMATS: Final = frozenset(
    choose_encoder(f"{kind};version={version};escaping={escaping}")[1]
    for kind in ("text/plain", "application/openmetrics-text")
    for version in ("", "1.0.0")
    for escaping in _ESCAPINGS
)
"""The content types that are rendered and kept. The version is the asker's: with any of them we would keep any number
of renderings.
"""

Labels = tuple[str, ...]


def _format_of(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """Return the encoder and the content type for an `Accept` header: one of `_FORMATS`, else the plain one."""
    try:
        found = choose_encoder(accept)
    except TypeError:  # its version is no number
        return choose_encoder("")
    return found if found[1] in _FORMATS else choose_encoder("")


class HighWater:
    """The highest value each counter has shown.

    A correction, as when a log turns a lost call into an answered one, may lower a count; a Prometheus counter that
    steps back is read as a restart and counts everything again. So a series stays where it was until the figure has
    caught up: at most as much too high as the corrections, and right in the status API at once.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str, Labels], float] = {}

    def __call__(self, series: str, labels: Labels, value: float) -> float:
        mark = max(value, self._marks.get((series, labels), value))
        self._marks[series, labels] = mark
        return mark


class _Counter:
    def __init__(self, high_water: HighWater, name: str, words: str, labels: Sequence[str]) -> None:
        self.family = CounterMetricFamily(name, words, labels=labels)
        self._high_water = high_water

    def add(self, labels: Labels, value: float) -> None:
        self.family.add_metric(labels, self._high_water(self.family.name, labels, value))


def _gauge(name: str, words: str, samples: Iterable[tuple[Labels, float | None]], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, number in samples:
        if number is not None:
            family.add_metric(values, number)
    return family


class QueueCollector(Collector):
    """Collects the content of a snapshot as metric families."""

    def __init__(self, figures: Figures, refused_requests: Mapping[str, int] | None = None) -> None:
        self._figures = figures
        self._refused_requests = refused_requests or {}
        self._high_water = HighWater()

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        snapshot = self._figures.latest()
        yield from _live(snapshot)
        yield from self._totals(snapshot)
        yield self._waits(snapshot)
        yield self._talks(snapshot)
        yield from self._offers_and_events(snapshot)
        yield from self._sources(snapshot.sources)
        yield from _target(snapshot)
        yield from self._alerts(snapshot)
        yield from _monitor(snapshot)
        yield self._requests()

    def _requests(self) -> Metric:
        refused = self._counter("callqueue_http_refused", "Requests turned away at the door, by why.", "reason")
        for reason, count in self._refused_requests.items():
            refused.add((reason,), count)
        return refused.family

    def _alerts(self, snapshot: Snapshot) -> Iterator[Metric]:
        raised = self._counter(
            "callqueue_alerts",
            "Alerts, once for each kind and level that they came to.",
            "alert",
            "level",
        )
        sent = self._counter("callqueue_notifications", "Attempts to tell people, by result.", "channel", "result")
        lost = self._counter(
            "callqueue_alerts_undelivered",
            "Messages, by address, that got through by no channel.",
        )
        for kind_and_level, count in snapshot.alerts.raised.items():
            raised.add(kind_and_level, count)
        for channel_and_result, count in snapshot.alerts.notifications.items():
            sent.add(channel_and_result, count)
        lost.add((), snapshot.alerts.undelivered)
        yield from (raised.family, sent.family, lost.family)
        yield _gauge(
            "callqueue_alert_open",
            "1 for each alert that stands.",
            [((a.kind.value, a.level.value, a.queue, a.period), 1.0) for a in snapshot.alerts.open],
            "alert",
            "level",
            "queue",
            "period",
        )

    def _counter(self, name: str, words: str, *labels: str) -> _Counter:
        return _Counter(self._high_water, name, words, labels)

    def _totals(self, snapshot: Snapshot) -> Iterator[Metric]:
        entered = self._counter(
            "callqueue_entered", "Calls that joined a queue, each stay in each queue, by why.", "queue", "reason"
        )
        answered = self._counter("callqueue_answered", "Calls answered by a person.", "queue")
        left = self._counter("callqueue_left", "Calls that left a queue unanswered, by how.", "queue", "outcome")
        refused = self._counter("callqueue_refused", "Callers who never got into a queue.", "queue", "reason")
        judged = self._counter("callqueue_target_visits", "Ended stays that the headline definition judges.", "queue")
        met = self._counter("callqueue_target_visits_met", "Those of them that count as in time.", "queue")
        definition = service_level.DEFINITIONS[snapshot.target.definition]
        for queue, counts in snapshot.totals.items():
            entered.add((queue, "direct"), counts.entered_directly)
            for reason in _BROUGHT_BY:
                entered.add((queue, reason), getattr(counts, f"by_{reason}"))
            answered.add((queue,), counts.answered)
            for outcome in _LEFT:
                left.add((queue, outcome), getattr(counts, outcome))
            for reason in _REFUSED:
                refused.add((queue, reason), getattr(counts, f"refused_{reason}"))
            good, of = definition(counts)
            judged.add((queue,), of)
            met.add((queue,), good)
        for counter in (entered, answered, left, refused, judged, met):
            yield counter.family

    def _waits(self, snapshot: Snapshot) -> Metric:
        name = "callqueue_wait_seconds"
        family = HistogramMetricFamily(
            name, "Waits whose start was seen, each stay in each queue.", labels=("queue", "outcome")
        )
        for queue, waits in snapshot.totals_waits.items():
            bounds = (*map(floatToGoString, waits.edges), "+Inf")
            for outcome, cumulative, total in (
                ("answered", waits.answered, waits.answered_sum_seconds),
                ("abandoned", waits.abandoned, waits.abandoned_sum_seconds),
            ):
                labels = (queue, outcome)
                family.add_metric(
                    labels,
                    [
                        (bound, self._high_water(name, (*labels, bound), count))
                        for bound, count in zip(bounds, cumulative, strict=True)
                    ],
                    self._high_water(name, (*labels, "sum"), total),
                )
        return family

    def _talks(self, snapshot: Snapshot) -> Metric:
        name = "callqueue_talk_seconds"
        family = SummaryMetricFamily(name, "Talks that are over: how many, and how long together.", labels=("queue",))
        for queue, talks in snapshot.totals_talks.items():
            family.add_metric(
                (queue,),
                int(self._high_water(name, (queue, "count"), talks.calls)),
                self._high_water(name, (queue, "sum"), talks.seconds),
            )
        return family

    def _offers_and_events(self, snapshot: Snapshot) -> Iterator[Metric]:
        ring_results = self._counter("callqueue_offers", "Rings at agents, by how they ended.", "queue", "result")
        for queue, results in snapshot.ring_results.items():
            for result, count in results.items():
                ring_results.add((queue, result), count)
        yield ring_results.family
        events = self._counter("callqueue_events", "Events received, by what became of them.", "result")
        for result, count in snapshot.events.items():
            events.add((result,), count)
        yield events.family
        rejected = self._counter("callqueue_rejected", "What was not understood.", "source", "reason")
        for key, count in snapshot.rejected.items():
            source, _, reason = key.rpartition(" ")
            rejected.add((source, reason), count)
        yield rejected.family

    def _sources(self, sources: Sequence[SourceNow]) -> Iterator[Metric]:
        named = [((source.name, source.switch), source) for source in sources]
        yield _gauge(
            "callqueue_source_up",
            "Whether the source is connected.",
            ((labels, float(source.up)) for labels, source in named),
            "source",
            "switch",
        )
        yield _gauge(
            "callqueue_source_last_event_timestamp_seconds",
            "When the source last told something.",
            ((labels, s.last_event_at.timestamp() if s.last_event_at else None) for labels, s in named),
            "source",
            "switch",
        )
        yield _gauge(
            "callqueue_source_clock_offset_seconds",
            "The switch's clock minus the monitor's.",
            ((labels, None if s.clock_offset_ms is None else s.clock_offset_ms / 1000) for labels, s in named),
            "source",
            "switch",
        )
        gaps = self._counter(
            "callqueue_source_gap_seconds", "Seconds in which the source was not seen.", "source", "switch"
        )
        for labels, source in named:
            gaps.add(labels, source.gap_seconds_total)
        yield gaps.family


def _live(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the figures of now. A queue whose verdict is no_data keeps its last figures; see `callqueue_source_up`."""
    queues = snapshot.queues
    yield _gauge(
        "callqueue_calls_waiting",
        "Callers who wait now.",
        (((queue.name,), float(queue.waiting_count)) for queue in queues),
        "queue",
    )
    yield _gauge(
        "callqueue_calls_ringing",
        "Callers who wait and are being rung at an agent.",
        (((queue.name,), float(queue.ringing)) for queue in queues),
        "queue",
    )
    yield _gauge(
        "callqueue_calls_talking",
        "Callers who talk with an agent.",
        (((queue.name,), float(queue.talking)) for queue in queues),
        "queue",
    )
    faces = (snapshot.total, *queues)
    yield _gauge(
        "callqueue_oldest_wait_seconds",
        "The longest wait of those who wait now; no sample when nobody waits.",
        (((face.name,), None if face.oldest_wait_ms is None else face.oldest_wait_ms / 1000) for face in faces),
        "queue",
    )
    yield _gauge(
        "callqueue_expected_wait_seconds",
        "What the next caller should expect to wait.",
        (bound for face in faces for bound in _expected_wait(face)),
        "queue",
        "bound",
    )
    yield _gauge(
        "callqueue_miss_probability",
        "Chance that the period ends under the target, by the forecast.",
        (((face.name, period), risk.p_miss) for face in faces for period, risk in _risks(face)),
        "queue",
        "period",
    )
    yield _gauge(
        "callqueue_margin_calls",
        "Late or lost calls that still fit within the target of the whole period; negative: too many.",
        (((face.name, period), float(calls)) for face in faces for period, calls in face.margins.items()),
        "queue",
        "period",
    )
    yield _gauge(
        "callqueue_agents",
        "Distinct people by what they do now; one who serves several queues is counted once in all queues together. "
        "At least so many where only a log tells of people.",
        (
            ((face.name, state), float(number))
            for face in faces
            if face.staff.basis is not StaffBasis.UNKNOWN
            for state, number in _states(face.staff)
        ),
        "queue",
        "state",
    )
    yield _gauge(
        "callqueue_agents_staffed",
        "Distinct people logged in; at least so many where only a log tells of people.",
        (
            ((face.name,), None if face.staff.basis is StaffBasis.UNKNOWN else float(face.staff.staffed))
            for face in faces
        ),
        "queue",
    )
    yield _gauge(
        "callqueue_agents_basis",
        "1 for how people are known: known, the switch lists them; seen, a log tells of some; unknown.",
        (((face.name, basis.value), float(face.staff.basis is basis)) for face in faces for basis in StaffBasis),
        "queue",
        "basis",
    )
    yield from _repeat_callers(faces)
    yield _gauge(
        "callqueue_open",
        "Whether it is within opening hours.",
        (((face.name,), float(face.open)) for face in faces),
        "queue",
    )


def _repeat_callers(faces: Sequence[QueueNow]) -> Iterator[Metric]:
    """Yield the shares of today's callers who are told apart; no sample where the sources do not do that."""
    told = [(face.name, face.repeat_callers) for face in faces if face.repeat_callers is not None]
    yield _gauge(
        "callqueue_repeat_call_ratio",
        "Share of today's calls whose caller had called before that day; of callers who are told apart.",
        (((name,), found.repeat_ratio) for name, found in told),
        "queue",
    )
    yield _gauge(
        "callqueue_lost_reached_later_ratio",
        "Share of today's lost calls whose caller was answered in a later call; of callers who are told apart.",
        (((name,), found.reached_later_ratio) for name, found in told),
        "queue",
    )
    yield _gauge(
        "callqueue_not_back_ratio",
        "Share of today's answered calls whose caller has not called again; of callers who are told apart.",
        (((name,), found.not_back_ratio) for name, found in told),
        "queue",
    )
    yield _gauge(
        "callqueue_repeat_callers_since_timestamp_seconds",
        "Since when callers are told apart today: midnight, or the start of the monitor.",
        [((), found.since.timestamp()) for name, found in told if not name],
    )


def _states(staff: Staff) -> Iterator[tuple[str, int]]:
    for state in _STAFF:
        yield state, getattr(staff, state)


def _target(snapshot: Snapshot) -> Iterator[Metric]:
    faces = (snapshot.total, *snapshot.queues)
    periods = [
        (face.name, window, period)
        for face in faces
        for window, period in face.periods.items()
        if not face.name or window in _WINDOWS_OF_A_QUEUE
    ]
    yield _gauge(
        "callqueue_service_level_ratio",
        "Share within the limit, by each definition; at contact level.",
        (
            ((queue, definition, window), ratio)
            for queue, window, period in periods
            for definition, ratio in period.service_level.items()
        ),
        "queue",
        "definition",
        "window",
    )
    yield _gauge(
        "callqueue_service_level_floor_ratio",
        "The headline if all who wait will miss.",
        (((queue, window), period.floor) for queue, window, period in periods),
        "queue",
        "window",
    )
    yield _gauge(
        "callqueue_service_level_ceiling_ratio",
        "The headline if all who still can make it will.",
        (((queue, window), period.ceiling) for queue, window, period in periods),
        "queue",
        "window",
    )
    yield _gauge(
        "callqueue_service_level_including_refused_ratio",
        "The headline with every refused caller as a miss.",
        (((queue, window), period.including_refused) for queue, window, period in periods),
        "queue",
        "window",
    )
    yield _gauge(
        "callqueue_refused_ratio",
        "Refused of all who dialled.",
        (((queue, window), period.refused_ratio) for queue, window, period in periods),
        "queue",
        "window",
    )
    yield _gauge(
        "callqueue_misses",
        "Misses so far in the period, by the headline definition.",
        (((queue, window), float(period.misses)) for queue, window, period in periods),
        "queue",
        "period",
    )
    yield _gauge(
        "callqueue_period_calls",
        "Calls of the period at contact level, by how they stand.",
        (
            ((queue, window, result), float(number))
            for queue, window, period in periods
            if not queue or window == "day"
            for result, number in _results(period)
        ),
        "queue",
        "period",
        "result",
    )
    yield _gauge(
        "callqueue_coverage_ratio",
        "Share of the open minutes really observed.",
        (((queue, window), period.coverage.ratio) for queue, window, period in periods),
        "queue",
        "window",
    )
    yield _gauge(
        "callqueue_target_status",
        "1 for the status that the target has now.",
        (sample for face in faces for sample in _status(face)),
        "queue",
        "period",
        "status",
    )


def _results(period: Period) -> Iterator[tuple[str, int]]:
    for result in _RESULTS:
        yield result, getattr(period.counts, result)


def _status(queue: QueueNow) -> Iterator[tuple[Labels, float]]:
    for period, verdict in (("day", queue.verdict), *queue.verdicts.items()):
        for status in Status:
            yield (queue.name, period, status.value), float(verdict.status is status)


def _expected_wait(face: QueueNow) -> Iterator[tuple[tuple[str, str], float | None]]:
    low, high = face.wait_range_seconds or (None, None)
    yield (face.name, "low"), low
    yield (face.name, "expected"), face.expected_wait_seconds
    yield (face.name, "high"), high


def _risks(face: QueueNow) -> Iterator[tuple[str, RiskFigures]]:
    for period, risk in (("day", face.risk), ("month", face.month_risk)):
        if risk is not None:
            yield period, risk


def _monitor(snapshot: Snapshot) -> Iterator[Metric]:
    target = snapshot.target
    since = target.since.isoformat() if target.since else ""
    yield _gauge(
        "callqueue_definition_info",
        "The headline definition and the day from which it holds.",
        [((target.definition.value, str(target.short_abandon_seconds), since), 1.0)],
        "definition",
        "short_abandon_seconds",
        "since",
    )
    yield _gauge("callqueue_target_ratio", "The share promised.", [((), target.ratio)])
    yield _gauge("callqueue_target_limit_seconds", "The limit promised.", [((), float(target.limit_seconds))])
    offset = snapshot.at.astimezone(ZoneInfo(snapshot.time_zone)).utcoffset() or timedelta()
    yield _gauge("callqueue_utc_offset_seconds", "Local time less UTC.", [((), offset.total_seconds())])
    yield _gauge("callqueue_build_info", "The monitor's version.", [((snapshot.version,), 1.0)], "version")
    yield _gauge(
        "callqueue_snapshot_timestamp_seconds",
        "The moment that these figures are of.",
        [((), snapshot.at.timestamp())],
    )
    yield _gauge(
        "callqueue_reconcile_difference",
        "Our count less the switch's own, since its last reset; 0 when they agree.",
        [((found.switch, found.queue, found.counter), float(found.difference)) for found in snapshot.reconciliation],
        "switch",
        "queue",
        "counter",
    )
    journal = snapshot.journal
    yield _gauge("callqueue_journal_up", "Whether the journal commits.", [((), float(journal.up))])
    yield _gauge("callqueue_journal_pending", "Events that wait to be committed.", [((), float(journal.pending))])
    yield _gauge(
        "callqueue_journal_lag_seconds",
        "How long the oldest event has waited to be committed.",
        [((), journal.lag_seconds)],
    )
    yield _gauge(
        "callqueue_history_not_derived",
        "Calls whose rows the database refused; queue-monitor rebuild makes them.",
        [((), float(journal.not_derived))],
    )
    yield _gauge(
        "callqueue_store_unreadable",
        "Damaged rows that were passed over; see queue-monitor verify.",
        [((), float(journal.unreadable))],
    )
    yield _gauge(
        "callqueue_catching_up",
        "1 after a start, until the forecast knows the whole day.",
        [((), float(journal.catching_up))],
    )


class _Body(NamedTuple):
    """One rendering: the time of its figures, in real seconds, and the bytes."""

    at: float
    body: bytes


class Metrics:
    """The body of /metrics, in the text format that the scraper asks for.

    A big centre's takes some hundred milliseconds, for which neither the event loop nor a scraper should wait. So a
    thread renders it, one at a time and every five seconds, for as long as somebody scrapes; a scrape gets the latest
    bytes. Only the first one waits. `monotonic` returns the time in real seconds.
    """

    def __init__(
        self,
        figures: Figures,
        refused_requests: Mapping[str, int] | None = None,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._monotonic = monotonic
        self._turn = Lock()
        self._bodies: dict[str, _Body] = {}
        self._scraped: dict[str, float] = {}
        self._keeper: Thread | None = None
        self.registry = CollectorRegistry()
        self.registry.register(QueueCollector(figures, refused_requests))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Render the newest figures now, and return the bytes and their content type."""
        encode, content_type = _format_of(accept)
        with self._turn:
            return encode(self.registry), content_type

    def kept(self, accept: str = "") -> tuple[bytes, str] | None:
        """Return the bytes of the last seconds, without waiting; None where there are none."""
        content_type = _format_of(accept)[1]
        known, now = self._bodies.get(content_type), self._monotonic()
        self._scraped[content_type] = now
        if known is None or now - known.at > OLDEST_SECONDS:
            return None
        return known.body, content_type

    def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """Return the bytes, after a first rendering where there is none; then keep them fresh. Not for an event
        loop.
        """
        encode, content_type = _format_of(accept)
        with self._turn:
            if (known := self.kept(accept)) is not None:
                return known
            self._bodies[content_type] = self._rendered(encode)
            if self._keeper is None:
                self._keeper = Thread(target=_keep_fresh, args=(ref(self),), name="metrics", daemon=True)
                self._keeper.start()
            return self._bodies[content_type].body, content_type

    def _rendered(self, encode: Callable[[CollectorRegistry], bytes]) -> _Body:
        return _Body(self._monotonic(), encode(self.registry))

    def refresh(self) -> bool:
        """Render anew the formats that were scraped lately; return whether there was any."""
        with self._turn:
            now = self._monotonic()
            wanted = [kind for kind, at in self._scraped.items() if now - at <= WANTED_SECONDS]
            for kind in wanted:
                self._bodies[kind] = self._rendered(_format_of(kind)[0])
            if not wanted:
                self._keeper = None
                self._bodies.clear()
            return bool(wanted)


def _keep_fresh(metrics: "ref[Metrics]") -> None:
    """Render every few seconds, until nobody scrapes any more or the metrics are gone."""
    pause, still_wanted = Event(), True
    while still_wanted:
        pause.wait(HOLDS_SECONDS)
        known = metrics()
        still_wanted = known is not None and known.refresh()
        del known
