"""`queue-monitor` with a bug planted in it: the live state raises on every event whose visit ends in "bug"."""

import sys

from queue_monitor.__main__ import main
from queue_monitor.core.live import ApplyResult, Live
from queue_monitor.events import Event

_apply = Live.apply


def apply(self: Live, event: Event) -> ApplyResult:
    if getattr(event, "visit_id", "").endswith("bug"):
        raise OverflowError("planted")
    return _apply(self, event)


if __name__ == "__main__":
    Live.apply = apply  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
