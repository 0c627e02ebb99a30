"""Cuts an AMI byte stream into messages, and drops early those that do not concern queues.

More than nine messages in ten are about audio, devices and variables. They are recognised by their first line and, for
the two commonest kinds, by one variable or application name; only the rest is decoded and split into headers.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

_END: Final = b"\r\n\r\n"
_BANNER: Final = b"Asterisk Call Manager/"
MAX_MESSAGE: Final = 256 * 1024
"""The longest message, in bytes. A message of a call is 1-4 kB; more is garbage, and must not fill the memory."""

_OTHER_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_ANY_END: Final = re.compile(rb"[ \t]*(?:\r*\n|\r)")
_BLANKS_AT_END: Final = re.compile(rb"^(?:Event: \w+)?[ \t]+\r?$", re.MULTILINE)
"""A line that never ends in a blank as Asterisk writes it: a program has put blanks there."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP: Final = re.compile(r"(\d{1,11})(?:\.(\d{1,6}))?", re.ASCII)
_LAST_SECOND: Final = 253_402_300_799

_NAMES: Final = (
    "QueueCallerJoin QueueCallerLeave QueueCallerAbandon AgentCalled AgentConnect AgentComplete AgentRingNoAnswer "
    "AgentDump "
    "HangupRequest SoftHangupRequest Hangup BlindTransfer AttendedTransfer LocalOptimizationBegin "
    "QueueParams QueueMember QueueEntry CoreShowChannel CoreShowChannelsComplete "
    "QueueStatusComplete QueueMemberStatus QueueMemberPause QueueMemberAdded QueueMemberRemoved "
    "QueueMemberPenalty QueueMemberRinginuse FullyBooted Shutdown"
)
_WANTED: Final = frozenset(f"Event: {name}".encode() for name in _NAMES.split())
_OF_AGENTS: Final = frozenset(first for first in _WANTED if first.startswith(b"Event: Agent"))
_OF_CALLS: Final = frozenset(b"Event: " + name for name in (b"Hangup", b"HangupRequest", b"Newchannel", b"Newstate"))
_VARSET: Final = b"Event: VarSet"
_NEWEXTEN: Final = b"Event: Newexten"
_QUEUESTATUS: Final = b"\r\nVariable: QUEUESTATUS\r\n"
_QUEUE_APPLICATION: Final = b"\r\nApplication: Queue\r\n"

Block = tuple[bytes, bytes, int]
"""One message: its first line, its bytes, and its place in the stream. Empty bytes: the message was too long."""


class Cutter:
    """Cuts a stream into the messages that matter. The result does not depend on where the pieces are cut.

    `every_step`: take every dialplan step (Newexten) and not only those that run Queue().
    `sees_calls`, `sees_dialplan`: whether a message of that read class has come.
    `sees_variables`, `sees_steps`, `sees_agents`: whether a VarSet, a step of the dialplan, or an event of an agent who
    is rung or answers has come; an `eventfilter` may keep them back.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self.every_step = False
        self.sees_calls = False
        self.sees_dialplan = False
        self.sees_variables = False
        self.sees_steps = False
        self.sees_agents = False
        self._rest = b""
        self._offset = 0
        self._skipping = False

    def cut(self, raw: bytes) -> Iterator[Block]:
        blocks = (self._rest + raw).split(_END) if self._rest else raw.split(_END)
        rest = blocks.pop()
        # Set before anything is yielded: the caller may stop reading in the middle.
        offset, self._offset = self._offset, self._offset + sum(map(len, blocks)) + 4 * len(blocks)
        self._rest = rest
        for block in blocks:
            begins, offset = offset, offset + len(block) + 4
            if self._skipping:
                self._skipping = False
                continue
            if len(block) > MAX_MESSAGE:
                yield b"", b"", begins
                continue
            if block[:2] == b"\r\n":
                block = block.lstrip(b"\r\n")
            if begins == 0:
                block = self._without_banner(block)
            end = block.find(b"\r\n")
            first = block[:end] if end >= 0 else block
            if first == _VARSET:
                self.sees_dialplan = self.sees_variables = True
                if _QUEUESTATUS in block:
                    yield first, block, begins
            elif first in _WANTED:
                if first in _OF_CALLS:
                    self.sees_calls = True
                elif first in _OF_AGENTS:
                    self.sees_agents = True
                yield first, block, begins
            elif first == _NEWEXTEN:
                self.sees_dialplan = self.sees_steps = True
                if self.every_step or _QUEUE_APPLICATION in block:
                    yield first, block, begins
            elif first in _OF_CALLS:
                self.sees_calls = True
            elif not first.startswith(b"Event: ") and block:
                yield first, block, begins
        if len(rest) > MAX_MESSAGE and not self._skipping:
            self._skipping = True
            yield b"", b"", self._offset
        if self._skipping and len(rest) > 3:
            # Three bytes may be the beginning of the end mark.
            self._offset += len(rest) - 3
            self._rest = rest[-3:]

    def _without_banner(self, block: bytes) -> bytes:
        """Return the stream without its banner: the first line of a connection is no message.

        No blank line follows it.
        """
        if not block.startswith(_BANNER):
            return block
        banner, _, rest = block.partition(b"\r\n")
        self.version = banner[len(_BANNER) :].decode("ascii", "replace")[:32]
        return rest


def headers(content: bytes) -> dict[str, str]:
    """Return a message's headers; of a repeated one the first, which is the switch's own and not a UserEvent's."""
    found: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name not in found:
            found[name] = value.strip()
    return found


def field(content: bytes, name: bytes) -> str:
    """Return one header's value, without reading the others."""
    start = content.find(b"\r\n" + name + b": ")
    if start < 0:
        return ""
    start += len(name) + 4
    end = content.find(b"\r\n", start)
    return (content[start:] if end < 0 else content[start:end]).decode("utf-8", "replace").strip()


def timestamp(text: str) -> datetime | None:
    """Return the time in `1795433788.261885`, exact Unix seconds with up to 6 decimals; None for other text."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None or (seconds := int(match[1])) > _LAST_SECOND:
        return None
    return _EPOCH + timedelta(seconds=seconds, microseconds=int((match[2] or "0").ljust(6, "0")))


def first_argument(arguments: str) -> str:
    """Return the first of an application's arguments, as Asterisk parts them: a comma between parentheses, brackets or
    quotes, or after a backslash, is no border.
    """
    found, depth, is_quoted, is_escaped = list[str](), 0, False, False
    for letter in arguments:
        if is_escaped:
            found.append(letter)
            is_escaped = False
        elif letter == "\\":
            is_escaped = True
        elif letter == '"':
            is_quoted = not is_quoted
        elif letter == "," and not (depth or is_quoted):
            break
        else:
            depth = max(0, depth + (letter in "([") - (letter in ")]"))
            found.append(letter)
    return "".join(found).strip()


def whole(text: str | None) -> int | None:
    """Return a non-negative whole number of sensible size, else None."""
    return int(text) if text and len(text) <= 10 and text.isascii() and text.isdigit() else None


def recorded_pieces(recording: bytes) -> Iterator[tuple[bytes, datetime | None]]:
    """Cut a recording without an index into messages, each with the time written in it, if any.

    Asterisk ends its lines with CR LF. Programs that save a trace keep the LF or the CR alone, write two CR, or blanks
    before the end.
    """
    if _OTHER_END.search(recording) or _BLANKS_AT_END.search(recording):
        recording = _ANY_END.sub(b"\r\n", recording)
    start = 0
    while start < len(recording):
        end = recording.find(_END, start)
        end = len(recording) if end < 0 else end + len(_END)
        piece = recording[start:end]
        yield piece, timestamp(field(piece, b"Timestamp"))
        start = end
