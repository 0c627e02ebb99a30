"""The engine taken through the past: it looks when life would have, sees what life would have seen, and goes on where
an earlier run ended.
"""

import json
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from queue_monitor import simulation
from queue_monitor.__main__ import main
from queue_monitor.core.assessment import decided
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import Event, encode
from queue_monitor.simulation import ZONE, Config, Kind
from tests.scenario import office_hours

pytestmark = pytest.mark.timeout(900)  # a loaded machine is slow

FIRST, SECOND = date(2026, 11, 23), date(2026, 11, 24)


def day(on: date, kind: Kind = Kind.NORMAL, until: time = time(18), staff: float = 1.0) -> list[Event]:
    end = datetime.combine(on, until, ZONE)
    wanted = Config(date=on, kind=kind, seed=3, staff_factor=staff)
    return [event for event in simulation.simulate(wanted).events if event.at < end]


def written(path: Path, events: list[Event]) -> Path:
    path.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    return path


def alerts_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_the_rules_read_is_figure_for_figure_what_the_faces_show():
    live = Live(Rules(calendar=office_hours()))
    moments = [datetime.combine(FIRST, time(hour, 7), ZONE).astimezone(UTC) for hour in (9, 11, 16)]
    for event in day(FIRST, Kind.BURST):
        while moments and event.at > moments[0]:
            now = moments.pop(0)
            whole, brief = live.snapshot(now), live.alert_snapshot(now)
            alone = {queue.name: queue for queue in (*whole.queues, *whole.pools)}
            for queue in (*brief.queues, *brief.pools):
                shown = alone[queue.name]
                for name, period in queue.periods.items():
                    assert period.counts == shown.periods[name].counts
                    assert period.headline == shown.periods[name].headline
                assert (queue.waiting, queue.no_data_reason, queue.staff) == (
                    shown.waiting,
                    shown.no_data_reason,
                    shown.staff,
                )
            judged = decided(brief), decided(whole)
            assert judged[0].total.verdict == judged[1].total.verdict
        live.apply(event)

    assert not moments


def test_days_that_name_a_source_of_their_own_know_of_no_other(tmp_path: Path):
    days = [written(tmp_path / f"{on}.jsonl", day(on, until=time(9))) for on in (FIRST, SECOND)]
    status = tmp_path / "status.json"
    main(["replay", *(f"replay:{path}" for path in days), "--status", str(status)])

    (source,) = json.loads(status.read_text(encoding="utf-8"))["sources"]
    assert (source["name"], source["up"]) == ("urn:kc:simulator:kundcenter", True)


HOURS = """
[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri"]
open = "08:00"
close = "08:40"
"""


def test_two_days_in_one_run_and_one_a_run_say_the_same_of_the_second(tmp_path: Path):
    store = f"sqlite:///{tmp_path / 'kept.db'}"
    settings = tmp_path / "hours.toml"
    settings.write_text(HOURS)
    one = written(tmp_path / "1.jsonl", day(FIRST, until=time(8, 41)))
    two = written(tmp_path / "2.jsonl", day(SECOND, until=time(8, 41), staff=0.5))
    both, later = tmp_path / "both.jsonl", tmp_path / "later.jsonl"
    main(["replay", f"replay:{one}", f"replay:{two}", "--alerts", str(both), "--config", str(settings)])
    main(
        [
            "replay",
            f"replay:{one}",
            "--alerts",
            str(tmp_path / "first.jsonl"),
            "--store",
            store,
            "--config",
            str(settings),
        ]
    )
    main(["replay", f"replay:{two}", "--alerts", str(later), "--store", store, "--config", str(settings)])

    second = [alert for alert in alerts_of(both) if str(alert["time"]).startswith(SECOND.isoformat())]
    assert any(alert["period"] == "day" for alert in second)
    assert alerts_of(later) == second
