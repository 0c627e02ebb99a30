"""Long work in pieces: done at once, or so that other work has its turn between two pieces."""

from collections.abc import Generator
from typing import Final, Protocol, TypeVar

Result = TypeVar("Result")

TURN_SECONDS: Final = 0.004
"""How long pieces are done one after the other before other work has its turn.

A turn of the event loop can take longer than a piece when many ask at once, so a turn after every piece would delay the
whole work by far more than the work itself takes.
"""


class Clock(Protocol):
    """The part of `ports.Clock` that work in turns needs."""

    rate: float

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


def finished(work: Generator[None, None, Result]) -> Result:
    """Return the result of work in pieces, done at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Result = done.value
            return result


async def in_turns(work: Generator[None, None, Result], clock: Clock) -> Result:
    """Return the result of work in pieces; other work has its turn after each `TURN_SECONDS` of real time."""
    began = clock.monotonic()
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Result = done.value
            return result
        if clock.monotonic() - began >= TURN_SECONDS * clock.rate:
            await clock.sleep(0)
            began = clock.monotonic()
