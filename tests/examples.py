"""Sets how many examples Hypothesis makes up: a third of what a property deserves in each run, all in `make soak`."""

import os
from typing import Any, Final

from hypothesis import settings

LONG: Final = "long"
"""The profile in which all are tried."""

HOUSE: Final = "house"
"""The profile of each run. In CI the same examples are tried each time."""

_ALL: Final = 100  # of a property that names no number
_SHARE: Final = 3

# A machine that is busy with the other tests is slow, not wrong.
settings.register_profile(LONG, deadline=None, max_examples=_ALL)
settings.register_profile(HOUSE, deadline=None, max_examples=-(-_ALL // _SHARE), derandomize=bool(os.environ.get("CI")))


def examples(number: int, **more: Any) -> settings:
    """Return settings with so many examples in `make soak`, and with a third of them in each run."""
    return settings(max_examples=number if settings().max_examples == _ALL else -(-number // _SHARE), **more)
