"""Documents: the evidence of one contact written as compact bytes, and read back unchanged.

A document is MessagePack: the version, one table of texts that the rest names by number (most ids begin with another
id, and are written so), the contact, and its evidence.
Times are whole microseconds after the earliest of them; an enum is written as its place in the tuples below.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from queue_monitor.core.evidence import Answer, Completion, Ending, Entry, Evidence, Timestamp, Transfer, VisitReport
from queue_monitor.events import EndedBy, EntryReason, LeftOutcome, OutcomeBasis, RingResult, TimeBasis

VERSION: Final = 1

_BASES: Final = tuple(TimeBasis)
_REASONS: Final = tuple(EntryReason)
_OUTCOMES: Final = tuple(LeftOutcome)
_STATED: Final = tuple(OutcomeBasis)
_ENDED_BY: Final = tuple(EndedBy)
_RINGS: Final = tuple(RingResult)
"""The written values of the enums above. They never change: a new member of an enum goes to its end."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class Document(NamedTuple):
    """One contact's evidence. `reached_later`: whether the caller was answered in a later call, as last known."""

    contact_id: str
    evidence: list[Evidence]
    reached_later: bool | None = None


class UnreadableDocument(ValueError):
    """The bytes are not a document of this or an earlier version."""


def write(contact_id: str, evidence: Iterable[Evidence], reached_later: bool | None = None) -> bytes:
    """Return one contact's evidence as a document."""
    evidence = list(evidence)
    heard = [report.first_at for part in evidence for report in part.reports.values() if report.first_at]
    pen = _Pen(min(heard, default=_EPOCH))
    for part in evidence:
        pen.text(part.switch)
    whose, body = pen.text(contact_id), [pen.evidence(part) for part in evidence]
    return _encoder.encode((VERSION, pen.began, pen.texts(), whose, reached_later, body))


def read(document: bytes) -> Document:
    """Read a document. Raises `UnreadableDocument`."""
    try:
        version, began, texts, contact_id, reached_later, body = _decoder.decode(document)
        if version != VERSION:
            raise UnreadableDocument(f"written by another version: {version}")
        texts = _whole(texts)
        reader = _Reader(_EPOCH + began * _MICROSECOND, texts)
        return Document(texts[contact_id], [reader.evidence(part) for part in body], reached_later)
    except UnreadableDocument:
        raise
    except (msgspec.DecodeError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise UnreadableDocument(f"cannot be read: {error}") from error


class _Pen:
    """The writer of evidence as nested tuples of numbers; it notes the texts they name. 0 stands for no text."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self.began = (began - _EPOCH) // _MICROSECOND
        self._numbers: dict[str | None, int] = {None: 0}

    def texts(self) -> list[str | tuple[int, str]]:
        """Return the texts in order; one that begins with an earlier one as that one's number and the rest."""
        earlier: list[str] = []
        written: list[str | tuple[int, str]] = []
        for text in self._numbers:
            if text is not None:
                written.append(_short(text, earlier))
                earlier.append(text)
        return written

    def text(self, text: str | None) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def time(self, at: datetime | None) -> int | None:
        return None if at is None else (at - self._began) // _MICROSECOND

    def evidence(self, part: Evidence) -> tuple[Any, ...]:
        return (
            self.text(part.switch),
            self.text(part.leg_id),
            self.text(part.queue),
            [self._report(report) for report in part.reports.values()],
            [self.time(at) for at in part.missing],
            *(([self.text(leg_id) for leg_id in part.also],) if part.also or part.up else ()),
            *(([(self.text(leg_id), self.time(at)) for leg_id, at in part.up.items()],) if part.up else ()),
        )

    def _report(self, report: VisitReport) -> tuple[Any, ...]:
        text, time, moment = self.text, self.time, self._moment
        pieces: tuple[list[tuple[Any, ...]], ...] = (
            [
                (
                    *(said.piece, *moment(said.moment), said.known, _REASONS.index(said.reason)),
                    text(said.prev_visit_id),
                    *((text(said.queue), text(said.contact_id)) if said.queue or said.contact_id else ()),
                )
                for said in report.entries
            ],
            [
                (
                    said.piece,
                    *moment(said.moment),
                    text(said.agent_id),
                    *((text(said.ring_id),) if said.ring_id else ()),
                )
                for said in report.answers
            ],
            [
                (
                    *(end.piece, *moment(end.moment), _OUTCOMES.index(end.outcome), _STATED.index(end.basis)),
                    *(text(end.key), text(end.next_queue)),
                )
                for end in report.endings
            ],
            [
                (said.piece, *moment(said.moment), _ENDED_BY.index(said.ended_by), said.talk_ms, text(said.agent_id))
                for said in report.completions
            ],
            [(said.piece, *moment(said.moment)) for said in report.transfers],
        )
        rings = [
            (text(ring_id), None if result is None else _RINGS.index(result))
            for ring_id, result in report.rings.items()
        ]
        contacts = [(text(contact_id), precision_ms) for contact_id, precision_ms in report.contacts.items()]
        position = report.position and (time(report.position[0]), report.position[1])
        # an ordinary report has none of these, so they are left out
        rare = (rings, position, time(report.sighted_at)) if rings or position or report.sighted_at else ()
        heard = (time(report.first_at), time(report.last_at))
        return (text(report.visit_id), text(report.source), *heard, contacts, *pieces, *rare)

    def _moment(self, moment: Timestamp) -> tuple[int | None, int, int]:
        return self.time(moment.at), moment.precision_ms, _BASES.index(moment.basis)


def _short(text: str, earlier: list[str]) -> str | tuple[int, str]:
    length = place = 0
    for at, one in enumerate(earlier, start=1):
        if text.startswith(one) and len(one) > max(3, length):
            length, place = len(one), at
    return (place, text[length:]) if place else text


def _whole(texts: list[Any]) -> list[Any]:
    """Return the texts that `_Pen.texts` shortened; no text comes first."""
    whole: list[Any] = [None]
    for text in texts:
        whole.append(text if isinstance(text, str) else whole[text[0]] + text[1])
    return whole


class _Reader:
    """The reader of evidence that `_Pen` wrote."""

    def __init__(self, began: datetime, texts: list[Any]) -> None:
        self._began = began
        self._texts = texts

    def _time(self, written: int | None) -> Any:
        return None if written is None else self._began + written * _MICROSECOND

    def evidence(self, part: list[Any]) -> Evidence:
        switch, leg_id, queue, reports, missing, *rare = part
        texts = self._texts
        found = Evidence(switch=texts[switch], leg_id=texts[leg_id], queue=texts[queue])
        found.missing = tuple(self._time(at) for at in missing)
        found.also = tuple(texts[leg_id] for leg_id in (rare[0] if rare else ()))
        found.up = {texts[leg_id]: self._time(at) for leg_id, at in (rare[1] if len(rare) > 1 else ())}
        found.reports = {report.visit_id: report for report in map(self._report, reports)}
        return found

    def _report(self, written: list[Any]) -> VisitReport:
        texts, moment = self._texts, self._moment
        visit_id, source, first_at, last_at, contacts, entries, answers, endings, completions, transfers, *rare = (
            written
        )
        rings, position, sighted_at = rare or ((), None, None)
        return VisitReport(
            visit_id=texts[visit_id],
            source=texts[source],
            entries=tuple(
                [
                    Entry(
                        *(piece, moment(said), said[3], _REASONS[said[4]], texts[said[5]]),
                        *(texts[at] for at in said[6:8]),
                    )
                    for piece, *said in entries
                ]
            ),
            answers=tuple(
                [
                    Answer(piece, moment(said), texts[said[3]], texts[said[4]] if len(said) > 4 else None)
                    for piece, *said in answers
                ]
            ),
            endings=tuple(
                [
                    Ending(piece, moment(said), _OUTCOMES[said[3]], _STATED[said[4]], texts[said[5]], texts[said[6]])
                    for piece, *said in endings
                ]
            ),
            completions=tuple(
                [
                    Completion(piece, moment(said), _ENDED_BY[said[3]], said[4], texts[said[5]])
                    for piece, *said in completions
                ]
            ),
            transfers=tuple([Transfer(piece, moment(said)) for piece, *said in transfers]),
            rings={texts[ring_id]: None if result is None else _RINGS[result] for ring_id, result in rings},
            contacts={texts[contact_id]: precision_ms for contact_id, precision_ms in contacts},
            position=position and (self._time(position[0]), position[1]),
            sighted_at=self._time(sighted_at),
            first_at=self._time(first_at),
            last_at=self._time(last_at),
        )

    def _moment(self, said: list[Any]) -> Timestamp:
        return Timestamp(self._time(said[0]), said[1], _BASES[said[2]])
