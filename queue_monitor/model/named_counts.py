"""The counts of calls that people see by name, declared once: history page, its files, report and metrics follow it."""

from typing import Final, NamedTuple


class NamedCount(NamedTuple):
    """One count with its name for people.

    `name`: the attribute of `Counts`.
    `words`: the key of its name in `texts`.
    `result`: the label `result` under which the metric `callqueue_period_calls` has it; "" for none. Counts with the
        same one are together there, as the attribute of that name.
    `at_zero`: it is shown where it is 0, too.
    """

    name: str
    words: str
    result: str = ""
    at_zero: bool = False


NAMED_COUNTS: Final = (
    NamedCount("dialled", "history.dialled", at_zero=True),
    NamedCount("entered", "entered", at_zero=True),
    NamedCount("answered_in_time", "history.in_time", "answered_in_time", at_zero=True),
    NamedCount("answered_late", "history.late", "answered_late", at_zero=True),
    NamedCount("answered_unjudged", "history.unjudged", "answered_unjudged"),
    NamedCount("abandoned_short", "history.abandoned_short", "abandoned"),
    NamedCount("abandoned_in_time", "history.abandoned_in_time", "abandoned"),
    NamedCount("abandoned_later", "history.abandoned_late", "abandoned"),
    NamedCount("left_otherwise", "file.left_otherwise", "left_otherwise"),
    NamedCount("called_back", "history.called_back", "called_back"),
    NamedCount("excluded", "history.excluded", "excluded"),
    NamedCount("unknown", "history.unknown", "unknown"),
    NamedCount("waiting", "history.waiting", "waiting"),
    NamedCount("refused", "refused", "refused", at_zero=True),
)
"""Each dialled call is in exactly one of those that have a `result`."""
