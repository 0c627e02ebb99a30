"""The queues and pools that can be chosen where the past is shown.

A queue that only the past has, as from an import, is on no wall. A pool is its queues: those of a pool in the settings,
those that share people now, or those that a link names because they were a pool when it was made.
"""

from collections.abc import Iterable, Iterator

from msgspec import structs

from queue_monitor.model import QueueNow, Snapshot
from queue_monitor.queues import QueueKey, keys_of, pool_of, queue_key, queues_of_pool
from queue_monitor.reports.desk import Reports


def past_queues(snapshot: Snapshot) -> tuple[QueueNow, ...]:
    """Return the queues that have calls in the history and no place in the snapshot, by name.

    Only their names are their own: what stands of the present in them is of no queue.
    """
    shown = {queue_key(face.name) for face in snapshot.queues}
    names = sorted((name for name in snapshot.totals if queue_key(name) not in shown), key=queue_key)
    return tuple(structs.replace(snapshot.total, name=name, label=name, queues=(name,)) for name in names)


def past_pools(snapshot: Snapshot, reports: Reports | None) -> tuple[QueueNow, ...]:
    """Return the pools of the settings whose queues are all known, and then those that share people now.

    `reports`: None without a database.
    """
    known = _known(snapshot)
    named = [pool for pool in (reports.named_pools if reports else ()) if len(pool) > 1 and pool <= known.keys()]
    now = [pool.queues for pool in snapshot.pools if keys_of(pool.queues) not in named]
    of_settings = [tuple(sorted(known[key] for key in pool)) for pool in named]
    return tuple(_pool(snapshot, reports, queues, known) for queues in (*of_settings, *now))


def chosen_of_past(snapshot: Snapshot, asked: str, reports: Reports | None) -> QueueNow | None:
    """Return the queue or pool of that name, of the present or the past; the total without a name, None for no such
    queue.
    """
    if not asked:
        return snapshot.total
    faces = (*past_pools(snapshot, reports), *snapshot.queues, *past_queues(snapshot))
    found = next((face for face in faces if queue_key(face.name) == queue_key(asked)), None)
    if found is not None:
        return found
    known = _known(snapshot)
    queues = queues_of_pool(asked, known)
    return _pool(snapshot, reports, queues, known) if queues else None


def is_pool(face: QueueNow) -> bool:
    """Return whether this is several queues, and not all."""
    return bool(face.name) and len(face.queues) > 1


def shown_queues(snapshot: Snapshot, queues: Iterable[str]) -> str:
    """Return the names that people are shown for these queues, in one line."""
    labels = {queue_key(face.name): face.label for face in snapshot.queues}
    return ", ".join(labels.get(queue_key(queue), queue) for queue in queues)


def _known(snapshot: Snapshot) -> dict[QueueKey, str]:
    """Return the names of all queues of the present and the past, by key."""
    return {queue_key(name): name for name in _names(snapshot)}


def _names(snapshot: Snapshot) -> Iterator[str]:
    yield from snapshot.totals
    yield from (face.name for face in snapshot.queues)


def _pool(snapshot: Snapshot, reports: Reports | None, queues: tuple[str, ...], known: dict[QueueKey, str]) -> QueueNow:
    pool = pool_of(queues, known)
    its = next((face for face in snapshot.pools if keys_of(face.queues) == pool.keys), snapshot.total)
    label = reports.scope(queues).label if reports else its.label or pool.name
    return structs.replace(its, name=pool.name, label=label, queues=queues)
