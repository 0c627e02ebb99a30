"""Steps of the monitor's own work: a bug in one stops it once, and is gone without from the next start on."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from queue_monitor.ports import StoreError
from queue_monitor.runtime.fault import BrokenStep, Fault

log = logging.getLogger(__name__)


class Steps:
    """Knows which steps have stopped the monitor before, by their keys."""

    def __init__(self) -> None:
        self.skipped: Collection[str] = ()
        self._gone_without: set[str] = set()

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """Do work that no event is to blame for when our own code raises in it. What has stopped the monitor before is
        said in the log, once, and gone without for as long as the same is raised. Raises `BrokenStep` for what has not.
        """
        try:
            yield
        except (Fault, StoreError):
            raise
        except Exception as error:
            fault = BrokenStep(name, error)
            if fault.key not in self.skipped:
                raise fault from error
            if fault.key not in self._gone_without:
                self._gone_without.add(fault.key)
                log.critical("the monitor goes on without a step that has stopped it before: %s", name, exc_info=error)
