"""`queue-monitor rejected`: the last things that were not taken, without what stood in them."""

import ast
import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

import queue_monitor
from queue_monitor.__main__ import main
from queue_monitor.app import registry
from queue_monitor.clock import ManualClock
from queue_monitor.commands.refusal_words import WORDS
from queue_monitor.core.live import Live
from queue_monitor.events import InvalidEvent, decode
from queue_monitor.ports import Connection, Delivery, Rejected
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.store import open_store
from tests.scenario import SOURCE, TEN, Scenario
from tests.test_field_cases import CASES

OF_CONNECTIONS = {"queue_log"}
"""Reasons why a source counts as connected; nothing is refused for them."""

OF_FIELDS = {"id", "numbers", "rare", "reason", "text", "texts", "times"}
"""Names and kinds of fields that stand where a reason could."""

REFUSING = ("Rejected", "Fault", "Unfit", "_Unfit", "_Unreadable", "_reject", "_rejected")


async def kept_in(path: Path) -> None:
    store = await open_store(f"sqlite:///{path}", agents="named")
    story = Scenario().entered(0, "anna")
    pipeline = Pipeline(Live(story.rules), ManualClock(TEN), store)
    forged = structs.replace(story.events[0], id="0701740605\n")
    unread = Rejected(source=SOURCE, reason="invalid_event", detail="got 'Anna 0701740605' in line 7")
    pipeline.take(Delivery(items=(forged, unread), received_at=TEN))
    await pipeline.drain()
    await store.close()


def test_they_are_listed_by_field_kind_and_length_and_no_number_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{tmp_path / 'q.db'}")
    monkeypatch.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", str(tmp_path / "agent.key"))
    asyncio.run(kept_in(tmp_path / "q.db"))

    assert main(["rejected"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"2026-11-23T10:00:00+01:00  {SOURCE}  unfit_text  id (text, length 11)  with control characters",
        f"2026-11-23T10:00:00+01:00  {SOURCE}  invalid_event  got … in line #",
        "",
        f"invalid_event: {WORDS['invalid_event']}",
        f"unfit_text: {WORDS['unfit_text']}",
    ]


def reasons_in_the_code() -> set[str]:
    """Return the reasons that stand in the rooms that refuse: in the calls that refuse, and wherever else a reason is
    named.
    """
    root = Path(queue_monitor.__file__).parents[1]
    rooms = [
        *root.glob("adapters/**/*.py"),
        *root.glob("queue_monitor/runtime/*.py"),
        root / "queue_monitor/core/gate.py",
        root / "queue_monitor/core/live.py",
    ]
    places = (place for room in rooms for node in ast.walk(ast.parse(room.read_text())) for place in _reasons_at(node))
    parts = (part for place in places for part in ast.walk(place))
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def _reasons_at(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            named = [each.value for each in keywords if each.arg in ("reason", "counted")]
            return named + args[:1] if getattr(func, "attr", getattr(func, "id", "")) in REFUSING else named
        case ast.Dict(keys=keys, values=values):
            return [value for key, value in zip(keys, values, strict=True) if getattr(key, "value", "") == "reason"]
        case ast.Assign(targets=[ast.Name(id="reason")], value=value):
            return [value]
        case ast.Return(value=ast.Constant() as value):
            return [value]
    return []


def test_every_reason_has_a_sentence_that_says_what_it_means():
    reasons = {reason for reason in reasons_in_the_code() if re.fullmatch("[a-z]+(_[a-z]+)*", reason)}

    assert len(reasons) > 30
    assert sorted(reasons - WORDS.keys() - OF_CONNECTIONS - OF_FIELDS) == []


def test_a_store_of_which_nothing_was_refused_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("QUEUE_MONITOR_STORE__URL", f"sqlite:///{tmp_path / 'q.db'}")
    monkeypatch.setenv("QUEUE_MONITOR_STORE__AGENT_KEY", str(tmp_path / "agent.key"))
    main(["replay", "--store", f"sqlite:///{tmp_path / 'q.db'}", f"replay:{CASES / 'left-after-answered.jsonl'}"])

    assert main(["rejected"]) == 0

    assert capsys.readouterr().out.splitlines()[-1] == "Nothing was refused lately."


SAID = {
    b"no json": ("", "text", 7),
    b'{"specversion":"1.0"}': ("id", "nothing", 0),
    b'{"specversion":"1.0","id":"","source":"s","type":"t","data":{}}': ("id", "text", 0),
    b'{"specversion":"1.0","id":"1","source":7,"type":"t","data":{}}': ("source", "number", 1),
    b'{"specversion":"1.0","id":"1","source":"s","type":"0701740605","data":{}}': ("type", "text", 10),
    b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":[1,2,3]}': ("data", "list", 3),
}
INSIDE = {
    '"queue":"k"': ("visit_id", "nothing", 0),
    '"queue":["0701740605"],"visit_id":"v"': ("queue", "list", 1),
    '"queue":"k","visit_id":"v","position":"0701740605"': ("position", "text", 10),
    '"queue":"k","visit_id":"v","caller":{"withheld":"nej"}': ("caller.withheld", "text", 3),
    '"queue":"k","visit_id":"v","entry_reason":"`$.0701740605`"': ("entry_reason", "text", 14),
    '"queue":"k","visit_id":"v","position":' + "9" * 5000: ("data", "number", 0),
    '"queue":"k","visit_id":"v","start_known":1': ("start_known", "number", 1),
}


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        *SAID.items(),
        *(
            (
                b'{"specversion":"1.0","id":"1","source":"s","type":"se.kundcenter.call.entered",'
                b'"time":"2026-11-23T09:00:00Z","data":{%b}}' % data.encode(),
                where,
            )
            for data, where in INSIDE.items()
        ),
    ],
)
def test_what_is_no_event_is_named_by_field_kind_and_length(raw: bytes, where: tuple[str, str, int]):
    with pytest.raises(InvalidEvent) as caught:
        decode(raw)

    assert (caught.value.field, caught.value.kind, caught.value.length) == where


@pytest.mark.parametrize("door", ["http", "mqtt", "replay", "simulator"])
def test_every_door_that_reads_events_names_what_it_refuses(door: str):
    raw = b'{"specversion":"1.0","id":"1","source":7,"type":"0701740605","data":{}}'
    if door == "mqtt":
        raw = json.dumps(
            {"topic": "kc/v1/a/call/q/x", "payload": raw.decode(), "retain": False, "received_at": TEN.isoformat()}
        ).encode()
    module = registry.adapter_module(door)
    needed: dict[str, dict[str, Any]] = {
        "http": {"secrets": ("x" * 32,)},
        "mqtt": {"host": "h"},
        "replay": {"path": "a"},
    }
    settings = module.Settings(**needed.get(door, {}))
    translator = module.Translator(Connection(source="urn:kc:x:a", switch="a"), settings)
    found = [*translator.feed(raw + b"\n", TEN), *translator.close(TEN)]

    (rejected,) = [item for item in found if isinstance(item, Rejected)]
    assert (rejected.reason, rejected.field, rejected.kind, rejected.length) == ("invalid_event", "source", "number", 1)
    assert "070" not in repr(rejected)
