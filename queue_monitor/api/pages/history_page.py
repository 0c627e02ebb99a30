"""The history page in words: one period's figures against the target, its parts, its week and its years.

Longer than 450 lines because it is one page, with a property for each figure in the page's order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from queue_monitor import texts
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.history_file import imported_words
from queue_monitor.api.pages.lead_repeat import repeat_facts
from queue_monitor.api.pages.periods import ChosenPeriod, PeriodKind
from queue_monitor.core import service_level
from queue_monitor.model import (
    LEFT_OTHERWISE,
    NAMED_COUNTS,
    Alert,
    AlertChange,
    AlertKind,
    AlertLevel,
    Counts,
    DefinitionId,
    ImportRecord,
    Period,
    RecordedAlert,
    RepeatDay,
    Snapshot,
    Target,
    WeekSlot,
    whole_crises,
)
from queue_monitor.queues import keys_of

WIDE: Final = 960.0
HIGH: Final = 240.0
_LEFT: Final = 56.0
_LETTER: Final = 8.6
"""The width of a letter of the target, which stands to the left of the picture."""
_TOP: Final = 12.0
_BASE: Final = HIGH - 28.0
BEST_DAYS: Final = 5
MIN_CALLS: Final = 20
"""The fewest calls of a day among the best or the worst: fewer say little of how good it was."""

ALERTS_SHOWN: Final = 40
SHADES: Final = 5
_SHOWN_KINDS: Final = frozenset({AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH, AlertKind.CRISIS})


class HistoryChoice(Struct, frozen=True, kw_only=True):
    """A reader's choice: a period, a queue or pool ("" for all), and the formula of the headline.

    `queues`: those of the pool, or the queue; empty for all.
    """

    period: ChosenPeriod
    queue: str
    definition: DefinitionId
    queues: tuple[str, ...] = ()

    def query(self, language: str, **other: object) -> str:
        """Return the choice as the query of an address, with some of it changed."""
        period = self.period
        words: dict[str, object] = {"period": period.kind.value, "day": period.first.isoformat()}
        if period.kind is PeriodKind.FREE:
            words["until"] = period.last.isoformat()
        words |= {"queue": self.queue, "definition": self.definition.value, "lang": language}
        return urlencode(words | other)

    def of(self, period: ChosenPeriod, language: str) -> str:
        """Return the query of the same choice for another period."""
        return structs.replace(self, period=period).query(language)


class PartRow(Struct, frozen=True, kw_only=True):
    """One day, or one hour, as a row of the table and a bar of the picture. `link` is the query of that day's page."""

    label: str
    link: str
    calls: str
    share: str
    meets: bool | None
    longest: str
    lost: str
    refused: str


class ShareBar(Struct, frozen=True, kw_only=True):
    """One bar of the picture, in the picture's own measure. `meets`: None where nothing was measured."""

    x: float
    y: float
    width: float
    height: float
    meets: bool | None
    words: str


class ShareChart(Struct, frozen=True, kw_only=True):
    """The parts of a period as bars under the line of the target."""

    words: str
    bars: tuple[ShareBar, ...]
    target_y: float
    target_words: str
    shares: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    wide: float = WIDE
    high: float = HIGH
    left: float = _LEFT
    base: float = _BASE


class MapCell(Struct, frozen=True, kw_only=True):
    """One cell of a week's table. `shade` is 0 to 5, the more calls the higher; `bad`: worse than the target."""

    words: str
    shade: int = 0
    bad: bool = False


class WeekTable(Struct, frozen=True, kw_only=True):
    """One figure by half hour (rows) and weekday (columns)."""

    title: str
    days: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MapCell, ...]], ...]


class ComparedRow(Struct, frozen=True, kw_only=True):
    """One period of a comparison; all but its name are "–" where there are no figures."""

    label: str
    link: str
    share: str
    meets: bool | None
    calls: str
    lost: str
    refused: str
    p50: str
    p90: str
    longest: str


class AlertRow(Struct, frozen=True, kw_only=True):
    """One alert, or crisis, of the period."""

    when: str
    what: str


class HistoryPage:
    """All content of the page, for its template.

    `whole`: the period as one; None where it lies in the future.
    `parts`: its days, or hours.
    `earlier`: the same period one and two years before.
    `record`: the record of alerts; None where it cannot be read.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        choice: HistoryChoice,
        pen: Formatter,
        *,
        whole: Period | None,
        parts: Sequence[Period],
        earlier: Sequence[tuple[ChosenPeriod, Period]],
        week: Sequence[WeekSlot],
        record: Sequence[RecordedAlert] | None,
        imports: Sequence[ImportRecord] = (),
        again: Sequence[RepeatDay] = (),
    ) -> None:
        self.snapshot = snapshot
        self.choice = choice
        self.pen = pen
        self.whole = whole
        self.is_day = choice.period.kind is PeriodKind.DAY
        self._parts = [part for part in parts if part.start <= snapshot.at and _is_worth_a_row(part)]
        self._all_parts = [part for part in parts if part.start <= snapshot.at]
        self._earlier = earlier
        self._week = week
        self._record = record
        self._imports = imports
        self._again = again
        self._zone = ZoneInfo(pen.zone)

    # ---- the headline

    @property
    def label(self) -> str:
        return self.choice.period.label(self.pen.language)

    @property
    def best_note(self) -> str:
        return self.pen.say("history.best.note", number=MIN_CALLS)

    @property
    def is_ongoing(self) -> bool:
        return self.whole is not None and self.whole.end > self.snapshot.at

    @property
    def _has_closed(self) -> bool:
        """Return whether the page is of a day that has closed, and no caller of it waits: its result stands."""
        snapshot, queue = self.snapshot, self.choice.queue
        faces = (snapshot.total, *snapshot.queues, *snapshot.pools)
        face = next((face for face in faces if face.name == queue), None)
        if not self.is_day or face is None or self.whole is None or self.whole.counts.waiting:
            return False
        return face.day_hours is not None and face.day_hours[1] <= snapshot.at

    @property
    def share(self) -> float | None:
        return self._share(self.whole)

    @property
    def meets(self) -> bool | None:
        return self._met(self.whole)

    def _met(self, period: Period | None) -> bool | None:
        """Return whether a period met the target, by the chosen formula."""
        return None if period is None else self._meets(period.counts)

    def _meets(self, counts: Counts) -> bool | None:
        return service_level.meets_target(counts, self.pen.target, self.choice.definition)

    @property
    def headline(self) -> str:
        """Return the period in one sentence."""
        if self.whole is None:
            return self.pen.say("history.future")
        its = self.whole.counts
        return texts.headline_words(
            self.pen.target,
            its,
            self.fraction(its, self.choice.definition),
            self.whole.coverage,
            so_far=self.is_ongoing,
            language=self.pen.language,
        )

    @property
    def verdict(self) -> str:
        """Return whether the target was met, in words; "" where there is nothing to judge."""
        if self.meets is None or self.whole is None:
            return ""
        parts = self.fraction(self.whole.counts, self.choice.definition)
        return texts.target_words(
            self.pen.target,
            meets=self.meets,
            share_meets=not service_level.is_under(parts, self.pen.target.ratio) if parts[1] else None,
            refused_ratio=self.whole.refused_ratio,
            so_far=self.is_ongoing and not self._has_closed,
            language=self.pen.language,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes on the reach of the figures."""
        found = []
        if self.is_ongoing:
            found.append(self.pen.say("history.so_far", clock=self.pen.clock(self.snapshot.at), date=self._day_words()))
        kept, start = self.snapshot.kept_from, self.choice.period.bounds(self._zone)[0]
        if kept is not None and start < kept and self.whole is not None and _is_bare(self.whole):
            found.append(self.pen.say("history.kept_from", date=kept.astimezone(self._zone).date().isoformat()))
        found += self._refused_words()
        period, target = self.choice.period, (self.whole and self.whole.target) or self.snapshot.target
        earlier = self.snapshot.targets_before(period.first, period.last, target)
        words = texts.earlier_target_words(earlier, target, self.pen.language)
        return (*words, *found, *imported_words(self.pen, self._imports))

    def _refused_words(self) -> Iterator[str]:
        """Yield how many were refused, and the share with them as misses, where there were any."""
        if self.whole is None or not self.whole.counts.refused:
            return
        its = self.whole.counts
        good, of = self.fraction(its, self.choice.definition)
        yield self.pen.say(
            "report.not.refused",
            number=self.pen.count(its.refused),
            share=texts.percent(self.whole.refused_ratio, None, self.pen.language),
            including=self.pen.percent(service_level.ratio((good, of + its.refused))),
        )

    def _day_words(self) -> str:
        return texts.date_words(self.snapshot.at, self.pen.zone, self.pen.language)

    @property
    def definition_words(self) -> str:
        target = self.pen.target
        return texts.definition_words(
            self.choice.definition,
            limit_seconds=target.limit_seconds,
            short_abandon_seconds=target.short_abandon_seconds,
            language=self.pen.language,
        )

    @property
    def csv_query(self) -> str:
        """Return the query for the files: from, to, queue and language."""
        first, last = self.choice.period.first, self.choice.period.last + timedelta(days=1)
        return urlencode(
            {
                "from": first.isoformat(),
                "to": last.isoformat(),
                "queue": self.choice.queue,
                "lang": self.pen.language,
                "format": "csv",
            }
        )

    # ---- counts, formulas, waits

    @property
    def counts(self) -> tuple[tuple[str, str], ...]:
        """Return the counts of calls by outcome; outcomes that no call had are left out."""
        if self.whole is None:
            return ()
        its, pen = self.whole.counts, self.pen
        rows: list[tuple[str, int, bool]] = []
        for each in NAMED_COUNTS:
            if each.name == "left_otherwise":
                ways = ((texts.say(f"outcome.{way}", pen.language), getattr(its, way)) for way in LEFT_OTHERWISE)
                rows += [(words.capitalize(), number, False) for words, number in ways]
            else:
                rows.append((pen.say(each.words), getattr(its, each.name), each.at_zero))
        rows.append((pen.say("history.outside"), self.whole.outside_hours.entered, False))
        return tuple((name, pen.count(number)) for name, number, at_zero in rows if number or at_zero)

    @property
    def definitions(self) -> tuple[tuple[str, str, str, str, str, bool], ...]:
        """Return each formula: its id, its words, numerator, denominator, share, and whether it is the headline's."""
        if self.whole is None:
            return ()
        pen, found = self.pen, []
        for definition in DefinitionId:
            good, of = self.fraction(self.whole.counts, definition)
            words = texts.definition_words(
                definition,
                limit_seconds=pen.target.limit_seconds,
                short_abandon_seconds=pen.target.short_abandon_seconds,
                language=pen.language,
            )
            share = pen.percent(good / of if of else None)
            chosen = definition is self.choice.definition
            found.append((definition.value, words, pen.count(good), pen.count(of), share, chosen))
        return tuple(found)

    @staticmethod
    def fraction(counts: Counts, definition: DefinitionId) -> service_level.Parts:
        """Return numerator and denominator of a formula, in whole calls."""
        return service_level.FORMULAS[definition](service_level.terms(counts))

    @property
    def waits(self) -> tuple[tuple[str, str], ...]:
        if self.whole is None:
            return ()
        its, pen = self.whole.waits, self.pen
        over = its.over_10_min_ratio
        return (
            (pen.say("history.p50"), pen.wait(its.p50_seconds)),
            (pen.say("history.p90"), pen.wait(its.p90_seconds)),
            (pen.say("history.p99"), pen.wait(its.p99_seconds)),
            (pen.say("history.mean"), pen.wait(its.mean_seconds)),
            (pen.say("history.longest"), pen.wait(its.max_seconds)),
            (pen.say("history.over_10"), texts.NONE if over is None else texts.percent(over, None, pen.language)),
        )

    @property
    def waits_note(self) -> str:
        answered = self.whole.waits.answered if self.whole else 0
        return self.pen.say("history.waits.note", number=self.pen.count(answered))

    @property
    def again(self) -> tuple[tuple[str, str], ...]:
        """Return the shares of the callers who called again; empty where callers were not told apart."""
        return repeat_facts(self._again, self.pen)

    @property
    def again_note(self) -> str:
        calls, days = sum(each.found.calls for each in self._again), len({each.day for each in self._again})
        return self.pen.say("history.again.note", calls=self.pen.count(calls), days=self.pen.count(days))

    @property
    def coverage(self) -> str:
        if self.whole is None:
            return self.pen.say("history.coverage.none")
        its = self.whole.coverage
        known = its.seen_minutes + its.recovered_minutes
        minutes = known + its.blind_minutes
        if not minutes:
            return self.pen.say("history.coverage.none")
        return self.pen.say(
            "history.coverage.words",
            share=texts.percent(known / minutes, None, self.pen.language),
            seen=self.pen.count(its.seen_minutes),
            recovered=self.pen.count(its.recovered_minutes),
            blind=self.pen.count(its.blind_minutes),
        )

    # ---- the parts

    def _share(self, period: Period | None) -> float | None:
        return None if period is None else period.service_level.get(self.choice.definition.value)

    @property
    def parts(self) -> tuple[PartRow, ...]:
        return tuple(map(self._row, self._parts))

    def _row(self, part: Period) -> PartRow:
        pen, share = self.pen, self._share(part)
        return PartRow(
            label=self._part_label(part),
            link="" if self.is_day else self._day_link(part),
            calls=pen.count(part.counts.entered),
            share=pen.percent(share),
            meets=self._meets(part.counts),
            longest=pen.wait(part.waits.max_seconds),
            lost=pen.count(part.counts.abandoned),
            refused=pen.count(part.counts.refused),
        )

    def _part_label(self, part: Period) -> str:
        local = part.start.astimezone(self._zone)
        if self.is_day:
            return f"{self.pen.clock(part.start)}–{self.pen.clock(part.end)}"
        short = self.pen.say(f"weekday.{local.weekday()}")[:3]
        return f"{short} {local.date().isoformat()}"

    def _day_link(self, part: Period) -> str:
        day = part.start.astimezone(self._zone).date()
        return self.choice.query(self.pen.language, period="day", day=day.isoformat())

    @property
    def chart(self) -> ShareChart | None:
        """Return every part as a small bar; None where nothing was measured in any."""
        parts = self._all_parts
        known = [share for part in parts if (share := self._share(part)) is not None]
        if len(parts) < 2 or not known:
            return None
        target = self.pen.target.ratio
        left = max(_LEFT, 10.0 + _LETTER * len(self.pen.plain(target)))
        step = (WIDE - left) / len(parts)
        bars, labels = [], []
        for number, part in enumerate(parts):
            share = self._share(part)
            height = round((share or 0.0) * (_BASE - _TOP), 1)
            x = round(left + number * step, 2)
            if share is not None:
                words = f"{self._part_label(part)}: {self.pen.percent(share)}"
                bars.append(
                    ShareBar(
                        x=x,
                        y=round(_BASE - height, 1),
                        width=round(max(0.5, step * 0.8), 2),
                        height=height,
                        meets=self._meets(part.counts),
                        words=words,
                    )
                )
            if (label := self._axis_label(part, len(parts))) is not None:
                labels.append((round(x + step / 2, 1), label))
        return ShareChart(
            words=self.pen.say("history.parts.chart", period=self.label, target=self.pen.plain(target)),
            bars=tuple(bars),
            target_y=round(_BASE - target * (_BASE - _TOP), 1),
            target_words=self.pen.plain(target),
            shares=tuple(
                (round(_BASE - share * (_BASE - _TOP), 1), self.pen.plain(share))
                for share in (0.0, 0.25, 0.5, 0.75, 1.0)
                if abs(share - target) > 0.12
            ),
            labels=tuple(labels),
            left=left,
        )

    def _axis_label(self, part: Period, many: int) -> str | None:
        """Return the words under a bar; None where there is no room for them."""
        local = part.start.astimezone(self._zone)
        if self.is_day:
            return self.pen.clock(part.start) if local.hour % 3 == 0 else None
        if many <= 7:
            return self.pen.say(f"weekday.{local.weekday()}")[:3]
        if many <= 45:
            return str(local.day) if local.day == 1 or local.day % 5 == 0 else None
        return self.pen.say(f"month.{local.month}")[:3] if local.day == 15 else None

    @property
    def best(self) -> tuple[PartRow, ...]:
        return self._extremes(reverse=True)

    @property
    def worst(self) -> tuple[PartRow, ...]:
        return self._extremes(reverse=False)

    def _extremes(self, *, reverse: bool) -> tuple[PartRow, ...]:
        if self.is_day:
            return ()
        big = [part for part in self._parts if part.counts.entered >= MIN_CALLS and self._share(part) is not None]
        if len(big) < 2 * BEST_DAYS:
            return ()
        ordered = sorted(big, key=lambda part: (self._share(part) or 0.0, part.start), reverse=reverse)
        return tuple(map(self._row, ordered[:BEST_DAYS]))

    # ---- the week

    @property
    def week(self) -> tuple[WeekTable, ...]:
        """Return calls, share and longest wait by half hour and weekday."""
        slots = [slot for slot in self._week if slot.counts.entered]
        if not slots or self.is_day:
            return ()
        most = max(slot.counts.entered for slot in slots)

        def calls(slot: WeekSlot) -> MapCell:
            number = slot.counts.entered
            return MapCell(words=self.pen.count(number), shade=-(-number * SHADES // most))

        def share(slot: WeekSlot) -> MapCell:
            good, of = self.fraction(slot.counts, self.choice.definition)
            ratio = good / of if of else None
            words = self.pen.percent(ratio).removesuffix("%").strip()
            return MapCell(words=words, bad=self._meets(slot.counts) is False)

        def longest(slot: WeekSlot) -> MapCell:
            late = (slot.longest_seconds or 0.0) > self.pen.target.limit_seconds
            return MapCell(words=self.pen.wait(slot.longest_seconds), bad=late)

        return (
            self._week_table("history.map.calls", slots, calls),
            self._week_table("history.map.share", slots, share),
            self._week_table("history.map.longest", slots, longest),
        )

    def _week_table(self, title: str, slots: Sequence[WeekSlot], cell: Callable[[WeekSlot], MapCell]) -> WeekTable:
        days = sorted({slot.weekday for slot in slots})
        known = {(slot.weekday, slot.half_hour): cell(slot) for slot in slots}
        halves = range(min(slot.half_hour for slot in slots), max(slot.half_hour for slot in slots) + 1)
        empty = MapCell(words=texts.NONE)
        return WeekTable(
            title=self.pen.say(title),
            days=tuple(self.pen.say(f"weekday.{day}")[:3] for day in days),
            rows=tuple((self._half(half), tuple(known.get((day, half), empty) for day in days)) for half in halves),
        )

    def _half(self, half: int) -> str:
        at = datetime.combine(date(2001, 1, 1), time(half // 2, half % 2 * 30), UTC)
        return texts.clock(at, "UTC", self.pen.language)

    # ---- years, alerts

    @property
    def compared(self) -> tuple[ComparedRow, ...]:
        """Return this period beside the same one of the years before."""
        rows = [] if self.whole is None else [(self.choice.period, self.whole), *self._earlier]
        return tuple(self._compared(period, found) for period, found in rows)

    @property
    def compared_notes(self) -> tuple[str, ...]:
        """Return remarks on compared periods: other rules held then, or little was observed."""
        known, since = [each for each in self._earlier if each[1].counts.dialled], self.pen.target.since
        earlier = since is not None and any(period.first < since for period, _ in known)
        little = (
            self.pen.say(
                "report.compare.little",
                period=period.label(self.pen.language),
                share=texts.percent(found.coverage.ratio or 0.0, None, self.pen.language),
            )
            for period, found in known
            if found.coverage.is_little
        )
        return (*((self.pen.say("limits.unknown", day=str(since)),) if earlier else ()), *little)

    def _compared(self, period: ChosenPeriod, found: Period) -> ComparedRow:
        pen, its = self.pen, found.counts
        is_known = bool(its.dialled)
        share = self._share(found)

        def number(value: int) -> str:
            return pen.count(value) if is_known else texts.NONE

        return ComparedRow(
            label=period.label(pen.language),
            link=self.choice.of(period, pen.language),
            share=pen.percent(share),
            meets=self._met(found),
            calls=number(its.entered),
            lost=number(its.abandoned),
            refused=number(its.refused),
            p50=pen.wait(found.waits.p50_seconds),
            p90=pen.wait(found.waits.p90_seconds),
            longest=pen.wait(found.waits.max_seconds),
        )

    @property
    def alerts_are_away(self) -> bool:
        return self._record is None

    @property
    def alerts(self) -> tuple[AlertRow, ...]:
        return tuple(self._alert_row(found) for found in self._marked()[:ALERTS_SHOWN])

    @property
    def alerts_left_out(self) -> int:
        return max(0, len(self._marked()) - ALERTS_SHOWN)

    def _marked(self) -> list[RecordedAlert]:
        """Return alarms about the target and crises, of the chosen queue or of all; the oldest first."""
        marked = [found for found in self._record or () if found.changes and self._is_marked(found.changes)]
        return whole_crises(marked)

    def _is_marked(self, changes: Iterable[Alert]) -> bool:
        chosen = keys_of(self.choice.queues)
        return any(
            change.kind in _SHOWN_KINDS
            and change.level is AlertLevel.ALARM
            and (not self.choice.queue or not change.queues or chosen & keys_of(change.queues))
            for change in changes
        )

    def _alert_row(self, found: RecordedAlert) -> AlertRow:
        first, last = found.changes[0], found.changes[-1]
        began, ended = (each.at.astimezone(self._zone).date() for each in (first, last))
        when = f"{began} {self.pen.clock(first.at)}"
        if last.change is AlertChange.CLEARED:
            until = self.pen.clock(last.at) if ended == began else f"{ended} {self.pen.clock(last.at)}"
            when = f"{when} {self.pen.say('history.until_clock', clock=until)}"
        return AlertRow(when=when, what=texts.alert_words(found.worst, self.pen.language))


def _is_bare(whole: Period) -> bool:
    """Return whether nothing is known of a period: no call, none refused, and no minute observed."""
    minutes = whole.coverage.seen_minutes + whole.coverage.recovered_minutes
    return not (whole.counts.dialled or whole.outside_hours.dialled or minutes)


def _is_worth_a_row(part: Period) -> bool:
    return bool(part.counts.dialled or part.outside_hours.dialled or part.coverage.blind_minutes)


def chosen_target(target: Target, definition: DefinitionId) -> Target:
    """Return the target with another formula."""
    return structs.replace(target, definition=definition)
