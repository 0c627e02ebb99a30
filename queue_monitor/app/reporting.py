"""Makes reports by the settings: by a command, and automatically after a month or a tertial.

An automatic one is made on the first working day after the end of its period.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.app.dated_rules import rules_in_store
from queue_monitor.config import Config
from queue_monitor.core.calendar import month_start, tertial_start
from queue_monitor.core.rules import Rules
from queue_monitor.model import Alert, AlertChange, AlertFigures, AlertKind, AlertLevel, AlertReason
from queue_monitor.ports import Clock, StoreError
from queue_monitor.queues import queue_key
from queue_monitor.reports.data import Reference
from queue_monitor.reports.desk import Report, ReportError, Reports
from queue_monitor.reports.document import document_of
from queue_monitor.reports.figures import GoalSetting, ReportRules
from queue_monitor.reports.forms import Form, WrittenReport, written
from queue_monitor.reports.pdf import MissingPdf
from queue_monitor.reports.period import PeriodError, ReportPeriod, parsed
from queue_monitor.store import SqlStore, open_store

log = logging.getLogger(__name__)

AT: Final = time(6, 30)
"""The local time at which a report is made, before anybody is at work."""

AGAIN_SECONDS: Final = 600.0
LOOK_BACK_DAYS: Final = 31
"""The days after a period's end in which its report is still made automatically, where the monitor was not running."""


def made_by(config: Config, rules: Rules) -> ReportRules:
    """Return the rules by which reports are made, from these settings."""
    return ReportRules(
        rules=rules,
        references=tuple(
            Reference(name=each.name, period=each.period, value=each.value, source=each.source, day=each.date)
            for each in config.references
        ),
        goals=tuple(
            GoalSetting(
                name=goal.name,
                target=goal.target,
                values={parsed(each.period, "report.goals").name: (each.value, each.comment) for each in goal.values},
            )
            for goal in config.report.goals
        ),
    )


# ---- by a command


class Asked(Struct, frozen=True, kw_only=True):
    """The request of `queue-monitor report`. `language` is "" for that of the settings."""

    period: str
    queue: str = ""
    pool: str = ""
    form: Form = Form.HTML
    version: int = 0
    out: Path | None = None
    language: str = ""


class ReportMistake(Exception):
    """Raised for a request that cannot be met; the message is for the person who asked."""


class Made(Struct, frozen=True, kw_only=True):
    """A report that was written to a file."""

    path: Path
    report: Report
    language: str

    def summary(self) -> str:
        document = document_of(self.report, self.language)
        return "\n".join(filter(None, (f"{document.sentence} {document.verdict}", document.made, str(self.path))))


async def make(config: Config, options: dict[str, Any], clock: Clock, asked: Asked) -> Made:
    """Make a report and write it; a monitor may run meanwhile. Raises `ReportMistake`, `StoreError`, `OSError`."""
    language = asked.language or config.organisation.language
    try:
        period = parsed(asked.period, "--period", language)
        store = await open_store(config.store.url, own=False, add=True, **options)
        try:
            rules = await rules_in_store(store, config, clock.now().astimezone(config.zone).date())
            reports = Reports(store, made_by(config, rules), clock)
            scope = reports.scope(await _queues(config, store, asked))
            report = await reports.report(period, scope, asked.version)
        finally:
            await store.close()
        file = await asyncio.to_thread(written, report, asked.form, language)
    except PeriodError as error:
        raise ReportMistake(str(error)) from error
    except ReportError as error:
        option = "--version" if str(error) == "report.no_version" else "--period"
        raise ReportMistake(f"{option}: {error.words(language)}") from error
    except MissingPdf as error:
        raise ReportMistake(f"--format pdf: {error}") from error
    path = _path(asked.out, file)
    try:
        await asyncio.to_thread(path.write_bytes, file.body)
    except OSError as error:
        if path.is_file():
            path.unlink()  # a part of a report looks like one
        raise ReportMistake(f"{path}: {error.strerror or error}") from error
    return Made(path=path, report=report, language=language)


def _path(out: Path | None, file: WrittenReport) -> Path:
    if out is None:
        return Path(file.name)
    return out / file.name if out.is_dir() else out


async def _queues(config: Config, store: SqlStore, asked: Asked) -> tuple[str, ...]:
    """Return the requested queues, by the names that people see; none for all. Raises `ReportMistake`."""
    if asked.pool:
        for pool in config.pools:
            if queue_key(pool.name) == queue_key(asked.pool):
                return pool.queues
        raise ReportMistake(f'--pool: no pool "{asked.pool}"; there are: {_listed(p.name for p in config.pools)}')
    if not asked.queue:
        return ()
    known = {queue_key(name): name for name in (*config.queues, *await store.totals())}
    labels = {queue_key(own.label): queue_key(name) for name, own in config.queues.items()}
    key = queue_key(asked.queue)
    found = known.get(key) or known.get(labels.get(key, key))
    if found is None:
        raise ReportMistake(f'--queue: no queue "{asked.queue}"; there are: {_listed(known.values())}')
    return (found,)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


# ---- automatically


class ReportRound:
    """Makes the report of a month or a tertial, of all queues, on the first working day after its end.

    `tell` is then called with it, once.
    """

    def __init__(
        self,
        reports: Reports,
        store: SqlStore,
        rules: Rules,
        clock: Clock,
        tell: Callable[[Report], Awaitable[None]],
    ) -> None:
        self._reports = reports
        self._store = store
        self._calendar = rules.calendar
        self._clock = clock
        self._tell = tell

    async def run(self) -> None:
        """Look every morning until cancelled, and at once after a start."""
        while True:
            try:
                await self.make_due()
            except StoreError as error:
                log.warning("report not made yet: %s", error)
                await self._clock.sleep(AGAIN_SECONDS * self._clock.rate)
                continue
            now = self._clock.now()
            await self._clock.sleep((self._next(now) - now).total_seconds())

    async def make_due(self) -> None:
        """Make the reports that are due and that this round has not made before. Raises `StoreError`."""
        now = self._clock.now()
        for period in self._ended(now.astimezone(self._calendar.zone).date()):
            if now < self._due(period) or await self._store.noted(_note(period)):
                continue
            try:
                report = await self._reports.report(period, self._reports.scope(()))
            except ReportError as error:
                log.info("no report: %s", error.words("en"))
                continue
            seal = report.seal
            if seal is None:
                continue
            await self._tell(report)
            await self._store.note(_note(period), f"version {seal.version}")
            log.info("report made period=%s version=%d sha256=%s", period.name, seal.version, seal.sha256)

    def _ended(self, today: date) -> Iterator[ReportPeriod]:
        """Return the last month and the last tertial, as long as they ended lately."""
        for start in dict.fromkeys((month_start(today), tertial_start(today))):
            last = start - timedelta(days=1)
            if (today - last).days > LOOK_BACK_DAYS:
                continue
            yield ReportPeriod(first=month_start(last), last=last)
            if start == tertial_start(today):
                yield ReportPeriod(first=tertial_start(last), last=last)

    def _due(self, period: ReportPeriod) -> datetime:
        """Return the morning of the first open day after a period."""
        day = period.last + timedelta(days=1)
        while not self._calendar.spans_of(day) and (day - period.last).days < LOOK_BACK_DAYS:
            day += timedelta(days=1)
        return datetime.combine(day, AT, self._calendar.zone)

    def _next(self, now: datetime) -> datetime:
        today = now.astimezone(self._calendar.zone).date()
        found = (datetime.combine(today + timedelta(days=days), AT, self._calendar.zone) for days in (0, 1))
        return next(at for at in found if at > now)


def _note(period: ReportPeriod) -> str:
    return f"report {period.name}"


def word_of(report: Report, config: Config) -> Alert:
    """Return a report as a line to people: its sentence, and where it can be read."""
    language, data = config.organisation.language, report.data
    document = document_of(report, language)
    link = config.alerts.link.rstrip("/")
    address = f"{link}/history/report?period={data.period}&format=html"
    text = f"{document.verdict} {document.definition}"
    where = texts.say("report.word.link", language, link=address) if link else texts.say("report.word.page", language)
    return Alert(
        episode=f"report {data.period}",
        at=report.seal.sealed_at if report.seal else datetime.combine(data.last, AT, config.zone),
        queue="",
        label=config.organisation.name,
        kind=AlertKind.HEARTBEAT,
        period="month",
        level=AlertLevel.ALARM,
        change=AlertChange.UPDATED,
        reason=AlertReason.REPORT_MADE,
        figures=AlertFigures(target=data.target),
        title=f"{document.title}: {document.sentence}",
        text=f"{text} {where}",
    )
