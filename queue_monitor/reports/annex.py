"""The annex of a report for an auditor: formulas with their numbers, all counts, waits, queues and days.

The sections of `checks` follow it.
"""

from collections.abc import Mapping
from typing import Final

from queue_monitor import texts
from queue_monitor.model import FIELDS, LEFT_OTHERWISE, NAMED_COUNTS, Counts, DefinitionId, Outcome
from queue_monitor.reports import checks
from queue_monitor.reports.data import Day, ReportData, fraction
from queue_monitor.reports.desk import Report
from queue_monitor.reports.pen import ReportPen
from queue_monitor.reports.tables import Section, Table

_WHOLE_SECONDS_MS: Final = 1000
"""The precision of a source that gives no fractions of a second, as it reports it (ms)."""


def sections(report: Report, pen: ReportPen) -> tuple[Section, ...]:
    """Return the whole annex, in its order."""
    data = report.data
    return (
        _formula(data, pen),
        _counts(data, pen),
        _waits(data, pen),
        *((_queues(data, pen),) if len(data.queues) > 1 else ()),
        _days(data, pen),
        checks.hours(data, pen),
        checks.outages(data, pen),
        checks.imports(data, pen),
        checks.crises(data, pen),
        checks.alerts(data, pen),
        checks.definitions(data, pen),
        checks.goals(data, pen),
        checks.proxies(data, pen),
        checks.seal(report, pen),
    )


def _formula(data: ReportData, pen: ReportPen) -> Section:
    definition = data.target.definition
    good, of = fraction(data.counts, definition)
    lines = [
        f"{definition.value}: {pen.definition(definition)}.",
        pen.say(
            "report.formula",
            definition=definition.value,
            good=pen.count(good),
            of=pen.count(of),
            share=pen.share((good, of)),
        ),
        pen.say("report.formula.rules"),
    ]
    head = ("history.definition", "history.numerator", "history.denominator", "history.share")
    table = Table(
        id="shares",
        title=pen.say("history.definitions"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (
                f"{share.definition.value}: {pen.definition(share.definition)}",
                pen.count(share.good),
                pen.count(share.of),
                pen.share((share.good, share.of)),
            )
            for share in data.shares
        ),
        note=pen.say("history.definitions.note", definition=definition.value),
    )
    return Section(id="formula", title=pen.say("report.formula.title"), lines=tuple(lines), tables=(table,))


def _counts(data: ReportData, pen: ReportPen) -> Section:
    head = ("report.what", "report.inside", "history.outside")
    return Section(
        id="counts",
        title=pen.say("history.counts"),
        lines=(pen.say("report.counts.note"),),
        tables=(
            Table(
                id="every-count",
                title=pen.say("report.counts.title"),
                head=tuple(pen.say(key) for key in head),
                rows=tuple(
                    (name, pen.count(inside), pen.count(outside))
                    for (name, inside), (_, outside) in zip(
                        named_counts(data.counts, pen), named_counts(data.outside, pen), strict=True
                    )
                ),
            ),
        ),
    )


def named_counts(its: Counts, pen: ReportPen) -> list[tuple[str, int]]:
    """Return every count with its name, zeros too."""
    found: list[tuple[str, int]] = []
    for each in NAMED_COUNTS:
        if each.name == "left_otherwise":
            found += [
                (pen.say("report.left", how=pen.say(f"outcome.{way}")), getattr(its, way)) for way in LEFT_OTHERWISE
            ]
        else:
            parts = _IN_PARTS.get(each.name, ((each.words, each.name),))
            found += [(pen.say(words), getattr(its, name)) for words, name in parts]
    return [*found, (pen.say("report.early"), its.early)]


_IN_PARTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "abandoned_in_time": (("report.abandoned_in_time", "abandoned_in_time"),),
    "abandoned_later": (
        ("history.abandoned_late", "abandoned_late"),
        ("report.abandoned_unjudged", "abandoned_unjudged"),
    ),
    "refused": tuple((f"report.refused.{field.removeprefix('refused_')}", field) for field in FIELDS[Outcome.REFUSED]),
}
"""The counts that a report names otherwise, or one by one: words and attributes of their parts."""


def _waits(data: ReportData, pen: ReportPen) -> Section:
    its = data.waits
    rows = (
        (pen.say("history.p50"), pen.wait(its.p50_ms)),
        (pen.say("history.p90"), pen.wait(its.p90_ms)),
        (pen.say("history.p99"), pen.wait(its.p99_ms)),
        (pen.say("history.mean"), pen.wait(its.mean_ms)),
        (pen.say("history.longest"), pen.wait(its.longest_ms)),
        (pen.say("history.over_10"), pen.plain_share(its.over_10_min, its.answered)),
    )
    table = Table(
        id="every-wait",
        title=pen.say("report.waits"),
        head=(pen.say("report.what"), pen.say("report.wait")),
        rows=rows,
        note=pen.say("report.waits.exact"),
    )
    lines = [pen.say("history.waits.note", number=pen.count(its.answered))]
    exact = data.passed_on.precision_ms if data.passed_on else 1
    if exact >= _WHOLE_SECONDS_MS:
        lines.append(pen.say("report.precision", seconds=exact // 1000))
    return Section(id="waits", title=pen.say("history.waits"), lines=tuple(lines), tables=(table,))


def _queues(data: ReportData, pen: ReportPen) -> Section:
    head = (
        "history.queue", "history.calls", "history.numerator", "history.denominator", "history.share", "history.p50",
        "history.longest", "history.lost", "history.refused",
    )  # fmt: skip
    rows = []
    for queue in data.queues:
        good, of = fraction(queue.counts, data.target.definition)
        rows.append(
            (
                queue.label,
                pen.count(queue.counts.entered),
                pen.count(good),
                pen.count(of),
                pen.share((good, of)),
                pen.wait(queue.waits.p50_ms),
                pen.wait(queue.waits.longest_ms),
                pen.count(queue.counts.abandoned),
                pen.count(queue.counts.refused),
            )
        )
    table = Table(
        id="every-queue",
        title=pen.say("report.queues"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(rows),
        note=pen.say("report.queues.note", definition=data.target.definition.value),
    )
    return Section(id="queues", title=pen.say("queues"), tables=(table,))


def _days(data: ReportData, pen: ReportPen) -> Section:
    head = (
        "history.date", "report.opens", "history.calls", "history.numerator", "history.denominator", "history.share",
        "history.longest", "history.lost", "history.refused", "history.coverage",
    )  # fmt: skip
    table = Table(
        id="every-day",
        title=pen.say("report.days"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(_day(day, data.target.definition, pen) for day in data.days),
        note=pen.say("report.days.note", definition=data.target.definition.value),
        words=frozenset({1}),
    )
    return Section(id="days", title=pen.say("history.parts.other"), tables=(table,))


def _day(day: Day, definition: DefinitionId, pen: ReportPen) -> tuple[str, ...]:
    good, of = fraction(day.counts, definition)
    its = day.coverage
    known, minutes = its.seen_minutes + its.recovered_minutes, its.seen_minutes + its.recovered_minutes
    minutes += its.blind_minutes
    opens = ", ".join(day.opens).replace("-", "–") or pen.say("queue_closed")
    return (
        pen.day(day.day),
        f"{opens} ({day.note})" if day.note else opens,
        pen.count(day.counts.entered),
        pen.count(good),
        pen.count(of),
        pen.share((good, of)),
        pen.wait(day.longest_ms),
        pen.count(day.counts.abandoned),
        pen.count(day.counts.refused),
        texts.NONE if not minutes else pen.plain_share(known, minutes),
    )
