"""The content of the lead's page in words, for its template.

Longer than 450 lines because it is one page, with a property for each figure in the page's order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.api.pages.fan_chart import FanChart, fan
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.lead_differences import DifferenceSection, difference_section
from queue_monitor.api.pages.lead_repeat import RepeatSection, repeat_section
from queue_monitor.api.pages.outlook import (
    fact_beside,
    forecast_faces,
    help_words,
    is_too_early,
    margin_words,
    pools_and_lone_queues,
    reason,
)
from queue_monitor.core import service_level
from queue_monitor.model import (
    UNHEARD,
    Alert,
    AlertChange,
    Attempt,
    DifferenceRecord,
    Disagreement,
    LostCall,
    Notice,
    NoticeState,
    Outcome,
    Period,
    QueueNow,
    RecordedAlert,
    RiskFigures,
    Snapshot,
    SourceNow,
    Staff,
    Status,
    StatusReason,
    TransferWaits,
    WaitingNow,
)
from queue_monitor.queues import keys_of, queue_key

WAITING_SHOWN: Final = 50
LOST_SHOWN: Final = 30
CURVES_SHOWN: Final = 3
"""The most forecasts drawn as curves; more are a table."""

UNLIKELY: Final = 0.5
STATES: Final = ("available", "ringing", "busy", "wrapup", "paused", "unreachable", "logged_out")
_NO_WORSE: Final = frozenset({"together", "took_over"})
_OUTCOMES: Final = ("sent", "superseded", "acknowledged", "expired", "no_recipient", "no_channel", "no_address")
_TROUBLES: Final = ("timeout", "unreachable", "refused", "busy", "login", "tls", "certificate")
_RESULTS: Final = frozenset((*_OUTCOMES, *_TROUBLES, "no_such_host", "address_refused"))
"""The results of an attempt that have words; of others it is said that the message failed."""


class WeekBefore(Struct, frozen=True, kw_only=True):
    """The same weekday a week ago by the headline definition: up to this quarter of an hour, and the whole day."""

    share_so_far: float | None
    calls_so_far: int
    share: float | None
    calls: int


class ForecastCard(Struct, frozen=True, kw_only=True):
    """One forecast in words. `label` is empty where the whole page is about its queue or pool."""

    label: str
    share: str
    band: str
    miss: str
    calls: str
    margin: str
    margin_what: str
    margin_ends: str
    month_margin: str
    help: tuple[str, ...]
    options: tuple[tuple[str, str, str], ...]
    cause: str
    inferred: bool
    curve: FanChart | None


class WaitingRow(Struct, frozen=True, kw_only=True):
    """One caller who waits. `unlikely`: will probably not be answered in time, or is late already."""

    place: str
    queue: str
    wait: str
    ringing: bool
    chance: str
    words: str
    unlikely: bool
    late: bool


class Hour(Struct, frozen=True, kw_only=True):
    """One hour of the day as a row of texts. `blind`: the minutes in which nothing was heard; empty for none."""

    name: str
    blind: str
    cells: tuple[str, ...]
    share: str
    meets_target: bool | None
    p90: str
    longest: str


class Told(Struct, frozen=True, kw_only=True):
    """One line of an alert's record: what happened, or an attempt to send a message and its recipient."""

    at: datetime
    time: str
    what: str
    to: str = ""
    by: str = ""
    result: str = ""


class Recorded(Struct, frozen=True, kw_only=True):
    """One alert of today with its record."""

    episode: str
    when: str
    words: str
    lines: tuple[Told, ...]


def foretold_faces(snapshot: Snapshot, face: QueueNow) -> list[QueueNow]:
    """Return the pools and queues whose forecast includes a queue of this page.

    On the page of one queue or pool none stands for all queues: it would have no name there.
    """
    wanted, faces = set(face.queues), pools_and_lone_queues(snapshot) if face.name else forecast_faces(snapshot)
    return [found for found in faces if found.risk and wanted & set(found.queues)]


def faces_with_curves(snapshot: Snapshot, face: QueueNow) -> list[QueueNow]:
    """Return the forecasts that the page draws as curves: none when they are too many."""
    found = foretold_faces(snapshot, face)
    return found if len(found) <= CURVES_SHOWN else []


class Page:
    """All content of the page in words, for its template."""

    def __init__(
        self,
        snapshot: Snapshot,
        face: QueueNow,
        pen: Formatter,
        *,
        quarters: Mapping[str, Sequence[Period]],
        hours: Sequence[Period],
        lost: Sequence[LostCall] | None,
        transfers: Sequence[TransferWaits] | None,
        disagreements: Sequence[Disagreement],
        differences: Sequence[DifferenceRecord] | None,
        record: Sequence[RecordedAlert] | None,
        week_before: WeekBefore | None = None,
        alerts_language: str,
    ) -> None:
        self.snapshot = snapshot
        self.face = face
        self.pen = pen
        self.day = face.periods["day"]
        self.month = face.periods["month"]
        self.tertial = face.periods["tertial"]
        self.trusted = face.verdict.reason not in UNHEARD
        self.transfers = transfers
        self._doubts = disagreements
        self._differences = differences
        self._quarters = quarters
        self._hours = hours
        self._lost = lost or ()
        self._lost_are_away = lost is None
        self._record = record
        self._week_before = week_before
        self.foreign_alerts = "" if pen.language == alerts_language else alerts_language

    # ---- times

    @property
    def date(self) -> str:
        return texts.date_words(self.snapshot.at, self.pen.zone, self.pen.language)

    @property
    def openness(self) -> str:
        """Return until when it is open, or when it opens; for a queue with hours of its own, its own."""
        hours, at = self.snapshot.hours, self.snapshot.at
        if self.face.open:
            closes = self.face.day_hours[1] if self.face.day_hours and self.face.name else hours.closes_at
            return self.pen.say("open_until", clock=self.pen.clock(closes))
        if self.face.name:
            return self.pen.say("closed")
        return texts.opening(hours.opens_at, at, self.pen.zone, self.pen.language)

    @property
    def updated(self) -> str:
        return self.pen.say("updated", clock=self.pen.clock_seconds(self.snapshot.at))

    # ---- now

    @property
    def reason(self) -> str:
        """Return the reason for the status, and that the target is not met now where that sentence does not say so."""
        said = reason(self.face, self.snapshot, self.pen.language)
        fact = fact_beside(self.face, self.snapshot, self.pen.language)
        return f"{said} {fact}." if fact else said

    @property
    def meets_target(self) -> bool | None:
        return service_level.meets_target(self.day.counts, self.pen.target) if self.trusted else None

    @property
    def refused_share(self) -> str:
        limit = self.pen.target.refused_limit_ratio
        return texts.percent(self.day.refused_ratio, limit, self.pen.language)

    @property
    def definition(self) -> str:
        """Return the share's own definition, with D3 and D1 beside it."""
        target, levels = self.pen.target, self.day.service_level
        others = [name for name in ("D3", "D1", "D2") if name != target.definition.value][:2]
        beside = " · ".join(f"{name} {self.pen.percent(levels.get(name))}" for name in others)
        return f"{target.definition.value} {self.pen.say(f'definition.{target.definition.value}')} · {beside}"

    @property
    def definition_note(self) -> str:
        target = self.pen.target
        words = texts.definition_words(
            target.definition,
            limit_seconds=target.limit_seconds,
            short_abandon_seconds=target.short_abandon_seconds,
            language=self.pen.language,
        )
        ratio = self.pen.plain(target.ratio)
        note = self.pen.say("definition_note", target=ratio, definition=target.definition.value, words=words)
        return f"{note}, {self.pen.say('definition_since', date=target.since)}" if target.since else note

    @property
    def next_caller(self) -> str:
        """Return the wait that the next caller should expect, as precisely as it is known."""
        spread, expected = self.face.wait_range_seconds, self.face.expected_wait_seconds
        if expected is None:
            return texts.NONE
        if spread is not None and round(spread[0] / 60) < round(spread[1] / 60):
            low, high = (self.pen.count(round(edge / 60)) for edge in spread)
            return self.pen.say("lead.wait_range", low=low, high=high)
        if expected < 60:
            return self.pen.say("expected_at_once" if expected < 15 else "expected_under_minute")
        return self.pen.say("expected_minutes", minutes=self.pen.count(round(expected / 60)))

    @property
    def number_waiting(self) -> str:
        """Return how many wait, also as last known; without any switch nobody knows."""
        is_known = self.face.verdict.reason is not StatusReason.NO_SOURCE
        return self.pen.count(self.face.waiting_count) if is_known else texts.NONE

    @property
    def nobody_waits(self) -> str:
        """Return that nobody waits, as far as that is known."""
        pen, why = self.pen, self.face.verdict.reason
        if why is StatusReason.NO_SOURCE:
            return pen.say("reason.no_source")
        nobody = pen.say("nobody_waits")
        if why in UNHEARD:
            return pen.say("last_known_status", status=nobody[:1].lower() + nobody[1:])
        return pen.say("lead.waiting.none")

    @property
    def oldest(self) -> str:
        oldest = self.face.oldest_wait_ms
        return self.pen.wait(None if oldest is None else oldest / 1000)

    @property
    def oldest_is_late(self) -> bool:
        return (self.face.oldest_wait_ms or 0) > self.pen.target.limit_seconds * 1000

    @property
    def staff(self) -> Staff:
        return self.face.staff

    @property
    def people(self) -> tuple[tuple[str, str, str], ...]:
        """Return each state with its number of agents and the longest time in it; first those who can answer."""
        keys, now = keys_of(self.face.queues), self.snapshot.at
        since: dict[str, datetime] = {}
        for agent in self.snapshot.agents:
            if agent.since is not None and (not self.face.name or not keys.isdisjoint(keys_of(agent.queues))):
                state = agent.state.value
                since[state] = min(agent.since, since.get(state, agent.since))
        return tuple(
            (
                self.pen.say(state),
                self.pen.count(number := getattr(self.staff, state)),
                self.pen.wait((now - since[state]).total_seconds()) if number and state in since else texts.NONE,
            )
            for state in STATES
        )

    @property
    def week_before(self) -> str:
        """Return the same weekday a week ago at this time and at its end; empty where it was not measured."""
        if self._week_before is None:
            return ""
        before, pen = self._week_before, self.pen
        if before.share is None:
            return ""
        return pen.say(
            "lead.week_before",
            so_far=pen.percent(before.share_so_far),
            calls=pen.count(before.calls_so_far),
            whole=pen.percent(before.share),
            all=pen.count(before.calls),
        )

    # ---- the forecast

    @property
    def outlooks(self) -> tuple[ForecastCard, ...]:
        """Return each forecast of what is shown; with their curves where they are few."""
        return tuple(map(self._outlook, foretold_faces(self.snapshot, self.face)))

    def _outlook(self, face: QueueNow) -> ForecastCard:
        risk = face.risk or RiskFigures(p_miss=0.0)
        pen = self.pen
        band = ""
        if risk.low is not None and risk.high is not None:
            band = pen.say("lead.forecast.range", low=pen.percent(risk.low), high=pen.percent(risk.high))
        left = face.margins.get("day") or 0
        ends = risk.margin_ends(face.margins.get("day"), self.snapshot.at)
        helps = [*help_words(face, pen.zone, pen.language)]
        too_early = pen.say("status.too_early") if is_too_early(face) else ""
        if too_early:
            helps.append(f"{too_early}.")
        elif risk.reachable and risk.agents_for_day is None and risk.agents_at_most is not None:
            helps.append(pen.say("lead.help.too_few", number=pen.count(risk.agents_at_most)))
        if not helps and face.verdict.status is Status.OK:
            helps.append(pen.say("lead.help.none"))
        elif not helps and (risk.expected_share or 0) >= self.snapshot.target.ratio:
            helps.append(pen.say("lead.help.enough"))
        return ForecastCard(
            label="" if face.queues == self.face.queues else pen.label(face),
            share=pen.percent(risk.expected_share),
            band=band,
            miss=too_early or pen.chance(risk.p_miss),
            calls=texts.NONE if risk.expected_calls is None else pen.count(round(risk.expected_calls)),
            margin=margin_words(face, self.snapshot, pen.language),
            margin_what=pen.say(f"lead.margin.what{'' if left > 0 else '.over' if left < 0 else '.none'}"),
            margin_ends=pen.say("lead.margin.ends", clock=pen.clock(ends)) if ends and not too_early else "",
            month_margin=margin_words(face, self.snapshot, pen.language, "month"),
            help=tuple(helps),
            options=tuple(
                (pen.count(option.more), pen.chance(option.p_miss), pen.percent(option.expected_share))
                for option in (() if too_early else risk.options)
            ),
            cause=pen.say(f"lead.cause.{risk.cause.value}") if risk.cause and not too_early else "",
            inferred=not risk.staff_known,
            curve=self._curve(face, risk),
        )

    def _curve(self, face: QueueNow, risk: RiskFigures) -> FanChart | None:
        quarters = self._quarters.get(face.name)
        return None if quarters is None else fan(quarters, risk, face.day_hours, self.snapshot.at, self.pen)

    # ---- the callers who wait

    @property
    def waiting(self) -> tuple[WaitingRow, ...]:
        return tuple(map(self._line, self.face.waiting[:WAITING_SHOWN]))

    def _line(self, caller: WaitingNow) -> WaitingRow:
        pen, chance = self.pen, caller.in_time_chance
        late = caller.wait_ms > pen.target.limit_seconds * 1000
        unlikely = late or (chance is not None and chance < UNLIKELY)
        if late:
            words = pen.say("lead.chance.missed")
        else:
            words = "" if chance is None else pen.say(f"lead.chance.{'un' if unlikely else ''}likely")
        if caller.unheard:
            words = ", ".join(filter(None, (words, pen.say("lead.chance.unheard"))))
        return WaitingRow(
            place=pen.count(caller.position),
            queue=self.label(caller.queue),
            wait=pen.wait(caller.wait_ms / 1000),
            ringing=caller.ringing,
            chance=texts.NONE if late or chance is None else pen.chance(chance),
            words=words,
            unlikely=unlikely,
            late=late,
        )

    @property
    def waiting_words(self) -> tuple[str, ...]:
        """Return how many of those who wait will probably be late, those late already included."""
        pen, waiting = self.pen, self.face.waiting
        found = []
        foretold = [caller for caller in waiting if caller.in_time_chance is not None]
        if foretold:
            lines = map(self._line, waiting)
            unlikely = sum(line.unlikely for line in lines)
            key = f"lead.waiting.{'one_' if len(waiting) == 1 else ''}{'un' if unlikely else ''}likely"
            found.append(pen.say(key, unlikely=pen.count(unlikely), waiting=pen.count(len(waiting))))
        if self.face.counted:
            found.append(pen.say("lead.waiting.counted", number=pen.count(self.face.counted)))
        if len(waiting) > WAITING_SHOWN:
            found.append(pen.say("lead.waiting.more", number=pen.count(len(waiting) - WAITING_SHOWN)))
        return tuple(found)

    def label(self, queue: str) -> str:
        """Return a queue's name for people."""
        return next((face.label for face in self.snapshot.queues if queue_key(face.name) == queue_key(queue)), queue)

    # ---- hour by hour

    @property
    def hours(self) -> tuple[Hour, ...]:
        """Return the rows from the first hour with a call to the last, and the whole day."""
        busy = [at for at, period in enumerate(self._hours) if period.counts.dialled]
        if not busy:
            return ()
        shown = self._hours[busy[0] : busy[-1] + 1]
        rows = [self._hour(self.pen.clock(period.start), period) for period in shown]
        return (*rows, self._hour(self.pen.say("lead.whole_day"), self.day))

    def _hour(self, name: str, period: Period) -> Hour:
        counts, pen = period.counts, self.pen
        numbers = (
            counts.entered,
            counts.answered_in_time + counts.called_back,
            counts.answered_late,
            counts.abandoned,
            counts.left_otherwise + counts.answered_unjudged + counts.unknown + counts.excluded,
            counts.waiting,
            counts.refused,
        )
        blind = period.coverage.blind_minutes
        return Hour(
            name=name,
            blind=pen.say("lead.hours.blind", minutes=pen.count(blind)) if blind else "",
            cells=tuple(map(pen.count, numbers)),
            share=pen.percent(period.headline),
            meets_target=service_level.meets_target(counts, pen.target),
            p90=pen.wait(period.waits.p90_seconds),
            longest=pen.wait(period.waits.max_seconds),
        )

    @property
    def outside(self) -> str:
        """Return the calls outside opening hours, in words; empty if there were none."""
        counts, pen = self.day.outside_hours, self.pen
        if not counts.dialled:
            return ""
        parts = (("entered", counts.entered), ("answered", counts.answered), ("abandoned", counts.abandoned))
        said = [
            f"{pen.say(key)} {pen.count(number)}" for key, number in (*parts, ("refused", counts.refused)) if number
        ]
        return f"{pen.say('lead.outside')}: {', '.join(said)}."

    # ---- the lost calls

    @property
    def lost(self) -> tuple[tuple[str, tuple[LostCall, ...]], ...]:
        """Return groups with a heading each, newest first: long, short, refused, outside hours."""
        groups: dict[str, list[LostCall]] = {"long": [], "short": [], "refused": [], "outside": []}
        for call in reversed(self._lost):
            groups[_group(call)].append(call)
        room = LOST_SHOWN
        found = []
        for name, calls in groups.items():
            if calls and room:
                found.append((self.pen.say(f"lead.lost.{name}"), tuple(calls[:room])))
                room -= min(room, len(calls))
        return tuple(found)

    @property
    def lost_words(self) -> tuple[str, ...]:
        if self._lost_are_away:
            return (self.pen.say("lead.lost.away"),)
        if not self._lost:
            return (self.pen.say("lead.coverage.none" if self.day.coverage.ratio == 0 else "lead.lost.none"),)
        pen = self.pen
        names = [_group(call) for call in self._lost]
        numbers = {name: pen.count(names.count(name)) for name in ("long", "short", "refused", "outside")}
        found = [pen.say("lead.lost.summary", **numbers)]
        if reached := sum(call.reached_later is True for call in self._lost):
            found.append(pen.say("lead.lost.reached", number=pen.count(reached)))
        if len(self._lost) > LOST_SHOWN:
            found.append(pen.say("lead.lost.more", number=pen.count(len(self._lost) - LOST_SHOWN)))
        return tuple(found)

    @property
    def tells_callers_apart(self) -> bool:
        return any(call.reached_later is not None for call in self._lost)

    def lost_how(self, call: LostCall) -> str:
        """Return how a call was lost, and what is special about it."""
        parts = [texts.outcome_words(call.outcome, self.pen.language)]
        if call.is_late:
            parts.append(self.pen.say("lead.lost.late"))
        if call.early:
            parts.append(self.pen.say("lead.lost.early"))
        return ", ".join(parts)

    @property
    def repeat(self) -> RepeatSection:
        """Return the callers who called more than once today."""
        return repeat_section(self.face.repeat_callers, self.snapshot.callers_since, self.snapshot.at, self.pen)

    # ---- alerts

    def _clock(self, moment: datetime) -> str:
        """Return a time, with its day where an alert or a banner is not of today alone."""
        return self.pen.clock_words(moment, self.snapshot.at)

    @property
    def crisis(self) -> str:
        """Return who declared the crisis that stands, and when."""
        crisis = self.snapshot.alerts.crisis
        if crisis is None:
            return ""
        clock = self._clock(crisis.since)
        key = "lead.crisis.declared_by" if crisis.by else "lead.crisis.declared"
        return self.pen.say(key, clock=clock, by=crisis.by)

    @property
    def banner(self) -> str:
        """Return who put up the banner, and until when it stands."""
        banner = self.snapshot.alerts.banner
        if banner is None:
            return ""
        key = "lead.banner.shown_by" if banner.by else "lead.banner.shown"
        return self.pen.say(key, clock=self._clock(banner.until), by=banner.by)

    @property
    def standing(self) -> tuple[tuple[Alert, str], ...]:
        """Return the alerts that concern what is shown, worst first, in this page's language."""
        return tuple(
            (alert, texts.alert_words(alert, self.pen.language))
            for alert in self.snapshot.alerts.open
            if self._bears(alert)
        )

    def taken(self, alert: Alert) -> str:
        """Return who took an alert that stands and when; empty while nobody has."""
        seen = self.snapshot.alerts.acknowledgements.get(alert.episode)
        if seen is None:
            return ""
        by = self.pen.say("lead.record.acknowledged_by", who=seen.by) if seen.by else ""
        return f"{by or self.pen.say('lead.record.acknowledged')} {self._clock(seen.at)}"

    @property
    def record(self) -> tuple[Recorded, ...] | None:
        """Return today's alerts, the newest first; None while the record cannot be read."""
        if self._record is None:
            return None
        return tuple(self._recorded(found) for found in reversed(self._record) if self._bears(found.changes[-1]))

    def _bears(self, alert: Alert) -> bool:
        """Return whether an alert concerns what is shown: one of all queues always does."""
        return not self.face.name or not alert.queue or bool(keys_of(self.face.queues) & keys_of(alert.queues))

    def _recorded(self, found: RecordedAlert) -> Recorded:
        first, last = found.changes[0], found.changes[-1]
        over = last.change is AlertChange.CLEARED
        when = f"{self._clock(first.at)}–{self._clock(last.at) if over else ''}"
        notices = {notice.id: notice for notice in found.notices}
        lines = [
            Told(
                at=change.at,
                time=self._clock(change.at),
                what=self.pen.say(f"lead.record.change.{_kind_of(change)}"),
                result=self.pen.say("lead.record.told" if _was_told(found, change.at) else "lead.record.not_told"),
            )
            for change in found.changes
        ]
        lines += [
            self._tried(attempt, notices[attempt.notice]) for attempt in found.attempts if attempt.notice in notices
        ]
        lines += [self._pending(notice) for notice in found.notices if notice.state is NoticeState.PENDING]
        if seen := found.acknowledgement:
            by = self.pen.say("lead.record.acknowledged_by", who=seen.by) if seen.by else ""
            what = by or self.pen.say("lead.record.acknowledged")
            lines.append(Told(at=seen.at, time=self._clock(seen.at), what=what))
        return Recorded(
            episode=found.episode,
            when=when,
            words=texts.alert_words(found.worst, self.pen.language),
            lines=tuple(sorted(lines, key=lambda line: line.at)),
        )

    def _tried(self, attempt: Attempt, notice: Notice) -> Told:
        known = attempt.result if attempt.result in _RESULTS else "failed"
        return Told(
            at=attempt.at,
            time=self._clock(attempt.at),
            what=self.pen.say("lead.record.escalation" if notice.escalation else "lead.record.message"),
            to=attempt.recipient,
            by=attempt.channel,
            result=self.pen.say(f"lead.record.{known}"),
        )

    def _pending(self, notice: Notice) -> Told:
        return Told(
            at=notice.due_at,
            time=self._clock(notice.due_at),
            what=self.pen.say("lead.record.escalation" if notice.escalation else "lead.record.message"),
            to=notice.recipient,
            by=notice.channel,
            result=self.pen.say("lead.record.waits"),
        )

    # ---- sources

    def source_kind(self, source: SourceNow) -> str:
        """Return the kind of a source: `asterisk_ami` for `urn:kc:asterisk_ami:pbx`."""
        parts = source.name.split(":")
        return parts[2] if len(parts) > 3 else source.name

    def without_contact(self, source: SourceNow) -> str:
        """Return how long a source has been without contact in all, the silence that still lasts included."""
        lasts = (self.snapshot.at - source.since).total_seconds() if source.since and not source.up else 0.0
        return self.pen.minutes(source.gap_seconds_total + lasts)

    @property
    def differences(self) -> DifferenceSection:
        """Where the switches' own counters say something else."""
        today = self.snapshot.at.astimezone(ZoneInfo(self.snapshot.time_zone)).date()
        queue = self.face.name if len(self.face.queues) == 1 else ""
        return difference_section(self._differences, today, self.pen, self.label, queue)

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Return where the switch and the calendar disagree about being open."""
        return tuple(
            self.pen.say(
                f"lead.doubt.{found.doubt.value}",
                queue=self.label(found.queue),
                number=self.pen.count(found.calls),
                first=self.pen.clock(found.first),
                last=self.pen.clock(found.last),
            )
            for found in self._doubts
        )

    @property
    def rejected(self) -> int:
        return sum(self.snapshot.rejected.values())


def _group(call: LostCall) -> str:
    if not call.in_opening_hours:
        return "outside"
    if call.outcome is Outcome.REFUSED:
        return "refused"
    return "short" if call.is_short else "long"


def _kind_of(change: Alert) -> str:
    """Return what a change was: one that gathers other trouble, or tells what was held back, made nothing worse."""
    if change.change is AlertChange.UPDATED and (change.lower or change.notified in _NO_WORSE):
        return "news"
    return change.change.value


def _was_told(found: RecordedAlert, at: datetime) -> bool:
    """Return whether a change made messages: they hold the change that they are about."""
    return any(notice.alert.at == at for notice in found.notices)
