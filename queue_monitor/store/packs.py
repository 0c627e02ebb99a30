"""The packs of old events: about 100 of them in one compressed piece, each with its number."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from queue_monitor.events import Event

PACK_SIZE: Final = 100


class DamagedPack(ValueError):
    """A pack that cannot be read."""


def packed(lines: Iterable[tuple[int, bytes]]) -> bytes:
    """Return events as JSON, a line each, behind the number of the event: the first one whole, then the increase."""
    last, written = 0, []
    for seq, body in lines:
        written.append(b"%d %b" % (seq - last, body.replace(b"\n", b" ")))  # JSON needs no line break
        last = seq
    return zlib.compress(b"\n".join(written), 9)


def unpacked(pack: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the events of a pack with their numbers: the inverse of `packed`. Raises `DamagedPack`."""
    try:
        seq = 0
        for line in zlib.decompress(pack).split(b"\n"):
            added, _, body = line.partition(b" ")
            seq += int(added)
            yield seq, body
    except (zlib.error, ValueError) as error:
        raise DamagedPack(str(error)) from error


def id_hash(source: str, event_id: str) -> bytes:
    """Return 16 bytes that stand for an event's source and id for ever."""
    text = f"{len(source)}:{source}{event_id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def key_hash(key: str) -> int:
    """Return a whole number of 8 bytes that stands for one of the keys of a call, or for a contact in the index of
    packs.

    Two that are equal by chance lead to a call too many, which does no harm.
    """
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def contact_hash(event: Event) -> int | None:
    """Return the hash of the contact that an event belongs to, as far as the event names it; None where it does not."""
    for field in ("contact_id", "leg_id", "visit_id"):
        if value := getattr(event, field, ""):
            return key_hash(f"{event.switch_name} {value}")
    return None
