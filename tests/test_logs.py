"""What a line of the log may say, whoever wrote the words in it."""

import logging
from typing import Any

import numpy as np

from queue_monitor.app.logs import Formatter

FORMATTER = Formatter("%(levelname)s %(name)s %(message)s")


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
