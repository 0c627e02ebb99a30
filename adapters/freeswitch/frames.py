"""Cuts an ESL byte stream into frames, and reads the events in them.

A frame is headers, a blank line, and a body of exactly `Content-Length` bytes. In `plain` the body is headers again,
URL-encoded; in `json` it is one object, and the next frame begins right after its last brace. An event of a call
carries the caller's whole channel, some 200 headers: all but the few that matter are dropped unread, the caller's
number among them.
"""

import codecs
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from adapters.freeswitch.moments import from_microseconds

MAX_HEADERS: Final = 16 * 1024
MAX_BODY: Final = 8 * 1024 * 1024
"""The longest body, in bytes. A list of ten thousand callers is 2 MB; more is garbage, and must not fill the memory."""

_END: Final = b"\n\n"
_WRONG_END: Final = b"\r\n\r\n"
"""The wrong line end. No switch sends it: a program has changed the trace's line ends, and with them every length."""

_ANY_END: Final = re.compile(rb"\r*\n|\r")
_OTHER_END: Final = re.compile(rb"^(?:Content-(?:Type|Length): [\w/-]+)?[ \t]*\r", re.MULTILINE)
_BLANKS: Final = re.compile(rb"[ \t]+$", re.MULTILINE)
_BLANKS_AT_END: Final = re.compile(rb"^(?:Content-(?:Type|Length): [\w/-]+)?[ \t]+$", re.MULTILINE)
"""A line that never ends so as FreeSWITCH writes it: a program has put other ends, or blanks, there."""

_BEGINS: Final = re.compile(rb"(?:Content-Length: \d{1,9}\n)?Content-Type: [a-z]+/[a-z-]+(?:\n|\Z)")
_TIMESTAMP: Final = re.compile(rb'\bEvent-Date-Timestamp"?: ?"?(\d{10,18})\b')
_WANTED: Final = frozenset(
    (
        *("Event-Name", "Event-Subclass", "Event-Date-Timestamp", "Core-UUID", "Uptime-msec", "FreeSWITCH-Version"),
        *("Answer-State", "Hangup-Cause", "Caller-Transfer-Source", "Caller-Channel-Created-Time"),
        *("Caller-Privacy-Hide-Number", "variable_last_bridge_hangup_cause"),
    )
)


class Frame(NamedTuple):
    """One frame: its Content-Type, its headers, its body, and its place in the stream."""

    kind: str
    headers: dict[str, str]
    body: bytes
    offset: int


class Fault(NamedTuple):
    """Bytes that are no frame."""

    reason: str
    offset: int


class Cutter:
    """Cuts a stream into frames. The result does not depend on where the pieces are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._offset = 0
        self._skipping = False

    @property
    def unfinished(self) -> bool:
        """Return whether a frame has begun and not ended."""
        return bool(self._rest.strip())

    def cut(self, raw: bytes) -> Iterator[Frame | Fault]:
        self._rest += raw
        while (found := self._next()) is not None:
            yield found

    def _pass(self, length: int) -> None:
        del self._rest[:length]
        self._offset += length

    def _next(self) -> Frame | Fault | None:
        while self._rest.startswith((b"\n", b"\r")):
            self._pass(1)
        begins, end = self._offset, self._rest.find(_END)
        if not self._skipping and (fault := self._wrong_line_ends(end)) is not None:
            return fault
        if end < 0 or end > MAX_HEADERS:
            return self._overlong(end)
        if self._skipping:
            self._skipping = False
            self._pass(end + 2)
            return self._next()
        block = bytes(self._rest[:end])
        found = _BEGINS.search(block)
        if found is None or found.start() > 0:
            # The body's length was wrong: the next frame may stand right behind it, on the same line.
            self._pass(found.start() if found else end + 2)
            return Fault("not_a_frame", begins)
        headers = _headers(block)
        told = headers.get("Content-Length", "0")
        length = int(told) if len(told) <= 9 and told.isascii() and told.isdigit() else -1
        if not 0 <= length <= MAX_BODY:
            self._pass(end + 2)
            return Fault("bad_length", begins)
        if len(self._rest) < end + 2 + length:
            return None
        body = bytes(self._rest[end + 2 : end + 2 + length])
        self._pass(end + 2 + length)
        return Frame(headers["Content-Type"], headers, body, begins)

    def _wrong_line_ends(self, end: int) -> Fault | None:
        """Skip headers with the line ends of Windows, and return a fault for them; None without such."""
        begins = self._offset
        wrong = self._rest.find(_WRONG_END, 0, MAX_HEADERS if end < 0 else min(end, MAX_HEADERS))
        if wrong < 0:
            return None
        self._pass(wrong + len(_WRONG_END))
        return Fault("wrong_line_ends", begins)

    def _overlong(self, end: int) -> Frame | Fault | None:
        """Skip headers without an end as they come, and return one fault for them."""
        if len(self._rest) <= MAX_HEADERS:
            return None
        begins, was_skipping = self._offset, self._skipping
        self._skipping = end < 0
        # One byte may be the beginning of the end mark.
        self._pass(len(self._rest) - 1 if end < 0 else end + 2)
        return self._next() if was_skipping else Fault("message_too_long", begins)


def _headers(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(": ")
        found.setdefault(name, value.strip())
    return found


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are no UTF-8 as Latin-1: a trunk may hand on a caller's name as it came."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


_LATIN_1: Final = "latin-1-where-no-utf-8"
codecs.register_error(_LATIN_1, _as_latin_1)


def event(frame: Frame) -> dict[str, str] | None:
    """Return the needed headers of the event in a frame, decoded; None when it is no event."""
    found = _of_json(frame.body) if frame.kind == "text/event-json" else _of_plain(frame.body)
    return found if "Event-Name" in found else None


def _of_plain(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in body.decode("utf-8", _LATIN_1).split("\n"):
        name, colon, value = line.partition(": ")
        if colon and (name in _WANTED or name.startswith("CC-")) and name not in found:
            found[name] = unquote(value, errors=_LATIN_1) if "%" in value else value
    return found


def _of_json(body: bytes) -> dict[str, str]:
    text = body.decode("utf-8", _LATIN_1)
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        content = _of_loose_json(text)
    except RecursionError:
        return {}
    if not isinstance(content, dict):
        return {}
    # A channel variable with several values is a list: none of those matters.
    return {
        name: value
        for name, value in content.items()
        if isinstance(value, str) and (name in _WANTED or name.startswith("CC-"))
    }


def _of_loose_json(text: str) -> Any:
    """Return the texts of an object in JSON that is not quite right; None for other things.

    A caller's name may hold a control character, or half a pair of surrogates, which becomes `?`.
    """
    try:
        content = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    texts = {name: value for name, value in content.items() if isinstance(value, str)}
    return {name: value.encode(errors="replace").decode() for name, value in texts.items()}


def recorded_pieces(recording: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording into frames, each with the latest time written in it, if any.

    FreeSWITCH ends its lines with LF, and gives a body's length in bytes. Programs that save a trace write CR, or
    blanks before the end: without them the lengths are right again.
    """
    if _OTHER_END.search(recording):
        recording = _ANY_END.sub(b"\n", recording)
    if _BLANKS_AT_END.search(recording):
        recording = _BLANKS.sub(b"", recording)
    start = 0
    while start < len(recording):
        end = recording.find(_END, start)
        stop = len(recording)
        if end >= 0:
            told = re.search(rb"Content-Length: (\d{1,9})", recording[start:end])
            stop = min(stop, end + 2 + (int(told[1]) if told else 0))
        piece = recording[start:stop]
        times = [at for found in _TIMESTAMP.findall(piece) if (at := from_microseconds(found.decode()))]
        yield piece, max(times, default=None)
        start = stop
