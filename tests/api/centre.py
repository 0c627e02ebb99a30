"""The whole program as a process, open at all hours, with a sender of events: it is told and looked at from outside."""

import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from queue_monitor.api.guard.access import digest
from queue_monitor.clock import SystemClock
from queue_monitor.model import Role
from tests.test_service import Monitor, running

SECRET: Final = "kundcenter-" + "0123456789abcdef" * 2
SWITCH: Final = "pbx"
TOKENS: Final = {role: f"{role.value}-nyckel-0123456789abcdef" for role in Role}
SETTINGS: Final = f"""
[hours]
holidays = "none"

[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
open = "00:00"
close = "24:00"

[[sources]]
name = "vendor"
kind = "http"
switch = "{SWITCH}"
secrets = ["{SECRET}"]
events_per_second = 10000
burst_events = 50000
"""


def with_tokens() -> str:
    """The settings, with a token for each role."""
    return SETTINGS + "".join(
        f'\n[[access]]\nname = "{role.value}"\nrole = "{role.value}"\ntoken_sha256 = "{digest(token)}"\n'
        for role, token in TOKENS.items()
    )


def signed(body: bytes, sender: str = "vendor", seconds_off: float = 0.0) -> dict[str, str]:
    """The headers of a request that the sender makes now, by a clock of its own."""
    timestamp = f"{SystemClock().now().timestamp() + seconds_off:.6f}"
    mac = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-KC-Source": sender, "X-KC-Timestamp": timestamp, "X-KC-Signature": f"sha256={mac}"}


class Centre:
    """A running monitor, and the one who tells it of callers."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.address = monitor.address.rstrip("/")

    def cpu_seconds(self) -> float:
        """What the process has used of the machine's processors."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def age_seconds(self) -> float:
        """How long the process has run."""
        started = int(self._proc("stat").rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return float(Path("/proc/uptime").read_text().split()[0]) - started

    def memory_mb(self) -> float:
        """What it holds of the machine's memory now."""
        found = next(line for line in self._proc("status").splitlines() if line.startswith("VmRSS"))
        return int(found.split()[1]) / 1024

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self.monitor.process.pid}/{name}").read_text()

    def tell(self, *events: dict[str, Any]) -> int:
        """Post them as one request, again for as long as there is no room; returns when the journal has them."""
        body = json.dumps(events).encode()
        while True:
            headers = {"Content-Type": "application/cloudevents-batch+json"} | signed(body)  # a signature grows old
            request = urllib.request.Request(f"{self.address}/api/v1/events", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=40) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as refused:
                if refused.code not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
                    raise
                time.sleep(float(refused.headers["Retry-After"]))

    def event(self, kind: str, **data: Any) -> dict[str, Any]:
        """One event that happens now, once in a caller's life."""
        return {
            "specversion": "1.0",
            "id": f"{kind}/{data['visit_id']}",
            "source": "urn:kc:http:vendor",
            "type": f"se.kundcenter.{kind}",
            "time": SystemClock().now().isoformat(),
            "data": data,
        }

    def enters(self, caller: int, queue: str = "Kundcenter") -> dict[str, Any]:
        who = f"{SWITCH}:{caller}"
        return self.event("call.entered", visit_id=who, contact_id=who, queue=queue)

    def leaves(self, caller: int) -> dict[str, Any]:
        return self.event("call.left", visit_id=f"{SWITCH}:{caller}", outcome="abandoned")


@contextmanager
def centre(folder: Path, settings: str = SETTINGS, **environment: str) -> Iterator[Centre]:
    file = folder / "monitor.toml"
    file.write_text(settings, encoding="utf-8")
    with running(folder, "--config", str(file), **environment) as monitor:
        yield Centre(monitor)


def moment(text: str) -> float:
    """Seconds since 1970 of a time as the API writes it."""
    return datetime.fromisoformat(text).timestamp()
