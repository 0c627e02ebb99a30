"""The bars that show on a terminal how far a command is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


@contextmanager
def counted_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Return a bar that takes how much is done, of how much."""
    with _bar(what, None) as (progress, task):

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Return a bar that counts steps."""
    with _bar(what, total) as (progress, task):

        def advance(steps: int) -> None:
            progress.advance(task, steps)

        yield advance


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """Yield a bar on a terminal; none where nobody looks."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task(what, total=total)
