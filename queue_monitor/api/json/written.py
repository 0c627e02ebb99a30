"""Words that a person writes for others to read: on one line, and without what may be a caller's number."""

import re
from http import HTTPStatus
from typing import Final

from queue_monitor import texts
from queue_monitor.api.responses import Problem

NUMBER: Final = re.compile(r"(?:\d[ -]?){7}")
"""Seven digits, as long as a telephone number: a caller's is never kept or sent. The page checks the same."""


def on_one_line(words: str) -> str:
    return " ".join(words.split())


def refuse_numbers(language: str, *words: str) -> None:
    """Raise `Problem` where some of the words hold what may be a caller's number."""
    if any(NUMBER.search(each) for each in words):
        raise unfit("error.no_numbers", language)


def unfit(key: str, language: str, **values: str) -> Problem:
    """Return the refusal of a body that cannot be used, in words."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_request", texts.say(key, language, **values))
