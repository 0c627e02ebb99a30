"""What was reported stands: sealed once, the same again, corrected as a version of its own, and kept when calls go."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from queue_monitor.model import DefinitionId, SealedReport, Target
from queue_monitor.ports import StoreError
from queue_monitor.reports.data import sha256
from queue_monitor.reports.desk import Report, ReportError, Reports
from queue_monitor.reports.figures import ReportRules
from queue_monitor.reports.forms import Form, written
from queue_monitor.reports.period import parsed
from queue_monitor.store import Kind, Order, SqlStore
from tests.reports import autumn
from tests.reports.autumn import NOVEMBER, OCTOBER, calls_of_october, in_time, judged
from tests.runtime.lasting import Call, Monitor
from tests.store.calls import rows
from tests.store.records import batch, call


@pytest.fixture
async def reports(tmp_path: Path) -> AsyncIterator[Reports]:
    async with autumn.october(tmp_path) as (found, _):
        yield found


def all_forms(report: Report) -> dict[str, bytes]:
    """All but the PDF, which is made of the page."""
    forms = set(Form) - {Form.PDF}
    return {f"{form} {language}": written(report, form, language).body for form in forms for language in ("sv", "en")}


async def delete(store: SqlStore, *kinds: Kind, until: date = date(2027, 1, 1)) -> None:
    for kind in kinds:
        await store.begin_deletion(Order(kind=kind, until=until, decision="KS 2026/9"))
        while not await store.delete_some(kind, NOVEMBER):
            pass


async def test_the_same_figures_give_the_same_report_in_every_form_weeks_later_and_after_calls_have_gone(
    tmp_path: Path,
) -> None:
    async with autumn.october(tmp_path) as (reports, _):
        first = await reports.report(OCTOBER, reports.scope(()))
    async with autumn.october(tmp_path, NOVEMBER + timedelta(days=40)) as (reports, run):
        again = await reports.report(OCTOBER, reports.scope(()))
        forms = all_forms(again)
        await delete(run.store, Kind.ALERTS, Kind.CALLS, Kind.SUMS)
        after = await reports.report(OCTOBER, reports.scope(()))

    assert first.seal == again.seal == after.seal
    assert first.seal is not None and (first.seal.version, first.seal.sealed_at) == (1, NOVEMBER)
    assert all_forms(first) == forms
    assert all_forms(after) == forms


async def test_a_correction_is_a_new_version_that_says_what_changed_and_keeps_the_old(tmp_path: Path) -> None:
    late = Call("late word", "bygglov", datetime(2026, 10, 12, 9, tzinfo=UTC), "answered", 1_000)
    async with autumn.october(tmp_path) as (reports, run):
        first = await reports.report(OCTOBER, reports.scope(()))
        run.clock.advance_to(NOVEMBER + timedelta(days=1))
        await run.tell(late.events())
        await autumn.note_coverage(run.store)  # made up, unlike what the sources of this run say of its last days
        second = await reports.report(OCTOBER, reports.scope(()))
        old = await reports.report(OCTOBER, reports.scope(()), 1)

    assert [seal.version for seal in second.seals] == [1, 2]
    assert second.data.counts.entered == first.data.counts.entered + 1
    assert second.seals[1].changed == (
        "counts", "shares", "waits", "days", "queues", "without_crises", "rules", "passed_on",
    )  # fmt: skip
    assert second.seals[1].sealed_at == NOVEMBER + timedelta(days=1)
    assert all_forms(old) == all_forms(first)
    page = written(second, Form.HTML, "sv").body.decode()
    assert "antal, andelar, väntetider, dagar, per kö, med och utan kris, regler, kopplade vidare" in page


async def test_the_hash_is_of_the_data_as_the_json_has_them(reports: Reports) -> None:
    report = await reports.report(OCTOBER, reports.scope(()))
    body = written(report, Form.JSON, "sv").body
    data = body.partition(b'"data":')[2].removesuffix(b"}\n")

    assert report.seal is not None
    assert sha256(data) == report.seal.sha256 == json.loads(body)["seals"][0]["sha256"]
    assert json.loads(body)["data"]["counts"]["answered_in_time"] == in_time(judged(calls_of_october()))


async def test_a_period_that_goes_on_is_preliminary_and_never_sealed(reports: Reports) -> None:
    tertial = parsed("2026-T3", "period")
    report = await reports.report(tertial, reports.scope(()))
    page = written(report, Form.HTML, "sv").body.decode()

    assert report.is_preliminary
    assert report.data.through == date(2026, 11, 5)
    assert await reports.sealed(tertial, reports.scope(())) == ()
    assert "Preliminär: perioden är inte avslutad. Siffrorna gäller till och med 2026-11-05" in page
    assert "är inte nått hittills" in page


async def test_the_first_half_hour_after_midnight_a_month_is_not_sealed_yet(tmp_path: Path) -> None:
    """Somebody may be answered yet who came before it."""
    midnight = datetime(2026, 10, 31, 23, tzinfo=UTC)
    async with autumn.october(tmp_path, midnight + timedelta(minutes=29)) as (reports, run):
        early = await reports.report(OCTOBER, reports.scope(()))
        run.clock.advance_to(midnight + timedelta(minutes=30))
        sealed = await reports.report(OCTOBER, reports.scope(()))

    assert (early.is_preliminary, sealed.is_preliminary) == (True, False)


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("2027-01", "Perioden januari 2027 har inte börjat."),
        ("2026-08", "Inget mättes under augusti 2026, så det finns inget att rapportera."),
    ],
)
async def test_what_cannot_be_reported_is_said(reports: Reports, period: str, words: str) -> None:
    with pytest.raises(ReportError) as found:
        await reports.report(parsed(period, "period"), reports.scope(()))

    assert found.value.words("sv") == words


async def test_a_version_that_is_not_there_is_said_with_those_that_are(reports: Reports) -> None:
    await reports.report(OCTOBER, reports.scope(()))
    with pytest.raises(ReportError) as found:
        await reports.report(OCTOBER, reports.scope(()), 7)

    assert found.value.words("en") == "There is no version 7 of the report for October 2026; there are 1."


async def test_a_queue_first_reported_when_its_calls_have_gone_is_made_of_the_sums_and_says_so(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, run):
        await delete(run.store, Kind.CALLS)
        report = await reports.report(OCTOBER, reports.scope(["bygglov"]))
        await delete(run.store, Kind.SUMS)
        again = await reports.report(OCTOBER, reports.scope(["bygglov"]))
        with pytest.raises(ReportError) as found:
            await reports.report(OCTOBER, reports.scope(["kundcenter"]))
    page = written(report, Form.HTML, "sv").body.decode()

    its = judged(calls_of_october(), lambda call: call.queue == "bygglov")
    assert (report.data.counts.entered, report.data.counts.answered_in_time) == (len(its), in_time(its))
    assert (report.data.passed_on, report.data.reached) == (None, None)
    assert "Samtalen från före 2027-01-01 var gallrade när rapporten gjordes." in page
    assert again.seal == report.seal
    assert found.value.words("sv").startswith("Uppgifterna om oktober 2026 är gallrade")


async def test_what_was_reported_keeps_its_target_and_another_one_is_for_the_next_report(
    tmp_path: Path,
) -> None:
    async with autumn.october(tmp_path) as (reports, run):
        first = await reports.report(OCTOBER, reports.scope(()))
        changed = Target(definition=DefinitionId.D3, ratio=0.8, since=date(2026, 11, 1))
        later = await _with_target(run, changed).report(OCTOBER, reports.scope(()))
        november = await _november(run, changed)

    assert later.seal == first.seal
    assert later.data.target == Target()
    assert november.data.target.definition is DefinitionId.D3
    [bridge] = november.data.bridge
    assert (bridge.reason, bridge.definition) == ("report", DefinitionId.D2)
    page = written(november, Form.HTML, "sv").body.decode()
    assert "användes i rapporten före" in page


def _with_target(run: Monitor, target: Target) -> Reports:
    rules = run.live.rules
    changed = type(rules)(**{name: getattr(rules, name) for name in rules.__struct_fields__} | {"target": target})
    return Reports(run.store, ReportRules(rules=changed), run.clock)


async def _november(run: Monitor, target: Target) -> Report:
    one = Call("november", "bygglov", datetime(2026, 11, 10, 9, tzinfo=UTC), "answered", 1_000)
    run.clock.advance_to(datetime(2026, 12, 2, 9, tzinfo=UTC))
    await run.tell(one.events())
    reports = _with_target(run, target)
    return await reports.report(parsed("2026-11", "period"), reports.scope(()))


async def test_a_year_that_has_gone_is_compared_with_as_it_was_reported(tmp_path: Path) -> None:
    """The sums of 2025 have been deleted; its own report is still there."""
    async with autumn.october(tmp_path) as (reports, run):
        other = await reports.report(OCTOBER, reports.scope(["bygglov"]))
        data = other.body.replace(b'"2026-', b'"2025-')
        of_2025 = SealedReport(
            period="2025-10", scope="", version=0, sha256=sha256(data), sealed_at=NOVEMBER, program="0.1", data=data
        )
        await run.store.seal_report(of_2025)
        await run.store.commit(batch(call("of 2025", -400 * 86_400)))
        await delete(run.store, Kind.CALLS, Kind.SUMS, until=date(2026, 1, 1))
        report = await reports.report(OCTOBER, reports.scope(()))
        await delete(run.store, Kind.REPORTS, until=date(2026, 11, 1))
        again = await reports.report(OCTOBER, reports.scope(()))

    compared = {each.relation: (each.counts, each.sealed) for each in report.data.compared}
    assert compared["year_before"] == (other.data.counts, 1)
    assert again.seal == report.seal


async def test_a_sealed_report_that_cannot_be_read_is_said_and_stops_nothing_else(tmp_path: Path) -> None:
    async with autumn.october(tmp_path) as (reports, run):
        await reports.report(OCTOBER, reports.scope(()))
        rows(f"sqlite:///{tmp_path}/store.db", "UPDATE report SET body = X'00'")
        with pytest.raises(StoreError, match="the report 2026-10, version 1, is damaged"):
            await reports.report(OCTOBER, reports.scope(()))
        body = b'{"form": 2}'
        strange = SealedReport(
            period="2026-10",
            scope="bygglov",
            version=0,
            sha256=sha256(body),
            sealed_at=NOVEMBER,
            program="9",
            data=body,
        )
        await run.store.seal_report(strange)
        with pytest.raises(StoreError, match="a later version may have written it"):
            await reports.report(OCTOBER, reports.scope(["bygglov"]))
        other = await reports.report(OCTOBER, reports.scope(["kundcenter"]))

    assert other.seal is not None
