"""The last rejected items, as the monitor has kept them, to help find the sender of one."""

import msgspec

from queue_monitor.app.owned_store import store_options
from queue_monitor.commands.refusal_words import WORDS
from queue_monitor.config import Config
from queue_monitor.core.live import REJECTED
from queue_monitor.model import RejectedItem
from queue_monitor.ports import StoreError
from queue_monitor.store import open_store


async def last_rejected(config: Config) -> list[RejectedItem]:
    """Read the list from the store, oldest first; a running monitor writes it every ten seconds.

    Raises `StoreError`.
    """
    store = await open_store(config.store.url, own=False, **store_options(config))
    try:
        _, states = await store.load_states()
        return msgspec.msgpack.decode(states[REJECTED], type=list[RejectedItem]) if REJECTED in states else []
    except msgspec.DecodeError as error:
        raise StoreError(f"store.url: the list there is of another version: {error}") from error
    finally:
        await store.close()


def explained(items: list[RejectedItem]) -> list[str]:
    """Return a line for each reason that occurs, with what it means."""
    reasons = sorted({item.reason for item in items} & WORDS.keys())
    return [f"{reason}: {WORDS[reason]}" for reason in reasons]


def line(item: RejectedItem, config: Config) -> str:
    """Return one item as a line of text: time, source, reason and field, without the field's content."""
    at = item.at.astimezone(config.zone).isoformat(timespec="seconds")
    what = (
        f"  {item.field or 'the whole'} ({item.kind or 'text'}, length {item.length})" if item.field + item.kind else ""
    )
    return f"{at}  {item.source}  {item.reason}{what}  {item.detail}".rstrip()
