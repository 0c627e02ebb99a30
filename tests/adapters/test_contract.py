"""What every kind of adapter promises, checked over every kind there is."""

import gzip
import importlib
import pkgutil
import re
from collections import Counter
from datetime import datetime
from inspect import signature
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters
from queue_monitor.clock import ManualClock
from queue_monitor.events import CallEntered, CallRingEnded, Event, QueueSnapshot, SourceConnected, encode
from queue_monitor.ports import CallerNames, Connection, Rejected, Signal, Translator
from tests.adapters.telling import LONG_AGO, Items
from tests.examples import examples

KINDS = sorted(module.name for module in pkgutil.iter_modules(adapters.__path__))
ROOM = Path(adapters.__path__[0])
HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "recordings"
FOLDERS = {"asterisk_ami": "asterisk", "asterisk_queuelog": "asterisk"}
PATTERNS = {"asterisk_ami": "*.ami", "asterisk_queuelog": "queue_log*"}

NUMBERS = re.compile(
    rb"(?:\+46|0)(?:980[- ]?3192\d\d|31[- ]?39006\d\d|40[- ]?62804\d\d|8[- ]?465004\d\d|70[- ]?17406\d\d)"
)
"""Every caller in every recording has a number from the ranges set aside for fiction; a name only in the samples."""


def module_of(kind: str) -> ModuleType:
    return importlib.import_module(f"adapters.{kind}")


def recordings(kind: str) -> list[Path]:
    folder = RECORDINGS / FOLDERS.get(kind, kind)
    return sorted(file for file in folder.glob(PATTERNS.get(kind, "*")) if file.is_file()) if folder.is_dir() else []


def content(file: Path) -> bytes:
    raw = file.read_bytes()
    return gzip.decompress(raw) if file.suffix == ".gz" else raw


def translator(kind: str, epoch: str = "1", callers: CallerNames | None = None) -> Translator:
    settings_type = module_of(kind).Settings
    filled = {field.name: "x" for field in msgspec.structs.fields(settings_type) if field.required}
    connection = Connection(source=f"urn:kc:{kind}:test", switch="kc", epoch=epoch, callers=callers)
    made: Translator = module_of(kind).Translator(connection, settings_type(**filled))
    return made


def told(kind: str, *pieces: bytes) -> Items:
    one = translator(kind)
    items = [item for piece in pieces for item in one.feed(piece, LONG_AGO)]
    return [*items, *one.close(LONG_AGO)]


def events(items: Items) -> list[Event]:
    return [item for item in items if isinstance(item, Event)]


WITH_RECORDINGS = [kind for kind in KINDS if recordings(kind)]
SHORTEST = {
    kind: min((content(file) for file in recordings(kind)), key=lambda raw: abs(len(raw) - 6000))
    for kind in WITH_RECORDINGS
}


def test_the_asterisk_kinds_are_found() -> None:
    assert {"asterisk_ami", "asterisk_queuelog"} <= set(WITH_RECORDINGS)


SIGNALS = {
    Signal.CALLS: {"CallEntered", "CallAnswered", "CallLeft"},
    Signal.RINGS: {"CallRingEnded"},
    Signal.TALK: {"CallCompleted", "CallTransferred"},
    Signal.REFUSALS: {"CallRefused"},
    Signal.AGENTS: {"AgentState"},
    Signal.LISTS: {"QueueSnapshot"},
}
PASS_ON = {"http", "mqtt", "replay", "simulator"}
"""The kinds that pass on events made elsewhere, of all kinds there are."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_declares_the_signals_that_it_reports(kind: str) -> None:
    files = [ROOM / f"{kind}.py"] if (ROOM / f"{kind}.py").is_file() else (ROOM / kind).glob("*.py")
    made = set(re.findall(r"\b([A-Z]\w+)\(", " ".join(file.read_text(encoding="utf-8") for file in files)))
    reported = set(Signal) if kind in PASS_ON else {signal for signal, events in SIGNALS.items() if events & made}

    assert set(module_of(kind).ABOUT.signals) == reported


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_names_its_story_and_its_row(kind: str) -> None:
    module = module_of(kind)

    assert issubclass(module.Settings, msgspec.Struct) and module.Settings.__struct_config__.frozen
    assert callable(module.Translator) and callable(module.build) and callable(module.recorded_pieces)
    assert module.__doc__
    assert f"| `{kind}` |" in (ROOM / "README.md").read_text(encoding="utf-8")
    assert (HERE / f"test_{kind}.py").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_built_without_touching_the_world(kind: str) -> None:
    settings_type = module_of(kind).Settings
    filled = {field.name: "x" for field in msgspec.structs.fields(settings_type) if field.required}

    assert module_of(kind).build("name", "kc", settings_type(**filled), ManualClock(LONG_AGO)).name == "name"


@pytest.mark.parametrize("kind", WITH_RECORDINGS)
def test_no_number_and_no_name_of_a_caller_gets_through(kind: str) -> None:
    for file in recordings(kind):
        raw = content(file)
        for item in told(kind, raw):
            shown = encode(item) if isinstance(item, Event) else repr(item).encode()
            assert not NUMBERS.search(shown), file.name
            assert b"Medborgare" not in shown, file.name


class Numbered:
    """Gives each number a pseudonym of its own, and remembers the numbers that it was asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}

    def pseudonym(self, number: str, at: datetime) -> str | None:
        assert at.tzinfo
        return self.asked.setdefault(number, f"person {len(self.asked)}")


@pytest.mark.parametrize("kind", ["asterisk_ami", "asterisk_queuelog", "freeswitch"])
def test_with_a_key_callers_are_told_apart_and_still_no_number_gets_through(kind: str) -> None:
    callers = Numbered()
    named: set[str | None] = set()
    for file in recordings(kind):
        one = translator(kind, callers=callers)
        for item in [*one.feed(content(file), LONG_AGO), *one.close(LONG_AGO)]:
            shown = encode(item) if isinstance(item, Event) else repr(item).encode()
            assert not NUMBERS.search(shown), file.name
            if isinstance(item, CallEntered) and item.caller is not None:
                assert not (item.caller.withheld and item.caller.pseudonym)
                named.add(item.caller.pseudonym)

    assert named - {None} == set(callers.asked.values())
    assert any(NUMBERS.fullmatch(number.encode()) for number in callers.asked)


@pytest.mark.parametrize("kind", ["asterisk_ami", "asterisk_queuelog", "csta3", "freeswitch"])
def test_a_kind_that_hears_numbers_is_handed_the_key_of_the_pseudonyms(kind: str) -> None:
    assert "callers" in signature(module_of(kind).build).parameters


@pytest.mark.parametrize("kind", WITH_RECORDINGS)
def test_every_event_has_an_id_a_zoned_time_and_a_switch(kind: str) -> None:
    for file in recordings(kind):
        for event in events(told(kind, content(file))):
            assert event.id and event.source and event.switch_name
            assert event.observed_at.tzinfo and event.at.tzinfo
            if isinstance(event, QueueSnapshot):
                assert event.as_of.tzinfo


@pytest.mark.parametrize("kind", WITH_RECORDINGS)
def test_read_twice_it_gives_the_same_ids(kind: str) -> None:
    for file in recordings(kind):
        raw = content(file)
        assert [event.id for event in events(told(kind, raw))] == [event.id for event in events(told(kind, raw))]


@pytest.mark.parametrize("kind", ["asterisk_ami", "asterisk_queuelog"])
def test_different_events_of_one_reading_have_different_ids(kind: str) -> None:
    for file in recordings(kind):
        ids = Counter(event.id for event in events(told(kind, content(file))))
        assert max(ids.values(), default=1) == 1, file.name


@pytest.mark.parametrize("kind", ["asterisk_ami", "asterisk_queuelog"])
def test_a_ring_ends_once_and_a_connection_begins_once(kind: str) -> None:
    for file in recordings(kind):
        items = told(kind, content(file))
        rings = Counter(item.ring_id for item in items if isinstance(item, CallRingEnded))
        assert max(rings.values(), default=1) == 1, file.name
        assert sum(isinstance(item, SourceConnected) for item in items) <= 1, file.name


@pytest.mark.parametrize("kind", WITH_RECORDINGS)
def test_the_recording_in_pieces_is_the_recording(kind: str) -> None:
    for file in recordings(kind):
        raw = content(file)
        pieces = list(module_of(kind).recorded_pieces(raw))
        assert b"".join(piece for piece, _ in pieces) == raw
        assert all(at is None or at.tzinfo for _, at in pieces)


@pytest.mark.parametrize("kind", WITH_RECORDINGS)
@given(st.lists(st.integers(0, 20_000), max_size=8))
@examples(25, deadline=None)
def test_the_cuts_make_no_difference(kind: str, cuts: list[int]) -> None:
    raw = SHORTEST[kind]
    edges = sorted({0, *(min(cut, len(raw)) for cut in cuts), len(raw)})

    assert told(kind, *(raw[a:b] for a, b in pairwise(edges))) == told(kind, raw)


@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_is_counted_and_stops_nothing(kind: str) -> None:
    noise = b"\x00\xff nonsense 0701740605\r\n\r\n{]|\n\n" * 3

    items = told(kind, noise)

    assert items and all(isinstance(item, Rejected) and item.reason for item in items)
    assert not NUMBERS.search(repr(items).encode())
