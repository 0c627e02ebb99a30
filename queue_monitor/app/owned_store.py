"""Opens the store for a monitor with these sources, and writes each start into its audit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from queue_monitor import __version__
from queue_monitor.config import Config, changed, only_simulates, written_out
from queue_monitor.model import AdminAct
from queue_monitor.ports import Clock, StoreError
from queue_monitor.store import SqlStore, open_store

SETTINGS: Final = "settings"


async def record_settings(store: SqlStore, config: Config, clock: Clock) -> None:
    """Record in the audit that the monitor starts, and which settings differ from those of the start before."""
    now, before = written_out(config), await store.noted(SETTINGS)
    differs = changed(msgspec.json.decode(before, type=dict[str, str]), now) if before else ["the first start"]
    detail = "; ".join(differs)
    await store.save_act(AdminAct(at=clock.now(), who="", origin="", act=SETTINGS, subject=__version__, detail=detail))
    await store.note(SETTINGS, msgspec.json.encode(now).decode())


async def own_store(config: Config, progress: Callable[[int, int], None] | None = None) -> SqlStore:
    """Open the store for a monitor with these sources. Real calls and simulated ones never share one.

    Raises `StoreInUse` when another monitor owns it, `StoreError` when it cannot be used.
    """
    store = await open_store(config.store.url, **store_options(config), progress=progress)
    try:
        if not only_simulates(config.sources):
            if await store.is_simulated():
                raise StoreError(
                    "store.url: a simulation has written its made-up calls there. Name another store, or empty this "
                    "one with: queue-monitor wipe --config FILE"
                )
        elif config.sources:
            if await store.holds_real():
                raise StoreError(
                    "store.url: real calls lie there, and a simulation would mix its made-up ones with them. "
                    "Name another store for it"
                )
            await store.mark_simulated()
    except BaseException:
        await store.close()
        raise
    return store


def store_options(config: Config) -> dict[str, Any]:
    """Return what `open_store` needs besides the address: time zone, how agents are kept, the key file."""
    return {"zone": config.zone, "agents": config.store.agents, "agent_key": Path(config.store.agent_key)}
