"""Turns the answers of a switch into the counters of its queues. No I/O and no clock."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.etree import ElementTree

from adapters.snapshot_poll.settings import Fields, Settings
from queue_monitor.events import Event, QueueSnapshot, SourceConnected, TimeBasis, event_id
from queue_monitor.line_cutter import LineCutter
from queue_monitor.ports import Connection, Rejected

MAX_BYTES: Final = 1 << 20
MAX_WAIT: Final = timedelta(hours=24)
"""The longest wait that is believed; beyond it a clock or a unit is wrong."""

_LARGEST: Final = 100_000
_MAX_NAME: Final = 200
_AT: Final = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ")


class _Unreadable(Exception):
    """Raised for an answer that cannot be read: `reason` is a stable word, the message names the path."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Translator:
    """Reads answers, one a line, each with its time before it where a recording has one."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._paths = settings.paths
        self._asked_for = (settings.fields.agents_free, settings.fields.agents_logged_on)
        self._queue = settings.queue
        self._precision_ms = round(settings.every_seconds * 1000)
        self._answers = LineCutter(MAX_BYTES)
        self._connected = False

    def feed(self, raw: bytes, received_at: datetime) -> Iterator[Event | Rejected]:
        for answer in self._answers.feed(raw):
            yield from self._finish(answer, received_at)

    def flush(self, now: datetime) -> Iterator[Event | Rejected]:
        return iter(())

    def close(self, now: datetime) -> Iterator[Event | Rejected]:
        yield from self._finish(self._answers.end(), now)

    def _finish(self, answer: bytes | None, received_at: datetime) -> Iterator[Event | Rejected]:
        if answer is None:
            yield self._rejected(_Unreadable("too_large", f"longer than {MAX_BYTES} bytes"))
        elif answer:
            at, answer = _recorded_at(answer)
            yield from self._answer(answer, at or received_at)

    def _answer(self, answer: bytes, at: datetime) -> Iterator[Event | Rejected]:
        try:
            queues = _queues(_parsed(answer), self._paths.queues)
        except _Unreadable as error:
            yield self._rejected(error)
            return
        if not self._connected:
            self._connected = True
            yield SourceConnected(id=self._id("source.connected", at), reason="it answers", **self._common(at))
        for place, queue in enumerate(queues):
            try:
                yield self._snapshot(queue, at)
                _require(queue, self._asked_for)
            except _Unreadable as error:
                yield self._rejected(error, f"queue {place}: " if len(queues) > 1 else "")

    def _snapshot(self, queue: object, at: datetime) -> Event:
        paths = self._paths
        name = self._queue or _text(queue, paths.name)
        waiting = _count(queue, paths.waiting)
        if waiting is None:
            raise _Unreadable("no_count", f"{paths.waiting or 'waiting'}: not set in fields, or not told")
        told = {
            "waiting": waiting,
            "oldest_wait_seconds": _oldest(queue, paths, at) if waiting else None,
            "agents_free": _count(queue, paths.agents_free),
            "agents_logged_on": _count(queue, paths.agents_logged_on),
        }
        return QueueSnapshot(
            id=self._id("queue.snapshot", name, at),
            queue=name,
            as_of=at,
            counters={key: str(number) for key, number in told.items() if number is not None},
            complete=False,
            **self._common(at),
        )

    def _common(self, at: datetime) -> dict[str, Any]:
        return {
            "source": self._connection.source,
            "switch": self._connection.switch,
            "epoch": self._connection.epoch,
            "observed_at": at,
            "time_basis": TimeBasis.MONITOR,
            "time_precision_ms": self._precision_ms,
        }

    def _id(self, kind: str, *key: object) -> str:
        return event_id(self._connection.source, kind, self._connection.epoch, *key)

    def _rejected(self, error: _Unreadable, where: str = "") -> Rejected:
        return Rejected(source=self._connection.source, reason=error.reason, detail=f"{where}{error}")


def _recorded_at(answer: bytes) -> tuple[datetime | None, bytes]:
    """Return the time that a recording has before an answer, which itself begins with {, [ or <."""
    if stamp := _AT.match(answer):
        try:
            return datetime.fromisoformat(stamp[1].decode()).astimezone(UTC), answer[stamp.end() :]
        except (ValueError, OverflowError):
            pass
    return None, answer


def _parsed(answer: bytes) -> object:
    if answer.startswith(b"<"):
        return _parsed_xml(answer)
    try:
        return json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise _Unreadable("not_json", "the answer is neither JSON nor XML") from error


def _parsed_xml(answer: bytes) -> object:
    """Return elements by name; repeated ones as a list. A document type is refused: it could define endless
    entities.
    """
    if b"<!DOCTYPE" in answer or b"\x00" in answer:
        raise _Unreadable("not_xml", "the answer has a document type, or is not in UTF-8, which is not read")
    try:
        root = ElementTree.fromstring(answer)  # its size is bounded, and without a document type there are no entities
        return {_tag(root): _element(root)}
    except (ElementTree.ParseError, RecursionError, ValueError, LookupError) as error:
        raise _Unreadable("not_xml", "the answer begins as XML and is none") from error


def _element(element: ElementTree.Element) -> object:
    if not len(element):
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        content = _element(child)
        known = found.get(_tag(child))
        if known is None:
            found[_tag(child)] = content
        else:
            found[_tag(child)] = [*known, content] if isinstance(known, list) else [known, content]
    return found


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _queues(answer: object, path: str) -> list[object]:
    found = _at(answer, path) if path else answer
    if found is None:
        raise _Unreadable("no_queues", f"{path}: not there")
    return found if isinstance(found, list) else [found]


def _at(value: object, path: str) -> object:
    """Return the value at the first path that leads anywhere; None when none does."""
    for way in path.split("|"):
        here = value
        for name in filter(None, way.strip().split(".")):
            if isinstance(here, list) and name.isdecimal():
                here = here[int(name)] if int(name) < len(here) else None
            else:
                here = here.get(name) if isinstance(here, dict) else None
        if here is not None:
            return here
    return None


def _text(value: object, path: str) -> str:
    found = _at(value, path) if path else None
    if not isinstance(found, str) or not found.strip() or len(found) > _MAX_NAME or not found.isprintable():
        raise _Unreadable("no_name", f"{path or 'name'}: no name of a queue; set queue, or fields.name")
    return found.strip()


def _count(value: object, paths: str) -> int | None:
    """Return a whole number or the sum of several; None where there is no value. Below 0 the switch knows none."""
    total = None
    for path in filter(None, map(str.strip, paths.split("+"))):
        found = _at(value, path)
        if found is None or found == "":
            continue
        number = _number(found, path)
        if number >= 0:
            total = (total or 0) + round(number)
    return total


def _require(queue: object, settings: Iterable[str]) -> None:
    """Check that each path from the settings leads somewhere. Raises `_Unreadable`."""
    for path in (part.strip() for paths in settings for part in paths.split("+")):
        if path and _at(queue, path) is None:
            raise _Unreadable("no_field", f"{path}: not there")


def _number(found: object, path: str) -> float:
    try:
        if isinstance(found, bool) or not isinstance(found, int | float | str):
            raise TypeError
        number = float(found)
        if not abs(number) <= _LARGEST:
            raise ValueError
    except (ValueError, TypeError, OverflowError) as error:
        raise _Unreadable("bad_number", f"{path}: not a number, or one that cannot be") from error
    return number


def _oldest(queue: object, paths: Fields, at: datetime) -> int | None:
    """Return the longest wait in whole seconds, as the switch sends it or since it began; a future start is 0."""
    if paths.oldest_wait_seconds:
        return _count(queue, paths.oldest_wait_seconds)
    since = _at(queue, paths.oldest_since) if paths.oldest_since else None
    if since in (None, "", "-1", -1):
        return None
    try:
        began = datetime.fromisoformat(str(since))
        waited = at - (began if began.tzinfo else began.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise _Unreadable("bad_time", f"{paths.oldest_since}: not a time") from error
    if waited > MAX_WAIT:
        raise _Unreadable("bad_time", f"{paths.oldest_since}: longer ago than {MAX_WAIT}")
    return max(0, int(waited.total_seconds()))


def recorded_pieces(data: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into its answers, each with the time before it, if there is one."""
    for line in data.splitlines(keepends=True):
        yield line, _recorded_at(line)[0]
