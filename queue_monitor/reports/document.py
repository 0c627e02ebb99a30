"""A report in words: one page for the person who decides, and the annex for the person who checks it."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import UNSET, Struct

from queue_monitor import texts
from queue_monitor.core import service_level
from queue_monitor.model import Counts
from queue_monitor.queues import queue_key
from queue_monitor.reports import annex
from queue_monitor.reports.data import Compared, ReportData, fraction
from queue_monitor.reports.desk import Report
from queue_monitor.reports.pen import ReportPen
from queue_monitor.reports.period import ReportPeriod
from queue_monitor.reports.picture import Part, Picture, drawn, parts_of
from queue_monitor.reports.tables import Section, Table

DAYS_NAMED: Final = 8


class Document(Struct, frozen=True, kw_only=True):
    """All words of a report, in the order in which they are read. `meets` is None where nothing was measured.

    `queues`: the names of the queues of a report of several; "" for one or all.
    """

    language: str
    title: str
    organisation: str
    scope: str
    queues: str
    period: str
    sentence: str
    verdict: str
    meets: bool | None
    definition: str
    preliminary: str
    simulated: str
    facts: tuple[tuple[str, str], ...]
    picture: Picture | None
    parts: Table | None
    comparison: Table
    references: Table | None
    unmeasured: tuple[str, ...]
    annex: tuple[Section, ...]
    made: str
    sealed: str


def document_of(report: Report, language: str) -> Document:
    """Return a report in words."""
    data = report.data
    pen = ReportPen(language, data.time_zone, data.target)
    period = ReportPeriod(first=data.first, last=data.last)
    label, parts = period.label(language), parts_of(data, pen)
    scope = _scope_words(data, pen)
    definition = data.target.definition
    return Document(
        language=language,
        title=pen.say("report.title", period=label),
        organisation=data.organisation,
        scope=scope,
        queues=_queue_names(data, pen),
        period=label,
        sentence=sentence(report, pen),
        verdict=_verdict(report, pen),
        meets=_meets(data),
        definition=" ".join((f"{definition.value}: {pen.definition(definition)}.", *_earlier_targets(data, pen))),
        preliminary=pen.say("report.preliminary", day=data.through.isoformat()) if report.is_preliminary else "",
        simulated=pen.say("report.simulated") if data.simulated else "",
        facts=_facts(data, pen),
        picture=drawn(parts, data, pen, label),
        parts=_parts_table(parts, data, pen) if period.months > 1 else None,
        comparison=_comparison(data, pen, label),
        references=_references(data, pen),
        unmeasured=unmeasured(data, pen),
        annex=annex.sections(report, pen),
        made=_made(report, pen),
        sealed=report.seal.sealed_at.isoformat() if report.seal else "",
    )


def _scope_words(data: ReportData, pen: ReportPen) -> str:
    if not data.scope.queues:
        return pen.say("lead.all")
    return texts.label(_Named(label=data.scope.label, queues=data.scope.queues), pen.language)


def _queue_names(data: ReportData, pen: ReportPen) -> str:
    if len(data.scope.queues) < 2:
        return ""
    labels = {queue_key(each.name): each.label for each in data.queues}
    return f"{pen.say('queues')}: {', '.join(labels.get(queue_key(name), name) for name in data.scope.queues)}"


class _Named(Struct, frozen=True, kw_only=True):
    label: str
    queues: tuple[str, ...]


# ---- the first page


def sentence(report: Report, pen: ReportPen) -> str:
    """Return the period in one sentence."""
    data = report.data
    return texts.headline_words(
        data.target,
        data.counts,
        fraction(data.counts, data.target.definition),
        data.coverage,
        so_far=report.is_preliminary,
        language=pen.language,
    )


def _earlier_targets(data: ReportData, pen: ReportPen) -> Iterator[str]:
    """Yield what the target was on earlier days of the period, in sentences.

    What was sealed before the days of the limits were kept says only that there were others.
    """
    if data.earlier_targets is not UNSET:
        yield from texts.earlier_target_words(data.earlier_targets, data.target, pen.language)
        return
    used = {(rules.limit_seconds, rules.short_abandon_seconds) for rules in data.rules}
    if len(used) != 1 and data.target.since and data.target.since > data.first:
        yield pen.say("limits.unknown", day=data.target.since.isoformat())


def _meets(data: ReportData) -> bool | None:
    return service_level.meets_target(data.counts, data.target)


def _verdict(report: Report, pen: ReportPen) -> str:
    data, meets = report.data, _meets(report.data)
    if meets is None:
        return ""
    parts = fraction(data.counts, data.target.definition)
    return texts.target_words(
        data.target,
        meets=meets,
        share_meets=not service_level.is_under(parts, data.target.ratio) if parts[1] else None,
        refused_ratio=service_level.ratio((data.counts.refused, data.counts.dialled)),
        so_far=report.is_preliminary,
        language=pen.language,
    )


def _facts(data: ReportData, pen: ReportPen) -> tuple[tuple[str, str], ...]:
    its, waits = data.counts, data.waits
    return (
        (pen.say("report.fact.half"), pen.wait_in_words(waits.p50_ms)),
        (pen.say("report.fact.longest"), pen.wait_in_words(waits.longest_ms)),
        (pen.say("report.fact.over_10"), pen.plain_share(waits.over_10_min, waits.answered)),
        (pen.say("report.fact.lost"), pen.count(its.abandoned)),
        (pen.say("report.fact.refused"), pen.count(its.refused)),
    )


def _parts_table(parts: Sequence[Part], data: ReportData, pen: ReportPen) -> Table:
    head = ("history.period", "history.share", "history.calls", "history.longest", "history.lost", "history.refused")
    return Table(
        id="parts",
        title=pen.say("report.parts"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (
                part.label,
                pen.headline(part.counts),
                pen.count(part.counts.entered),
                pen.wait(part.longest_ms),
                pen.count(part.counts.abandoned),
                pen.count(part.counts.refused),
            )
            for part in parts
        ),
    )


def _comparison(data: ReportData, pen: ReportPen, label: str) -> Table:
    head = (
        "history.period", "history.share", "history.calls", "history.lost", "history.refused", "history.p50",
        "history.longest",
    )  # fmt: skip
    rows = [_compared(label, data.counts, data.waits.p50_ms, data.waits.longest_ms, pen)]
    for other in data.compared:
        period = ReportPeriod(first=other.first, last=other.last).label(pen.language)
        name = pen.say(f"report.{other.relation}", period=period)
        rows.append(_compared(name, other.counts, other.waits.p50_ms, other.waits.longest_ms, pen))
    notes = [pen.say("report.compare.missing")] if any(other.counts is None for other in data.compared) else []
    since = data.target.since
    if since and any(other.counts is not None and other.first < since for other in data.compared):
        notes.append(pen.say("limits.unknown", day=since.isoformat()))
    notes += [_little(other, pen) for other in data.compared if other.counts is not None and other.coverage.is_little]
    return Table(
        id="comparison",
        title=pen.say("report.compare"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(rows),
        note=" ".join(notes),
    )


def _little(other: Compared, pen: ReportPen) -> str:
    period = ReportPeriod(first=other.first, last=other.last).label(pen.language)
    return pen.say("report.compare.little", period=period, share=pen.ratio(other.coverage.ratio))


def _compared(
    name: str, counts: Counts | None, p50_ms: int | None, longest_ms: int | None, pen: ReportPen
) -> tuple[str, ...]:
    def number(value: int) -> str:
        return texts.NONE if counts is None else pen.count(value)

    its = counts or Counts()
    return (
        name,
        pen.headline(counts),
        number(its.entered),
        number(its.abandoned),
        number(its.refused),
        pen.wait(p50_ms),
        pen.wait(longest_ms),
    )


def _references(data: ReportData, pen: ReportPen) -> Table | None:
    if not data.references:
        return None
    head = ("report.reference.name", "history.period", "report.reference.value", "report.reference.source")
    return Table(
        id="references",
        title=pen.say("report.references"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (each.name, each.period, each.value, f"{each.source}, {each.day.isoformat()}") for each in data.references
        ),
        note=pen.say("report.references.note"),
        words=frozenset({1, 3}),
    )


def unmeasured(data: ReportData, pen: ReportPen) -> tuple[str, ...]:
    """Return what the figures do not hold, in sentences for the first page."""
    its, found = data.counts, [coverage_words(data, pen)]
    blind = [day for day in data.days if day.coverage.blind_minutes]
    if blind:
        named = ", ".join(day.day.isoformat() for day in blind[:DAYS_NAMED])
        more = len(blind) - DAYS_NAMED
        key = "report.blind_days.more" if more > 0 else "report.blind_days"
        found.append(pen.say(key, days=named, more=more))
    if its.unjudged:
        found.append(pen.say("report.not.unknown", number=pen.count(its.unjudged)))
    if its.refused:
        good, of = fraction(its, data.target.definition)
        values = {"share": pen.plain_share(its.refused, its.dialled), "including": pen.share((good, of + its.refused))}
        found.append(pen.say("report.not.refused", number=pen.count(its.refused), **values))
    if outside := data.outside.entered:
        found.append(pen.say("report.not.outside", number=pen.count(outside)))
    if its.excluded:
        found.append(pen.say("report.not.excluded", number=pen.count(its.excluded)))
    if data.calls_kept_from:
        found.append(pen.say("report.not.calls", day=data.calls_kept_from.isoformat()))
    if data.alerts is None:
        found.append(pen.say("report.not.alerts"))
    found.append(pen.say("report.not.other_goals"))
    return tuple(found)


def coverage_words(data: ReportData, pen: ReportPen) -> str:
    """Return how much of the opening hours was observed, in words."""
    its = data.coverage
    known = its.seen_minutes + its.recovered_minutes
    minutes = known + its.blind_minutes
    if not minutes:
        return pen.say("history.coverage.none")
    return pen.say(
        "report.coverage",
        share=pen.plain_share(known, minutes),
        recovered=pen.count(its.recovered_minutes),
        blind=pen.count(its.blind_minutes),
    )


def _made(report: Report, pen: ReportPen) -> str:
    seal = report.seal
    if seal is None:
        return pen.say("report.made.preliminary", day=report.data.through.isoformat())
    return pen.say("report.made", version=seal.version, at=pen.moment(seal.sealed_at), sha256=seal.sha256[:12])
