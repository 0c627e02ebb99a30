"""The basis of a report's figures: hours, outages, crises, alerts, definitions, other goals, the seal."""

from collections import Counter
from datetime import date
from typing import Final

from queue_monitor import texts
from queue_monitor.model import AlertKind, Counts, Target
from queue_monitor.reports.data import AlertFact, BridgeFigure, Day, ReportData, RulesFact, Waits
from queue_monitor.reports.desk import Report
from queue_monitor.reports.pen import ReportPen
from queue_monitor.reports.tables import Section, Table

_LISTED: Final = (AlertKind.TARGET_AT_RISK, AlertKind.TARGET_OUT_OF_REACH, AlertKind.CRISIS)


def hours(data: ReportData, pen: ReportPen) -> Section:
    """Return the hours in which the promise held, and their number of days."""
    open_days = Counter(_spans(day) for day in data.days if day.opens)
    usual = open_days.most_common(1)[0][0] if open_days else ""
    lines = [
        pen.say("report.hours.line", days=pen.count(number), hours=spans)
        for spans, number in sorted(open_days.items(), key=lambda item: (-item[1], item[0]))
    ]
    if others := _days_that_differ(data, usual, pen):
        lines.append(pen.say("report.hours.others", days="; ".join(others)))
    return Section(id="hours", title=pen.say("report.hours"), lines=tuple(lines) or (pen.say("history.coverage.none"),))


def _spans(day: Day) -> str:
    return ", ".join(day.opens).replace("-", "–")


def _days_that_differ(data: ReportData, usual: str, pen: ReportPen) -> list[str]:
    """Return the days with a note or other hours than usual; open days in a row with the same hours stand as one."""
    found: list[tuple[date, date, str]] = []
    row: int | None = None
    for day in data.days:
        spans = _spans(day)
        if day.note:
            found.append((day.day, day.day, f"{spans or pen.say('queue_closed').lower()} ({day.note})"))
            row = None if spans else row
        elif spans == usual:
            row = None
        elif spans and row is not None and found[row][2] == spans:
            found[row] = (found[row][0], day.day, spans)
        elif spans:
            row = len(found)
            found.append((day.day, day.day, spans))
    return [f"{pen.day(first)}{f' – {pen.day(last)}' if last > first else ''}: {words}" for first, last, words in found]


def outages(data: ReportData, pen: ReportPen) -> Section:
    """Return when nothing was seen, by day, and when a switch was silent."""
    blind = [day for day in data.days if day.coverage.blind_minutes]
    head = ("history.date", "report.blind_minutes", "report.recovered_minutes")
    tables = []
    if blind:
        rows = tuple(
            (pen.day(day.day), pen.count(day.coverage.blind_minutes), pen.count(day.coverage.recovered_minutes))
            for day in blind
        )
        tables.append(
            Table(id="blind", title=pen.say("report.blind"), head=tuple(pen.say(key) for key in head), rows=rows)
        )
    silent = [fact for fact in data.alerts or () if fact.kind == AlertKind.SOURCE_SILENT]
    if silent:
        tables.append(_told("silent", pen.say("report.silent"), silent, pen))
    lines = () if tables else (pen.say("report.outages.none"),)
    return Section(id="outages", title=pen.say("report.outages"), lines=lines, tables=tuple(tables))


def crises(data: ReportData, pen: ReportPen) -> Section:
    """Return the crises that somebody declared, and the period with and without them."""
    title = pen.say("report.crises")
    if not data.crises:
        return Section(id="crises", title=title, lines=(pen.say("report.crises.none"),))
    head = (pen.say("history.when"), pen.say("report.reason"))
    rows = tuple((pen.stretch(each.since, each.ended), each.reason or texts.NONE) for each in data.crises)
    tables = [Table(id="crisis", title=pen.say("report.crises.declared"), head=head, rows=rows, words=frozenset({1}))]
    apart = data.without_crises
    if apart is not None:
        keys = (
            "history.period", "history.share", "history.calls", "history.lost", "history.refused", "history.p50",
            "history.longest",
        )  # fmt: skip
        tables.append(
            Table(
                id="with-and-without",
                title=pen.say("report.crises.apart"),
                head=tuple(pen.say(key) for key in keys),
                rows=(
                    _part("report.crises.with", data.counts, data.waits, pen),
                    _part("report.crises.without", apart.without, apart.without_waits, pen),
                    _part("report.crises.within", apart.within, apart.within_waits, pen),
                ),
                note=pen.say("report.crises.note"),
            )
        )
    return Section(id="crises", title=title, tables=tuple(tables))


def _part(key: str, counts: Counts, waits: Waits, pen: ReportPen) -> tuple[str, ...]:
    return (
        pen.say(key),
        pen.headline(counts),
        pen.count(counts.entered),
        pen.count(counts.abandoned),
        pen.count(counts.refused),
        pen.wait(waits.p50_ms),
        pen.wait(waits.longest_ms),
    )


def alerts(data: ReportData, pen: ReportPen) -> Section:
    """Return alarms about the target one by one, and the number of all others."""
    title = pen.say("report.alerts")
    if data.alerts is None:
        return Section(id="alerts", title=title, lines=(pen.say("report.not.alerts"),))
    listed = [fact for fact in data.alerts if fact.kind in _LISTED]
    others = Counter(fact.kind for fact in data.alerts if fact.kind not in (*_LISTED, AlertKind.SOURCE_SILENT))
    lines = [
        pen.say("report.alerts.count", what=pen.say(f"report.alert.{kind}"), number=pen.count(number))
        for kind, number in sorted(others.items())
    ]
    tables = (_told("alarms", pen.say("report.alerts.listed"), listed, pen),) if listed else ()
    if not lines and not tables:
        lines.append(pen.say("report.alerts.only_silent" if data.alerts else "report.alerts.none"))
    return Section(id="alerts", title=title, lines=tuple(lines), tables=tables)


def _told(name: str, title: str, facts: list[AlertFact], pen: ReportPen) -> Table:
    def what(fact: AlertFact) -> str:
        words = pen.say(f"report.alert.{fact.kind}")
        is_of_a_target = fact.kind != AlertKind.CRISIS and fact.period in ("day", "month")
        return f"{words} ({pen.say(f'report.about.{fact.period}')})" if is_of_a_target else words

    rows = tuple((pen.stretch(fact.since, fact.ended), what(fact), fact.label or pen.say("lead.all")) for fact in facts)
    head = (pen.say("history.when"), pen.say("history.what"), pen.say("history.queue"))
    return Table(id=name, title=title, head=head, rows=rows, words=frozenset({1, 2}))


# ---- imports


def imports(data: ReportData, pen: ReportPen) -> Section:
    """Return the imports that the figures rest on, with the hash of each file."""
    title = pen.say("report.imports")
    if not data.imports:
        return Section(id="imports", title=title, lines=(pen.say("report.imports.none"),))
    head = ("report.imports.name", "report.imports.days", "report.imports.made", "report.imports.file", "history.calls")
    rows = tuple(
        (
            each.name,
            f"{each.first.isoformat()} – {each.last.isoformat()}",
            each.made.isoformat(),
            ", ".join(f"{name} (SHA-256 {hashed[:12]}…)" for name, hashed in each.files),
            pen.count(each.calls),
        )
        for each in data.imports
    )
    table = Table(
        id="imported",
        title=title,
        head=tuple(pen.say(key) for key in head),
        rows=rows,
        note=pen.say("report.imports.note"),
        words=frozenset({1, 2, 3}),
    )
    return Section(id="imports", title=title, tables=(table,))


# ---- definitions


def definitions(data: ReportData, pen: ReportPen) -> Section:
    """Return the target, its start, the rules by which the calls were judged, and the bridge over a change."""
    target = data.target
    lines = [
        pen.say(
            "report.target",
            target=pen.percent(target.ratio),
            definition=target.definition.value,
            words=pen.definition(target.definition),
        )
    ]
    if target.since:
        key = "report.target.since_within" if target.since > data.first else "report.target.since"
        lines.append(pen.say(key, day=target.since.isoformat()))
    tables = []
    if data.rules:
        tables.append(_rules(data.rules, pen))
    if data.bridge:
        tables.append(_bridge(data.bridge, target, pen))
    elif data.rules:
        lines.append(pen.say("report.bridge.none"))
    return Section(id="target", title=pen.say("report.definitions"), lines=tuple(lines), tables=tuple(tables))


def _rules(rules: tuple[RulesFact, ...], pen: ReportPen) -> Table:
    def span(seconds: int | None) -> str:
        return texts.NONE if seconds is None else texts.span(seconds, pen.language)

    head = ("report.rules.version", "report.rules.days", "report.rules.limit", "report.rules.short", "history.calls")
    return Table(
        id="rules",
        title=pen.say("report.rules"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (
                each.version,
                f"{each.first.isoformat()} – {each.last.isoformat()}",
                span(each.limit_seconds),
                span(each.short_abandon_seconds),
                pen.count(each.calls),
            )
            for each in rules
        ),
        note=pen.say("report.rules.note"),
        words=frozenset({1}),
    )


def _bridge(figures: tuple[BridgeFigure, ...], target: Target, pen: ReportPen) -> Table:
    def by(figure: BridgeFigure) -> Target:
        return Target(
            ratio=target.ratio,
            limit_seconds=figure.limit_seconds,
            short_abandon_seconds=figure.short_abandon_seconds,
            definition=figure.definition,
        )

    head = (
        "history.definition", "report.rules.limit", "report.reason", "history.numerator", "history.denominator",
        "history.share",
    )  # fmt: skip
    return Table(
        id="bridge",
        title=pen.say("report.bridge"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (
                f"{figure.definition.value}: {pen.definition(figure.definition, by(figure))}",
                texts.span(figure.limit_seconds, pen.language),
                pen.say(f"report.bridge.{figure.reason}"),
                pen.count(figure.good),
                pen.count(figure.of),
                texts.NONE if figure.good is None else pen.share((figure.good, figure.of or 0)),
            )
            for figure in figures
        ),
        note=pen.say("report.bridge.note"),
        words=frozenset({2}),
    )


# ---- other goals, proxies


def goals(data: ReportData, pen: ReportPen) -> Section:
    """Return the goals that calls do not measure."""
    elsewhere = pen.say("report.goal.elsewhere")
    if not data.goals:
        return Section(id="goals", title=pen.say("report.goals"), lines=(pen.say("report.goals.none"),))
    head = ("report.goal", "report.goal.target", "report.goal.value", "report.goal.comment")
    table = Table(
        id="other-goals",
        title=pen.say("report.goals.results"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (goal.name, goal.target, goal.value or elsewhere, goal.comment or texts.NONE) for goal in data.goals
        ),
        words=frozenset({1, 2, 3}),
    )
    lines = (pen.say("report.goals.note"),)
    return Section(id="goals", title=pen.say("report.goals"), lines=lines, tables=(table,))


def proxies(data: ReportData, pen: ReportPen) -> Section:
    """Return two figures of the telephone that stand in for goals measured elsewhere, and are marked so."""
    lines = [pen.say("report.proxies.note"), _kept_here(data, pen), *_back(data, pen)]
    reached = data.reached
    if reached is not None and reached.lost > reached.untold:
        told = reached.lost - reached.untold
        lines.append(
            pen.say(
                "report.proxy.reached",
                later=pen.count(reached.later),
                told=pen.count(told),
                share=pen.plain_share(reached.later, told),
                untold=pen.count(reached.untold),
            )
        )
    return Section(id="proxies", title=pen.say("report.proxies"), lines=tuple(lines))


def _back(data: ReportData, pen: ReportPen) -> tuple[str, ...]:
    its = data.called_again
    if its is None:
        return (pen.say("report.proxy.back.not_measured"),)
    numbers = {
        "not_back": pen.count(its.not_back),
        "answered": pen.count(its.answered),
        "repeated": pen.count(its.repeated),
        "calls": pen.count(its.calls),
        "days": pen.count(its.days),
    }
    share, again = pen.plain_share(its.not_back, its.answered), pen.plain_share(its.repeated, its.calls)
    return (
        pen.say("report.proxy.back", share=share, **numbers),
        pen.say("report.proxy.again", share=again, **numbers),
    )


def _kept_here(data: ReportData, pen: ReportPen) -> str:
    its = data.passed_on
    if its is None:
        return pen.say("report.proxy.sent_on.deleted")
    told = its.answered - its.untold
    if not told:
        return pen.say("report.proxy.sent_on.not_measured")
    return pen.say(
        "report.proxy.sent_on",
        kept=pen.count(told - its.sent_on),
        told=pen.count(told),
        share=pen.plain_share(told - its.sent_on, told),
        untold=pen.count(its.untold),
    )


# ---- the seal


def seal(report: Report, pen: ReportPen) -> Section:
    """Return the time of the first seal, the hash of the figures, and every version."""
    title, own = pen.say("report.seal"), report.seal
    if own is None:
        return Section(id="seal", title=title, lines=(pen.say("report.seal.preliminary"),))
    first = report.seals[0]
    lines = (
        pen.say("report.seal.line", version=own.version, at=pen.moment(own.sealed_at), program=own.program),
        pen.say("report.seal.first", at=pen.moment(first.sealed_at)),
        pen.say("report.seal.sha256", sha256=own.sha256),
        pen.say("report.seal.check"),
    )
    head = ("report.version", "report.sealed_at", "report.sha256", "report.changed")
    table = Table(
        id="versions",
        title=pen.say("report.versions"),
        head=tuple(pen.say(key) for key in head),
        rows=tuple(
            (
                str(each.version),
                pen.moment(each.sealed_at),
                each.sha256[:16],
                ", ".join(_part_words(part, pen) for part in each.changed) or texts.NONE,
            )
            for each in report.seals
        ),
        words=frozenset({1, 2, 3}),
    )
    return Section(id="seal", title=title, lines=lines, tables=(table,))


def _part_words(part: str, pen: ReportPen) -> str:
    """Return what a part of the data is called; by its own name where another version of the program sealed it."""
    key = f"report.part.{part}"
    return pen.say(key) if key in texts.words(pen.language) else part
