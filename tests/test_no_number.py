"""The whole program is told of callers whose numbers stand in every field of every event, at every door of a sender:
none of them is found in anything that it keeps, logs, shows or sends.
"""

import asyncio
import contextlib
import gzip
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from queue_monitor.clock import SystemClock
from queue_monitor.events import EVENT_TYPES, CallEntered, Caller, Event, QueueSnapshot, encode, short_type
from tests.adapters.broker import ACL, MONITOR, SECRET, Broker, publishing
from tests.alerts.receivers import mail_sink, until
from tests.api.centre import SETTINGS, SWITCH, Centre
from tests.core.test_privacy import filled
from tests.patience import PATIENCE
from tests.test_service import running

WRITTEN: Final = (
    "+46701740605",
    "0046701740606",
    "070-174 06 07",
    "0701740608",
    "tel:+46701740609",
    "sip:0701740610@pbx",
    "+46 (0)70-174 06 11",
)
FOUND: Final = re.compile("|".join(re.sub(r"\(0\)|\D", "", text)[-9:] for text in WRITTEN))
BESIDE: Final = re.compile(r"\(0\)|[ /()\-]|%20|\\u00a0")
PAGES: Final = ("", "lead", "public", "docs", "metrics", "readyz", "healthz", "openapi.json")
ASKED: Final = {"queue": "Kundcenter", "level": "contact", "step": "day"}

MORE: Final = """
[http]
public = true

[alerts]
long_wait_seconds = 1
long_wait_alarm_seconds = 2

[[alerts.channels]]
name = "mail"
url = "{mail}"

[[alerts.recipients]]
name = "lead"
channel = "mail"

[[sources]]
name = "broker"
kind = "mqtt"
switch = "broker"
port = {port}
username = "{user}"
password = "{password}"

[[sources]]
name = "file"
kind = "replay"
switch = "file"
path = "{path}"
"""


def numbers_in(content: bytes) -> list[str]:
    return FOUND.findall(BESIDE.sub("", content.decode("latin-1")))


def told(text: str, source: str, switch: str, at: datetime) -> Iterator[Event]:
    """One event of each type with this text wherever a text can stand, and one more caller who waits."""
    for number, kind in enumerate(EVENT_TYPES.values()):
        event = filled(kind, f"{switch}:{text}", at + timedelta(milliseconds=number))
        yield structs.replace(event, id=f"{text}/{short_type(event)}", source=source, switch=switch, live=True)
    waits = filled(CallEntered, f"{switch}:{text}-waits", at + timedelta(seconds=1))
    waits = structs.replace(waits, queue="Kundcenter", contact_started_at=None, entry_reason="direct", caller=None)
    yield structs.replace(waits, id=f"{text}/waits", source=source, switch=switch)


async def publish(broker: Broker, at: datetime) -> None:
    async with publishing(broker, "annan") as client:
        for text in WRITTEN:
            for name in ("annan", text):
                level = name.replace("+", "%2B").replace("/", "%2F")
                await client.publish(f"kc/v1/{level}/status", "online", qos=1, retain=True)
                for event in told(text, f"urn:kc:freeswitch:{name}", name, at):
                    place = "queue/a/snapshot" if isinstance(event, QueueSnapshot) else f"call/a/{level}"
                    await client.publish(f"kc/v1/{level}/{place}", encode(event), qos=1)
                await client.publish(f"kc/v1/{level}/call/{level}/{level}", f'{{"id": "{text}"}}', qos=1)
                await client.publish(f"kc/v1/{level}/{level}", text, qos=1)


def post(centre: Centre, at: datetime) -> None:
    for text in WRITTEN:
        for event in told(text, "urn:kc:http:vendor", SWITCH, at):
            for each in (event, structs.replace(event, caller=Caller())) if hasattr(event, "caller") else (event,):
                tell(centre, json.loads(encode(each)))
        tell(centre, {"id": text, "source": text, "type": text, "specversion": text, "data": {text: text}})
        tell(centre, json.loads(encode(event)) | {"data": {"queue": [text]}})


def tell(centre: Centre, event: dict[str, Any]) -> None:
    """Taken or refused: an answer that its sender gets is the sender's own word."""
    try:
        centre.tell(event)
    except urllib.error.HTTPError as refused:
        assert refused.code in (400, 409), refused.read()


def knock(centre: Centre) -> None:
    """Ask with a number wherever a request can hold one: path, query, headers, token, cookie, form and body."""
    for text in WRITTEN:
        quoted = urllib.parse.quote(text, safe="")
        headers = dict.fromkeys(("User-Agent", "Referer", "X-Request-Id", "X-KC-Source", "X-KC-Signature"), text)
        headers |= {
            "Authorization": f"Bearer {text}",
            "Cookie": f"token={quoted}; kc={quoted}",
            "Origin": f"http://{quoted}",
        }
        asked = (f"{quoted}", f"wall/{quoted}", f"static/{quoted}", f"?token={quoted}", f"readyz?lang={quoted}")
        for path in (*asked, f"api/v1/intervals?queue={quoted}&step={quoted}", f"api/v1/alerts/{quoted}/acknowledge"):
            for body in (None, f"name={quoted}&reason={quoted}".encode(), json.dumps({text: text}).encode()):
                request = urllib.request.Request(f"{centre.address}/{path}", body, headers)
                with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=PATIENCE):
                    pass


def pages(centre: Centre) -> Iterator[tuple[str, bytes]]:
    """Every answer to GET that the monitor's own document names, and its pages."""
    document = json.loads(read(f"{centre.address}/openapi.json"))
    for path in (*PAGES, *(path.lstrip("/") for path, ways in document["paths"].items() if "get" in ways)):
        asked = re.sub(r"\{(\w+)\}", lambda name: ASKED.get(name[1], "1"), path)
        for question in ("", "?queue=Kundcenter&step=hour"):
            yield asked + question, read(f"{centre.address}/{asked}{question}")


def read(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            if answer.headers.get_content_type() == "text/event-stream":
                return bytes(answer.read1(1 << 20))
            return bytes(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.read()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at its first use
def test_no_number_is_found_in_what_is_kept_logged_shown_or_sent(tmp_path: Path):
    kept, beside = tmp_path / "kept", tmp_path / "beside"
    kept.mkdir()
    beside.mkdir()
    broker = Broker(beside / "broker")
    (beside / "broker" / "acl").write_text(ACL + "\nuser annan\ntopic write kc/v1/#\n")
    broker.start()
    at = SystemClock().now() - timedelta(seconds=20)
    recorded = beside / "events.jsonl.gz"
    lines = [encode(event) for text in WRITTEN for event in told(text, f"urn:kc:replay:{text}", text, at)]
    recorded.write_bytes(gzip.compress(b"\n".join([*lines, b'{"id": "0701740608", "type": 070-174 06 07}'])))
    with mail_sink() as sink:
        more = MORE.format(mail=sink.url, port=broker.port, user=MONITOR, password=SECRET, path=recorded)
        settings = beside / "monitor.toml"
        settings.write_text(SETTINGS + more, encoding="utf-8")
        try:
            files = {"QUEUE_MONITOR_STORE__NUMBER_KEYS": str(kept / "keys.json")}
            with running(kept, "run", "--config", str(settings), command="--verbose", **files) as monitor:
                centre = Centre(monitor)
                until(lambda: b"connected source=broker" in (kept / "log.txt").read_bytes(), "the broker")
                asyncio.run(publish(broker, at))
                post(centre, at)
                knock(centre)
                until(lambda: sink.mails, "a mail")
                waiting = monitor.status()["total"]["waiting"]
                shown = dict(pages(centre))
                wal = {path.name: path.read_bytes() for path in kept.iterdir()}
                monitor.stop()
        finally:
            broker.stop()
        mails = [f"{mail}{part.get_payload(decode=True)!r}" for mail in sink.mails for part in mail.walk()]
    files_left = {path.name: path.read_bytes() for path in kept.iterdir()}

    assert len(set(numbers_in(b"".join(lines)))) == len(WRITTEN)
    assert waiting >= 3 * len(WRITTEN)
    assert {"journal.db", "journal.db-wal", "log.txt", "keys.json"} <= wal.keys()
    assert b"DEBUG" in wal["log.txt"]
    assert b"nr-" in wal["journal.db-wal"] + files_left["journal.db"]
    assert b"number_as_name" in shown["metrics"]
    found = {name: numbers_in(content) for name, content in (*wal.items(), *files_left.items(), *shown.items())}
    found |= {f"mail {place}": numbers_in(content.encode()) for place, content in enumerate(mails)}
    assert {name: numbers[:3] for name, numbers in found.items() if numbers} == {}
