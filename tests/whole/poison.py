"""Messages that no sender should send, made from good ones: a seed always gives the same."""

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from adapters import asterisk_ami, freeswitch
from queue_monitor.clock import SystemClock
from tests.test_events import SHORT_TYPES, wire

RECORDINGS: Final = Path(__file__).parents[1] / "recordings"
LONG: Final = 20_000


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


VALUES: Final[tuple[Any, ...]] = (
    *(10**18, -(10**18), 2**63, 10**400, 1e308, float("nan"), float("inf"), -1, 0, 0.5, True, None),
    *("", " ", "\x00", "en\nrad", "\ud83d", "\u202eomvänd", "å" * LONG, "5" * LONG, "١٢٣", "ond:1|2\x1f3"),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00"),
    *("1970-01-01T00:00:00Z", "2026-13-45T25:61:61Z", "2026-11-23", "24:00", "tel:+46980319200", "'; drop table visit"),
    *([], {}, [None], [[]], {"": {}}, {"queue": ["kundcenter"]}, deep(100), ["kundcenter"] * 6_000),
)
WORDS: Final = (
    *("", "-1", "0", "99999999999", "1000000000000000000", "253402300800", "1e9", "nan", "-0.0", "١٢٣", "1.1.1"),
    *("å" * 600, "x" * LONG, "\x00", "\x1b[2J", "\u2028", "a|b|c", "{}", "[]", "%00", "%ff", "%ZZ", "NONE", "true"),
    "+46980319200",
)
BYTES: Final = (b"\x00", b"\xff", b"\xc3", b"\xed\xa0\xbd", b"\xef\xbb\xbf", b"\r", b"|", b":", b'"', b"\\", b"{", b"%")


class Poison:
    """A maker of such messages."""

    def __init__(self, seed: object) -> None:
        self._dice = random.Random(str(seed))
        self._number = 0

    # ---- events in JSON, as over HTTP and MQTT

    def event(self, source: str, switch: str) -> bytes:
        """One event of any type, with from none to three things wrong."""
        self._number += 1
        event = wire(self._dice.choice(SHORT_TYPES))
        text = json.dumps(event | {"id": f"ont-{self._number}", "time": SystemClock().now().isoformat()})
        own = text.replace('"pbx:', f'"{switch}:{self._number % 500}-').replace("urn:kc:http:front", source)
        spoilt: Any = json.loads(own)
        for _ in range(self._dice.choice((0, 1, 1, 1, 2, 3))):
            spoilt = self._spoilt(spoilt)
        told = json.dumps(spoilt, ensure_ascii=self._dice.random() < 0.5).encode("utf-8", "surrogatepass")
        return told if self._dice.random() < 0.8 else self.damaged(told)

    def _spoilt(self, part: Any) -> Any:
        """The same with one value changed, taken away, named otherwise or added somewhere in it."""
        if not isinstance(part, dict | list) or not part or self._dice.random() < 0.1:
            return self._dice.choice(VALUES)
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key, changed = self._dice.choice(keys), part.copy()
        match self._dice.randrange(8):
            case 0:
                del changed[key]
            case 1 if isinstance(changed, dict):
                changed[str(self._dice.choice(VALUES))[:600]] = self._dice.choice(VALUES)
            case 2 if isinstance(changed, dict):
                changed[self._dice.choice(list(part))] = changed.pop(key)
            case 3:
                changed[key] = self._dice.choice(VALUES)
            case _:
                changed[key] = self._spoilt(part[key])
        return changed

    # ---- lines and frames

    def manager_message(self) -> bytes:
        """One AMI message, whole: what comes after it is not touched."""
        name, _, rest = self._dice.choice(_manager_messages()).partition(b"\r\n")
        told = self._with_words(rest.split(b"\r\n"), b": ", b"\r\n")
        told = told if self._dice.random() < 0.7 else self.damaged(told)
        return (name if self._dice.random() < 0.9 else self.damaged(name)) + b"\r\n" + told + b"\r\n\r\n"

    def frame(self) -> bytes:
        """One frame of an event socket, whole; its length is told rightly, or as too short."""
        kind, body = self._dice.choice(_frames())
        if kind == b"text/event-json" and self._dice.random() < 0.8:
            spoilt = json.loads(body)
            spoilt[self._dice.choice(list(spoilt))] = self._dice.choice(VALUES + WORDS)
            told = json.dumps(spoilt).encode()
        else:
            told = self._with_words(body.rstrip(b"\n").split(b"\n"), b": ", b"\n") + b"\n\n"
        told = told if self._dice.random() < 0.7 else self.damaged(told)
        short = self._dice.randrange(len(told) + 1) if self._dice.random() < 0.1 else len(told)
        return b"Content-Length: %d\nContent-Type: %b\n\n%b" % (short, kind, told) + b"\n\n" * (short < len(told))

    def log_line(self) -> bytes:
        """One line of a queue_log, with its end."""
        line = self._with_words(self._dice.choice(_log_lines()).split(b"|"), b"", b"|")
        line = line if self._dice.random() < 0.7 else self.damaged(line)
        return line.replace(b"\n", b"") + b"\n"

    def _with_words(self, parts: list[bytes], after: bytes, between: bytes) -> bytes:
        """The parts put together again, up to three of them with another word behind `after`, or gone, or doubled."""
        changed = parts.copy()
        for _ in range(self._dice.choice((0, 1, 1, 2, 3))):
            at = self._dice.randrange(len(changed))
            name, sign, _ = changed[at].partition(after) if after else (b"", b"", b"")
            word = self._dice.choice(WORDS).encode("utf-8", "surrogatepass")
            match self._dice.randrange(6):
                case 0 if len(changed) > 1:
                    del changed[at]
                case 1:
                    changed.insert(at, self._dice.choice(changed))
                case _:
                    changed[at] = name + sign + word
        return between.join(changed)

    # ---- bytes

    def damaged(self, told: bytes) -> bytes:
        """Cut short, cut out, or with bytes put between."""
        at, to = sorted((self._dice.randrange(len(told) + 1), self._dice.randrange(len(told) + 1)))
        match self._dice.randrange(4):
            case 0:
                return told[:at]
            case 1:
                return told[:at] + told[to:]
            case 2:
                return told[:at] + self._dice.choice(BYTES) * self._dice.choice((1, 1, 3, 500)) + told[at:]
            case _:
                return self._dice.randbytes(self._dice.randrange(1, 300))

    def chance(self, share: float) -> bool:
        return self._dice.random() < share

    def choice(self, *values: str) -> str:
        return self._dice.choice(values)


_OF_NO_EVENT: Final = re.compile(rb"api/response|command/reply|auth/request|text/disconnect-notice")
"""Answers. A switch gives one only to what it was asked, and in order."""


@cache
def _manager_messages() -> tuple[bytes, ...]:
    files = sorted((RECORDINGS / "asterisk").glob("*.ami"))
    pieces = (piece for file in files for piece, _ in asterisk_ami.recorded_pieces(file.read_bytes()))
    return tuple(piece.removesuffix(b"\r\n\r\n") for piece in pieces if piece.startswith(b"Event: "))


@cache
def _frames() -> tuple[tuple[bytes, bytes], ...]:
    return tuple(_events_in(sorted((RECORDINGS / "freeswitch").glob("*.esl"))))


def _events_in(files: list[Path]) -> Iterator[tuple[bytes, bytes]]:
    for file in files:
        for piece, _ in freeswitch.recorded_pieces(file.read_bytes()):
            head, _, body = piece.lstrip(b"\n").partition(b"\n\n")
            kind = re.search(rb"Content-Type: (\S+)", head)
            if kind and body and not _OF_NO_EVENT.match(kind[1]):
                yield kind[1], body


@cache
def _log_lines() -> tuple[bytes, ...]:
    files = [RECORDINGS / "asterisk" / "queue_log", *sorted((RECORDINGS / "asterisk" / "log").glob("*.log"))]
    return tuple(line for file in files for line in file.read_bytes().splitlines() if line)
