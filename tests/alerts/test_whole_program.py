"""The whole program as a process: a simulated rush raises an alarm at a webhook, once, over a kill and a restart."""

import json
import re
import signal
from pathlib import Path

from tests.alerts.receivers import receiver, until
from tests.test_service import running

SETTINGS = """
[clock]
start = 2026-11-23T09:40:00
rate = 60.0

[alerts]
long_wait_seconds = 1
long_wait_alarm_seconds = 3
link = "https://monitor.example"

[[alerts.channels]]
name = "hook"
url = "json://ADDRESS/larm"

[[alerts.recipients]]
name = "lead"
channel = "hook"

[[sources]]
name = "sim"
kind = "simulator"
"""

WRITTEN = 'callqueue_notifications_total{channel="hook",result="sent"}'


def test_an_alarm_arrives_once_and_stands_on_every_face(tmp_path: Path) -> None:
    with receiver() as hook:
        settings = tmp_path / "monitor.toml"
        settings.write_text(SETTINGS.replace("ADDRESS", hook.address), encoding="utf-8")
        with running(tmp_path, "--config", str(settings)) as monitor:
            until(lambda: monitor.status()["alerts"] and hook.got, "an alarm")
            until(lambda: WRITTEN in monitor.get("metrics")[1], "it to be written down that it was sent")
            metrics = monitor.get("metrics")[1]
            link = re.search(r"https://monitor\.example/(alerts/\S+)", hook.got[0]["message"])
            assert link
            page = monitor.get(link[1])[1]
            monitor.stop(signal.SIGKILL)
        first = list(hook.got)
        with running(tmp_path, "--config", str(settings)) as monitor:
            until(lambda: monitor.status()["alerts"] or len(hook.got) > len(first), "the next round")
            assert "Jag har sett det" in monitor.get(link[1])[1]

    assert "någon har väntat" in first[0]["title"]
    assert WRITTEN in metrics
    assert 'callqueue_alerts_total{alert="long_wait",level=' in metrics
    assert first[0]["title"].split(": ")[0] in page or "Kvittera larm" in page
    titles = [got["title"] for got in hook.got if "någon har väntat" in got["title"]]
    assert len(titles) == len(set(titles)), json.dumps(titles, ensure_ascii=False)
