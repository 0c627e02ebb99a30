"""What a line of the log may say, whoever wrote the words in it."""

import logging
from io import StringIO
from typing import Any

import numpy as np

from queue_monitor.app.logs import FORGOTTEN_AFTER, MAX_KNOWN, Formatter, Handler

FORMATTER = Formatter("%(levelname)s %(name)s %(message)s")


def failing(at: float, words: str = "page failed") -> logging.LogRecord:
    """A record of a bug, some seconds after a moment."""
    try:
        raise ZeroDivisionError("somewhere")
    except ZeroDivisionError as error:
        record = logging.LogRecord("a", logging.ERROR, "", 1, words, (), (type(error), error, error.__traceback__))
    record.created = at
    return record


def written(*records: logging.LogRecord) -> list[str]:
    """The lines of the log, without the insides of a traceback."""
    stream = StringIO()
    handler = Handler(stream)
    handler.setFormatter(FORMATTER)
    for record in records:
        handler.handle(record)
    return [line for line in stream.getvalue().splitlines() if "Traceback" in line or not line.startswith("    ")]


BUG, TRACE = "ERROR a page failed", "    Traceback (most recent call last):"


def test_a_traceback_that_comes_again_and_again_is_written_once_and_counted():
    assert written(*(failing(second) for second in range(250))) == [
        BUG,
        TRACE,
        f"{BUG} (again, times=10)",
        f"{BUG} (again, times=100)",
    ]


def test_another_traceback_and_other_words_are_written_even_so():
    try:
        raise ZeroDivisionError("elsewhere")
    except ZeroDivisionError as error:
        other = logging.LogRecord(
            "a", logging.ERROR, "", 1, "page failed", (), (type(error), error, error.__traceback__)
        )
    other.created = 2.0

    found = written(failing(0), failing(1), other, failing(3, "other words"), failing(4))

    assert found == [BUG, TRACE, BUG, TRACE, "ERROR a other words", TRACE]


def test_a_traceback_that_was_gone_for_an_hour_is_written_anew():
    hour = FORGOTTEN_AFTER.total_seconds()

    assert written(failing(0), failing(hour), failing(2 * hour + 1)) == [BUG, TRACE, BUG, TRACE]


def test_lines_without_a_traceback_are_all_written():
    assert (
        written(*(logging.LogRecord("a", logging.INFO, "", 1, "up", (), None) for _ in range(3))) == ["INFO a up"] * 3
    )


def test_however_many_tracebacks_come_few_are_remembered():
    handler = Handler(StringIO())
    for number in range(MAX_KNOWN + 50):
        handler.handle(failing(number, f"words {number}"))

    assert len(handler._known) == MAX_KNOWN


def line(message: str, *parts: Any, error: Exception | None = None) -> str:
    told = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("queue_monitor", logging.WARNING, "", 1, message, parts, told)
    return FORMATTER.format(record)


def test_others_forge_no_line():
    assert line("rejected detail=%s", "a\n2026-01-01 INFO forged\r\x1b[31m") == (
        "WARNING queue_monitor rejected detail=a\\x0a2026-01-01 INFO forged\\x0d\\x1b[31m"
    )


def test_what_others_wrote_shows_no_number_and_our_own_counts_stay():
    assert line("id=%s calls=%d", "+46701740605/joined", 12345678) == "WARNING queue_monitor id=…/joined calls=12345678"
    assert line("%.1f of %d", np.float64(0.5), np.int64(12345678)) == "WARNING queue_monitor 0.5 of 12345678"
    assert line("id=%s", ValueError("070-174 06 05")) == "WARNING queue_monitor id=…"
    assert line("from 46701740605, as a library says it") == "WARNING queue_monitor from …, as a library says it"


def test_a_traceback_shows_no_number_and_none_of_its_lines_looks_like_a_record():
    try:
        raise ValueError("46701740605\nWARNING queue_monitor forged")
    except ValueError as error:
        first, *others = line("failed", error=error).splitlines()

    assert first == "WARNING queue_monitor failed"
    assert others
    assert all(other.startswith("    ") for other in others)
    assert "46701740605" not in "".join(others)


def test_a_record_is_left_as_it_was_for_other_handlers():
    record = logging.LogRecord("a", logging.INFO, "", 1, "id=%s", ("0701740605",), None)

    FORMATTER.format(record)

    assert record.getMessage() == "id=0701740605"
