"""The pauses by which long work inside a transaction gives others a turn of the event loop."""

from collections.abc import Generator, Iterable, Iterator
from typing import Final, TypeVar

from sqlalchemy.util import await_only

T = TypeVar("T")

_EVERY: Final = 150


class _Turn:
    def __await__(self) -> Generator[None, None, None]:
        yield


async def _turn() -> None:
    await _Turn()


def give_way() -> None:
    """Let the event loop do what it has to do; only inside `AsyncConnection.run_sync`."""
    await_only(_turn())


def giving_way(things: Iterable[T], every: int = _EVERY) -> Iterator[T]:
    """Yield these things, with a turn for others after each `every` of them."""
    for number, thing in enumerate(things, 1):
        yield thing
        if number % every == 0:
            give_way()
