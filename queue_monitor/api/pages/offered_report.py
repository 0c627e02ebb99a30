"""The reports that the history page offers: of the shown period in every form, and its sealed versions."""

from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.history_page import HistoryChoice
from queue_monitor.api.pages.periods import PeriodKind
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.forms import Form
from queue_monitor.reports.period import ReportPeriod

REPORTED: Final = frozenset(
    {PeriodKind.MONTH, PeriodKind.TERTIAL, PeriodKind.MAY_AUG, PeriodKind.JAN_AUG, PeriodKind.YEAR}
)


class OfferedReport(Struct, frozen=True, kw_only=True):
    """Links by their words: `forms` to the report as it is now, `versions` to each sealed one.

    A day, a week or free days have no report, and both are empty.
    """

    forms: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()


async def offered_report(reports: Reports | None, choice: HistoryChoice, pen: Formatter) -> OfferedReport | None:
    """Return the links for a choice; None where no report can be made. Raises `StoreError`."""
    if reports is None:
        return None
    if choice.period.kind not in REPORTED:
        return OfferedReport()
    period = ReportPeriod(first=choice.period.first, last=choice.period.last)

    def query(form: Form, **others: object) -> str:
        words = {"period": period.name, "queue": choice.queue, "format": form.value, "lang": pen.language}
        return urlencode(words | others)

    zone = ZoneInfo(pen.zone)
    versions = []
    for seal in reversed(await reports.sealed(period, reports.scope(choice.queues))):
        day = seal.sealed_at.astimezone(zone).date().isoformat()
        words = pen.say("report.link.version", version=seal.version, at=f"{day} {pen.clock(seal.sealed_at)}")
        versions.append((words, query(Form.HTML, version=seal.version)))
    forms = tuple((pen.say(f"report.link.{form.value}"), query(form)) for form in Form)
    return OfferedReport(forms=forms, versions=tuple(versions))
