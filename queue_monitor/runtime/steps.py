"""Steps of the monitor's own work: a bug in one stops the monitor once, and later starts go on without that step."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from queue_monitor.ports import StoreError
from queue_monitor.runtime.fault import BrokenStep, Fault

log = logging.getLogger(__name__)


class Steps:
    """The steps of its own work that the monitor leaves out because a bug in them has stopped it before."""

    def __init__(self) -> None:
        self._skipped: Collection[str] = ()
        self._gone_without: set[str] = set()

    def skip(self, keys: Collection[str]) -> None:
        """Go on without the steps with these keys."""
        self._skipped = keys

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """Do work in which a fault of our own code is not the fault of an event. Raises `BrokenStep`.

        A step that has stopped the monitor before is logged once and left out while it raises the same.
        """
        try:
            yield
        except (Fault, StoreError):
            raise
        except Exception as error:
            fault = BrokenStep(name, error)
            if fault.key not in self._skipped:
                raise fault from error
            if fault.key not in self._gone_without:
                self._gone_without.add(fault.key)
                log.critical("the monitor goes on without a step that has stopped it before: %s", name, exc_info=error)
