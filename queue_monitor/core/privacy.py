"""The veil: it removes telephone numbers and free text from what a sender wrote, before any other part takes it.

Where a sender chooses the ids, they may hold a caller's number. It is replaced under a key of the event's calendar
month, so that all visits of one contact stay together; a caller in a call, or an agent at work, at the turn of a month
keeps the replacement. Free fields keep words that are listed here and in docs/limits.md, and nothing else. The veil is
pure: the keys are handed in.

Longer than 450 lines because the rule of each field and the patterns that it uses are read together.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from enum import Enum, auto
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from msgspec import NODEFAULT, Struct, inspect, structs

from queue_monitor.events import EVENT_TYPES, Event
from queue_monitor.queues import queue_key

_HEX: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}"
_UNIQUEID: Final = r"(?:[0-9a-z]+-)?[12]\d{9}\.\d+"
_UNIQUE: Final = rf"(?<![0-9a-z])(?:{_HEX}|{_UNIQUEID})(?![0-9a-z])"
_PLUS: Final = r"\+ ?[1-9](?:[ /-]?(?:\(0\))?\d){3,5}"
_ABROAD: Final = rf"(?:{_PLUS}|(?<!\d)00[1-9](?:[ /-]?(?:\(0\))?\d){{4,5}})(?:[ \xa0]?\d){{3,9}}"
_AT_HOME: Final = r"(?<!\d)0[1-9](?:[ /-]?\d){3}(?:[ \xa0]?\d){2,8}"
_NUMBER: Final = rf"(?:{_ABROAD}|{_AT_HOME})(?!\d)"
_ADDRESS: Final = rf"(?:tel|sips?):(?://)?(?:{_NUMBER}|\d{{7,}}|[^\s@;,>?/]+)"
_MAY_BE_ONE: Final = re.compile(r"[+0](?<!\d0)[ 0]?[1-9](?:[ \xa0/()-]{0,3}\d){5}")
_IN_IDS: Final = re.compile(rf"(?P<unique>{_UNIQUE})|{_ADDRESS}|{_NUMBER}", re.IGNORECASE)
_IN_NAMES: Final = re.compile(rf"(?P<unique>{_UNIQUE})|{_NUMBER}", re.IGNORECASE)
_IN_TEXT: Final = re.compile(rf"(?P<unique>{_UNIQUE})|{_NUMBER}|\d{{7,}}", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(?:tel|sips?):(?://)?", re.IGNORECASE)
_BESIDE_DIGITS: Final = re.compile(r"\(0\)|[ \xa0/()-]")
_NO_LATIN: Final = re.compile(r"[^\x00-\x7fÀ-ÿ]")
"""A sign that may stand for a plain one: none of the letters of western Europe does."""

_PLAIN_SIGNS: Final = {"Pd": "-", "Zs": " ", "Cf": ""}
LETTERS: Final = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
"""The letters that stand for hexadecimal digits, so that no replacement of a number is a number."""

_REPLACED: Final = "nr-"
HIDDEN: Final = "…"
"""The sign that replaces a number in a name."""

_SHORT_NUMBER: Final = re.compile(r"(?<!\d)\d{1,6}(?!\d)")
_COUNTED: Final = re.compile(r"0|[1-9]\d{0,8}")
_KEYS_PRESSED: Final = re.compile(r"[0-9A-D*#]{1,4}", re.IGNORECASE)
_ONLY_A_NUMBER: Final = re.compile(r"\+?[\d\s()./-]{5,}")

_PAUSES: Final = (
    "admin, administration, annat, auto-pause, away, back office, backoffice, break, busy, chat, chatt, coaching, dnd, "
    "do not disturb, e-post, efterarbete, eget arbete, email, fika, handledning, lunch, meeting, möte, no answer, "
    "not answering, other, outbound, paus, pause, personal, project, projekt, rast, ringnoanswer, samtal, svarar ej, "
    "teknik, telefon, toalett, training, utbildning, utringning, wrap-up, wrapup"
)
_OF_SOURCES: Final = (
    "crash, maintenance, network, omstart, offline, online, reload, restart, shutdown, silent, start, startup, stop, "
    "stopped, underhåll, update, uppdatering, its first event, the broker was away, the broker was away and has "
    "forgotten our session, the connection to the broker is gone, # missing: the numbers # to # never came"
)
_ENDS: Final = (
    "abandon, abandoned, answered, busy, call_rejected, cancel, closed, congestion, exitempty, exitwithkey, "
    "exitwithtimeout, full, hangup, leaveempty, no answer, no_answer, no_user_response, noanswer, normal_clearing, "
    "originator_cancel, rejected, ringnoanswer, timeout, transfer, user_busy"
)
_STATES: Final = (
    "available, available (on demand), busy, idle, in a queue call, in use, invalid, logged out, not in use, on break, "
    "on hold, paused, receiving, ringing, ringinuse, unavailable, unknown, waiting"
)
_WILL: Final = "its connection to the broker was lost, or it has stopped"
LISTED: Final = {
    "reason": frozenset({*_PAUSES.split(", "), *_OF_SOURCES.split(", "), "#", _WILL}),
    "cause": frozenset({*_OF_SOURCES.split(", "), "#"}),
    "reason_raw": frozenset({*_ENDS.split(", "), "#"}),
    "cause_raw": frozenset({*_ENDS.split(", "), "#"}),
    "state_raw": frozenset({*_STATES.split(", "), "#"}),
}
"""The words that a free field may hold, in any case of letters; `#` is a number of six digits at most."""

COUNTERS: Final = frozenset(
    {"Abandoned", "Calls", "Completed", "calls_abandoned", "calls_answered", "waiting", "oldest_wait_seconds"}
    | {"agents_free", "agents_logged_on"}
)
"""The allowed names of a snapshot's counters."""


Part = TypeVar("Part", bound=Struct)


class Keys(Protocol):
    """One key for each calendar month, `2026-11`, and the replacements carried over into it."""

    def of(self, month: str) -> bytes:
        """Return the month's key; it is made at the first call."""

    def before(self, month: str) -> str | None:
        """Return the newest earlier month that has a key; None where there is none."""

    def carried(self, month: str, replaced: str) -> str | None:
        """Return the replacement that stands in this month in place of the one by its own key; None where there is
        none.
        """

    def carry(self, month: str, earlier: Mapping[str, str]) -> None:
        """Note the replacements to use in this month, by the ones that its own key gives."""


class Known(Protocol):
    """The calls and agents that are known now."""

    def is_open(self, switch: str, call: str) -> bool:
        """Return whether a contact, visit or leg with this id waits or talks now."""

    def knows_agent(self, agent_id: str) -> bool: ...


class Veiled(NamedTuple):
    """An event as it is taken; `hidden`: the fields of names that held a number."""

    event: Event
    hidden: tuple[str, ...] = ()


class Veil:
    """The replacement of numbers and removal of free words.

    `names`: the names of queues, sources and switches in the settings, numbers among them.
    `zone`: decides where a month begins.
    """

    def __init__(self, keys: Keys, known: Known, zone: tzinfo, names: Iterable[str] = ()) -> None:
        self._keys = keys
        self._known = known
        self._zone = zone
        self._names = frozenset(map(queue_key, names))
        self._replacement = lru_cache(maxsize=10_000)(_replacement)

    def over(self, event: Event, at: datetime) -> Veiled:
        """Return the event without what its sender must not say. `at` is the event's own time."""
        plan = _PLANS[type(event)]
        if not any(plan.others(event)) and not _may_hold_one("|".join(filter(None, plan.texts(event)))):
            return Veiled(event)
        local = at.astimezone(self._zone)
        scene = _Scene(event.switch_name, f"{local:%Y-%m}", [])
        self._carry_over(event, scene, is_new_month=local.day == 1)
        return Veiled(self._veiled(event, scene), tuple(dict.fromkeys(scene.hidden)))

    def over_watched(self, event: Event, at: datetime) -> Event:
        """Return an event of a switch that we watch, without numbers in its free words and in the ids of its agents and
        their rings.

        Its other ids are the switch's own; but an agent may answer at a telephone of his or her own.
        """
        if not may_change(event):
            return event
        event = words_without_numbers(event)
        if not any(map(_may_hold_one, _agents_of(event))):
            return event
        local = at.astimezone(self._zone)
        scene = _Scene(event.switch_name, f"{local:%Y-%m}", [])
        self._carry_over(event, scene, is_new_month=False)
        return self._agents_veiled(event, scene)

    def _agents_veiled(self, part: Part, scene: "_Scene") -> Part:
        changed: dict[str, Any] = {}
        for name in _OF_AGENTS:
            if text := getattr(part, name, None):
                changed[name] = self._id(text, scene.switch, scene.month, carries=True)
        if agents := getattr(part, "agents", None):
            changed["agents"] = tuple(self._agents_veiled(each, scene) for each in agents)
        return structs.replace(part, **changed) if changed else part

    def shown(self, source: str) -> str:
        """Return a source's name without a number that the settings do not name."""
        return self._name("source", source, [])

    # ---- parts of an event

    def _veiled(self, part: Part, scene: "_Scene") -> Part:
        changed: dict[str, Any] = {}
        for name, rule, default in _rules_of(type(part)):
            if (value := getattr(part, name)) and (new := self._value(name, rule, value, default, scene)) != value:
                changed[name] = new
        return structs.replace(part, **changed) if changed else part

    def _value(self, name: str, rule: "_Rule", value: Any, default: Any, scene: "_Scene") -> Any:
        match rule:
            case _Rule.ID:
                return self._id(value, scene.switch, scene.month, carries=name != "id")
            case _Rule.IDS:
                return tuple(self._id(each, scene.switch, scene.month, carries=True) for each in value)
            case _Rule.NAME:
                return self._name(name, value, scene.hidden)
            case _Rule.NAMES:
                return tuple(self._name(name, each, scene.hidden) for each in value)
            case _Rule.WORD:
                return value if _SHORT_NUMBER.sub("#", value.strip().lower()) in LISTED[name] else default
            case _Rule.KEYS_PRESSED:
                return value if _KEYS_PRESSED.fullmatch(value) else default
            case _Rule.PSEUDONYM:
                return default if _ONLY_A_NUMBER.fullmatch(_folded(value)) or _first_number(_IN_IDS, value) else value
            case _Rule.COUNTERS:
                return {key: count for key, count in value.items() if key in COUNTERS and _COUNTED.fullmatch(count)}
            case _Rule.PART:
                return self._veiled(value, scene)
            case _Rule.PARTS:
                return tuple(self._veiled(each, scene) for each in value)
            case _Rule.DROPPED:
                return default

    def _name(self, field: str, text: str, hidden: list[str]) -> str:
        """Return a name without numbers; a name in the settings may be a number."""
        own = text.rpartition(":")[2] if field == "source" else text
        if queue_key(own) in self._names or not _first_number(_IN_NAMES, text):
            return text
        hidden.append(field)
        return _replaced(_IN_NAMES, text, lambda found: found[0] if found["unique"] else HIDDEN)

    # ---- ids

    def _id(self, text: str, switch: str, month: str, *, carries: bool) -> str:
        """Return an id as it stands in a month.

        Replacements carried over from earlier months are used only where `carries`: an event's own id depends on its
        time alone, so that it is the same when the event is sent again.
        """

        def stands(found: re.Match[str]) -> str:
            if found["unique"]:
                return found[0]
            own = self._replacement(self._keys.of(month), found[0])
            return (self._keys.carried(month, own) if carries else None) or own

        own, colon, rest = text.partition(":")
        if not colon or own != switch:
            return _replaced(_IN_IDS, text, stands)
        return (
            f"{self._shown_switch(switch)}:{_replaced(_IN_IDS, rest, stands)}"  # a switch may be called "tel" or "sip"
        )

    def _shown_switch(self, switch: str) -> str:
        return self._name("switch", switch, [])

    def _carry_over(self, event: Event, scene: "_Scene", *, is_new_month: bool) -> None:
        """Keep the replacement of an earlier month for a caller in a call, or a known agent.

        Calls are checked on the first day of a month only: none lasts longer.
        """
        earlier = self._keys.before(scene.month)
        if earlier is None:
            return
        for name, text in _lasting_ids(event):
            if (is_new_month or name == "agent_id") and (stays := self._stays(text, earlier, scene)):
                before = self._id(text, scene.switch, earlier, carries=True)
                if name == "agent_id":
                    is_known = self._known.knows_agent(before)
                else:
                    is_known = self._known.is_open(self._shown_switch(scene.switch), before)
                if is_known:
                    self._keys.carry(scene.month, stays)

    def _stays(self, text: str, earlier: str, scene: "_Scene") -> dict[str, str]:
        """Return the earlier replacements to use in a month for the numbers of an id, by those that its own key gives,
        where they are new.
        """
        month, stays = scene.month, dict[str, str]()
        text = text.removeprefix(f"{scene.switch}:")
        for found in _IN_IDS.finditer(_folded(text)):
            if not found["unique"]:
                was = self._replacement(self._keys.of(earlier), found[0])
                own = self._replacement(self._keys.of(month), found[0])
                if self._keys.carried(month, own) is None:
                    stays[own] = self._keys.carried(earlier, was) or was
        return stays


class _Scene(NamedTuple):
    """The context of all parts of one event; names of fields in which a number was hidden are added to `hidden`."""

    switch: str
    month: str
    hidden: list[str]


def _folded(text: str) -> str:
    """Return a text in which digits, signs, spaces and dashes of any script are the plain ones, and nothing is
    invisible.
    """
    if text.isascii():
        return text
    return _NO_LATIN.sub(_plain_sign, unicodedata.normalize("NFKC", text))


def _plain_sign(found: re.Match[str]) -> str:
    sign = found[0]
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    return _PLAIN_SIGNS.get(unicodedata.category(sign), sign)


def _replaced(pattern: re.Pattern[str], text: str, by: Callable[[re.Match[str]], str]) -> str:
    """Return the text with each number in it replaced; unchanged where it holds none."""
    folded = _folded(text)
    return pattern.sub(by, folded) if folded == text or _first_number(pattern, folded) else text


def may_change(event: Event) -> bool:
    """Return whether an event may hold anything that `Veil.over_watched` replaces: nearly none does."""
    plan = _PLANS[type(event)]
    return any(plan.words(event)) or _may_hold_one("|".join(filter(None, plan.agents(event))))


def _may_hold_one(text: str) -> bool:
    """Return whether a text may hold a number or an address: a cheap first check, for nearly all ids hold neither."""
    low = _folded(text).lower()
    return bool(_MAY_BE_ONE.search(low)) or "tel:" in low or "sip:" in low or "sips:" in low


def without_numbers(text: str) -> str:
    """Return a text for people and the log: telephone numbers, and numbers of seven digits or more, as `…`."""
    return _replaced(_IN_TEXT, text, lambda found: found[0] if found["unique"] else HIDDEN)


def words_without_numbers(part: Part) -> Part:
    """Return an event with the telephone numbers in its free words as `…`: a person may have typed why there is a
    pause.
    """
    changed: dict[str, Any] = {}
    for name, rule, _ in _words_of(type(part)):
        if not (value := getattr(part, name)):
            continue
        new: Any
        if rule is _Rule.PARTS:
            new = tuple(map(words_without_numbers, value))
        elif rule is _Rule.COUNTERS:
            new = {key: without_numbers(count) for key, count in value.items()}
        else:
            new = without_numbers(value)
        if new != value:
            changed[name] = new
    return structs.replace(part, **changed) if changed else part


def _agents_of(part: Struct) -> Iterator[str]:
    """Yield the ids of the agents in an event, and of their rings."""
    for name in _OF_AGENTS:
        if text := getattr(part, name, None):
            yield text
    for each in getattr(part, "agents", None) or ():
        yield from _agents_of(each)


def _first_number(pattern: re.Pattern[str], text: str) -> bool:
    return any(not found["unique"] for found in pattern.finditer(_folded(text)))


def _replacement(key: bytes, written: str) -> str:
    """Return the replacement of a number: letters only, so that it is no number itself."""
    digest = hmac.new(key, one_spelling(written).encode("utf-8", "surrogatepass"), hashlib.sha256).digest()[:10]
    return _REPLACED + digest.hex().translate(LETTERS)


def one_spelling(written: str) -> str:
    """Return one spelling for all ways of writing a number, with its country: `070-174 06 05` is `46701740605`.

    Sweden is taken where no country is given.
    """
    text = _SCHEME.sub("", written)
    plain = _BESIDE_DIGITS.sub("", text)
    if not plain.removeprefix("+").isdecimal():
        return text.lower()
    if plain.startswith("+"):
        return plain[1:]
    return plain[2:] if plain.startswith("00") else f"46{plain[1:]}" if plain.startswith("0") else plain


# ---- what every field may hold


class _Rule(Enum):
    ID = auto()
    IDS = auto()
    NAME = auto()
    NAMES = auto()
    WORD = auto()
    KEYS_PRESSED = auto()
    PSEUDONYM = auto()
    COUNTERS = auto()
    PART = auto()
    PARTS = auto()
    DROPPED = auto()


_RULES: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(("id", "epoch", "sequence", "contact_id", "visit_id", "prev_visit_id"), _Rule.ID),
    **dict.fromkeys(("leg_id", "new_leg_id", "ring_id", "agent_id"), _Rule.ID),
    **dict.fromkeys(("source", "switch", "queue", "next_queue"), _Rule.NAME),
    **dict.fromkeys(LISTED, _Rule.WORD),
    **dict.fromkeys(("waiting", "agents"), _Rule.PARTS),
    **dict.fromkeys(("caller", "to"), _Rule.PART),
    "up": _Rule.IDS,
    "queues": _Rule.NAMES,
    "key": _Rule.KEYS_PRESSED,
    "pseudonym": _Rule.PSEUDONYM,
    "counters": _Rule.COUNTERS,
}
"""Fields by name. Any other that can hold a text is dropped: `dialled`, `version`, `raw`, `unmapped`."""

_OF_AGENTS: Final = ("agent_id", "ring_id")
_LASTING: Final = frozenset({"contact_id", "visit_id", "leg_id", "agent_id"})


@lru_cache
def _rules_of(kind: type[Struct]) -> tuple[tuple[str, _Rule, Any], ...]:
    """Return the fields of one struct that can hold a text, the rule for each, and the value when it is dropped."""
    return tuple(
        (field.name, _RULES.get(field.name, _Rule.DROPPED), _default(field))
        for field in structs.fields(kind)
        if _holds_text(inspect.type_info(field.type))
    )


@lru_cache
def _words_of(kind: type[Struct]) -> tuple[tuple[str, _Rule, Any], ...]:
    """Return the fields of one struct that hold free words or a switch's own counters, or parts that do."""
    return tuple(each for each in _rules_of(kind) if each[1] in (_Rule.WORD, _Rule.PARTS, _Rule.COUNTERS))


def _default(field: structs.FieldInfo) -> Any:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return "" if field.default is NODEFAULT else field.default


def _holds_text(written: inspect.Type) -> bool:
    match written:
        case inspect.Metadata():
            return _holds_text(written.type)
        case inspect.UnionType():
            return any(map(_holds_text, written.types))
        case inspect.StrType() | inspect.DictType() | inspect.VarTupleType() | inspect.StructType():
            return True
        case _:
            return False


def _lasting_ids(part: Struct) -> Iterator[tuple[str, str]]:
    """Yield the ids that identify calls and agents for longer than one event."""
    for name, rule, _ in _rules_of(type(part)):
        value = getattr(part, name)
        if name in _LASTING and value:
            yield name, value
        elif rule is _Rule.PART and value is not None:
            yield from _lasting_ids(value)
        elif rule is _Rule.PARTS:
            for each in value:
                yield from _lasting_ids(each)


class _Plan(NamedTuple):
    """The first check of an event of one type: nearly all events hold nothing that needs a closer check.

    `texts`, `others`: ids and names, and all fields that need a closer check.
    `agents`, `words`: the ids of an agent and his or her ring, and free words or parts that may hold either.
    """

    texts: "_Getter"
    others: "_Getter"
    agents: "_Getter"
    words: "_Getter"


_Getter = Callable[[Any], tuple[Any, ...]]


def _plan_of(kind: type[Struct]) -> _Plan:
    rules = _rules_of(kind)
    return _Plan(
        texts=_getter([name for name, rule, _ in rules if rule in (_Rule.ID, _Rule.NAME)]),
        others=_getter([name for name, rule, _ in rules if rule not in (_Rule.ID, _Rule.NAME)]),
        agents=_getter([name for name, _, _ in rules if name in _OF_AGENTS]),
        words=_getter([name for name, _, _ in _words_of(kind)]),
    )


def _getter(names: Sequence[str]) -> _Getter:
    """Return a function that returns the values of these fields, also of one or none."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda part: tuple([getattr(part, name) for name in names])


_PLANS: Final = {kind: _plan_of(kind) for kind in EVENT_TYPES.values()}
