"""Queues that only the past has, as from an import: they are on no wall, and can be chosen where the past is shown."""

from msgspec import structs

from queue_monitor.api.pages.lead import chosen
from queue_monitor.model import QueueNow, Snapshot
from queue_monitor.queues import queue_key


def past_queues(snapshot: Snapshot) -> tuple[QueueNow, ...]:
    """Return the queues that have calls in the history and no place in the snapshot, by name.

    Only their names are their own: what stands of the present in them is of no queue.
    """
    shown = {queue_key(face.name) for face in snapshot.queues}
    names = sorted((name for name in snapshot.totals if queue_key(name) not in shown), key=queue_key)
    return tuple(structs.replace(snapshot.total, name=name, label=name, queues=(name,)) for name in names)


def chosen_of_past(snapshot: Snapshot, asked: str) -> QueueNow | None:
    """Return the queue or pool of that name, of the present or the past; the total without a name, None for no such
    queue.
    """
    found = chosen(snapshot, asked)
    if found is not None:
        return found
    return next((face for face in past_queues(snapshot) if queue_key(face.name) == queue_key(asked)), None)
