"""Marks ids that a switch uses again: a later call under the same id is told apart by the time at which it began."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_MARK: Final = re.compile(r"@\d{4}-\d\d-\d\dT[\d:.]+\+00:00$")


def used_again(known_as: str, began: datetime) -> str:
    """Return another id for what began at this time, because something before had this id."""
    return f"{known_as}@{began.astimezone(UTC).isoformat()}"


def as_stated(known_as: str) -> str:
    """Return an id as its source states it, without what `used_again` put to it."""
    return _MARK.sub("", known_as) if known_as.endswith("+00:00") else known_as


def without_earlier_calls(contacts: Mapping[str, int]) -> Mapping[str, int]:
    """Return these contacts; a report names an id that was used again as its source does, and means the later call."""
    if len(contacts) < 2:
        return contacts
    again = {stated for one in contacts if (stated := as_stated(one)) != one}
    return {one: precision_ms for one, precision_ms in contacts.items() if one not in again} if again else contacts
