"""Gives out reports: one that is sealed already, one made and sealed now, or a preliminary one."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct, structs

from queue_monitor import __version__, texts
from queue_monitor.model import SealedReport, SumRow, Target
from queue_monitor.ports import Clock, ReportStore
from queue_monitor.queues import QueueKey, queue_key
from queue_monitor.reports.data import ReportData, Scope, changed, decoded, encoded, sha256
from queue_monitor.reports.figures import ReportRules, gathered, scope_key
from queue_monitor.reports.period import ReportPeriod

_SETTLING: Final = timedelta(minutes=30)
"""The time after a period's end in which it is not sealed: a call from before midnight may be answered after it."""


AsOfNow = Callable[[], Awaitable[Sequence[SumRow]]]


class ReportError(ValueError):
    """Raised for a report that cannot be made. `key` is that of its sentence, with the values that it takes."""

    def __init__(self, key: str, period: ReportPeriod, **values: object) -> None:
        super().__init__(key)
        self._key = key
        self._period = period
        self._values = values

    def words(self, language: str) -> str:
        return texts.say(self._key, language, period=self._period.label(language), **self._values)


class Report(Struct, frozen=True, kw_only=True):
    """One report: its figures, and the seals of all its versions, the newest last.

    A preliminary one has no seal of its own.
    """

    data: ReportData
    body: bytes
    seals: tuple[SealedReport, ...] = ()

    @property
    def is_preliminary(self) -> bool:
        return not self.seals

    @property
    def seal(self) -> SealedReport | None:
        """The seal of this version."""
        return self.seals[-1] if self.seals else None


class Reports:
    """Makes and finds reports. All methods raise `StoreError`.

    `as_of_now`: brings the store up to this moment and returns the callers who wait; None where no monitor runs here,
        and a preliminary report is of the calls that are settled in the store.
    """

    def __init__(
        self, store: ReportStore, made_by: ReportRules, clock: Clock, as_of_now: AsOfNow | None = None
    ) -> None:
        self._store = store
        self._made_by = made_by
        self._clock = clock
        self._as_of_now = as_of_now

    def target_of(self, day: date) -> Target:
        """Return the target that held on a day."""
        return self._made_by.rules.on(day).target

    def scope(self, queues: Iterable[str]) -> Scope:
        """Return these queues as one, or all where there are none, under their name for people."""
        ordered = tuple(queue for _, queue in sorted({queue_key(queue): queue for queue in queues}.items()))
        return Scope(queues=ordered, label=self._made_by.rules.label_of_past(ordered) if ordered else "")

    @property
    def named_pools(self) -> tuple[frozenset[QueueKey], ...]:
        """Return the pools of the settings, each by the keys of its queues."""
        return tuple(self._made_by.rules.pool_names)

    async def sealed(self, period: ReportPeriod, scope: Scope) -> tuple[SealedReport, ...]:
        """Return every sealed version, the oldest first."""
        return tuple(await self._store.sealed_reports(period.name, scope_key(scope)))

    async def report(self, period: ReportPeriod, scope: Scope, version: int = 0) -> Report:
        """Return the report of a period. One that has ended is sealed: as a new version where its figures have changed.

        Where its calls are no longer kept, the sealed version is the report. With `version`, that version is returned
        as sealed. Raises `ReportError` where the period has not begun, nothing was measured in it, or nothing is kept
        of it.
        """
        start, end = period.bounds(self._made_by.zone)
        now = self._clock.now()
        if start > now:
            raise ReportError("report.not_begun", period)
        seals = await self.sealed(period, scope)
        if version:
            return _version(period, seals, version)
        if seals and await self._is_deleted("calls", period):
            return _as_sealed(seals)
        if await self._is_deleted("sums", period):
            kept = (await self._store.complete_from())["sums"]
            raise ReportError("report.deleted", period, day=kept.isoformat())
        today = now.astimezone(self._made_by.zone).date()
        previous = decoded(seals[-1].data) if seals else None
        scope = previous.scope if previous else scope
        goes_on = now < end + _SETTLING
        waiting = await self._as_of_now() if goes_on and self._as_of_now is not None else ()
        data = await gathered(self._store, self._made_by, period, scope, today, previous, waiting)
        if not data.counts.dialled and not data.outside.dialled and not data.coverage.ratio:
            raise ReportError("report.nothing", period)
        if goes_on:
            return Report(data=data, body=encoded(data))
        return await self._seal(data, seals, now)

    async def _is_deleted(self, kind: str, period: ReportPeriod) -> bool:
        return (await self._store.complete_from()).get(kind, period.first) > period.first

    async def _seal(self, data: ReportData, seals: Sequence[SealedReport], now: datetime) -> Report:
        body = encoded(data)
        own = SealedReport(
            period=data.period,
            scope=scope_key(data.scope),
            version=0,
            sha256=sha256(body),
            sealed_at=now.replace(microsecond=0),
            program=__version__,
            changed=changed(decoded(seals[-1].data), data) if seals else (),
            data=body,
        )
        stands = await self._store.seal_report(own)
        others = [seal for seal in seals if seal.version < stands.version]
        return _as_sealed((*others, stands))


def _version(period: ReportPeriod, seals: Sequence[SealedReport], version: int) -> Report:
    found = tuple(seal for seal in seals if seal.version <= version)
    if not found or found[-1].version != version:
        known = ", ".join(str(seal.version) for seal in seals) or texts.NONE
        raise ReportError("report.no_version", period, version=version, known=known)
    return _as_sealed(found)


def _as_sealed(seals: Sequence[SealedReport]) -> Report:
    newest = seals[-1]
    without = [structs.replace(seal, data=b"") for seal in seals]
    return Report(data=decoded(newest.data), body=newest.data, seals=tuple(without))
