"""Delivers the events of the switch as they reach us: lost, doubled and shuffled, if so configured."""

import random
from datetime import timedelta

from msgspec import structs

from queue_monitor.events import Event, short_type
from queue_monitor.simulation.day import Config, Duplicates, Losses, Shuffle, generator


def delivered(told: list[Event], config: Config) -> list[Event]:
    """Return the events that reach us: some of them lost, doubled or out of order, if so configured.

    The source's own events, and snapshots, always come and in their place: nothing is moved across them.
    """
    chance = random.Random(int(generator(config, 5).integers(2**62)))
    arrived = told
    for fault in config.faults:
        if isinstance(fault, Losses):
            arrived = [event for event in arrived if _is_fixed(event) or chance.random() >= fault.ratio]
        elif isinstance(fault, Duplicates):
            arrived = _doubled(arrived, fault.ratio, chance)
        elif isinstance(fault, Shuffle):
            arrived = _shuffled(arrived, fault.seconds, chance)
    return arrived


def _is_fixed(event: Event) -> bool:
    return short_type(event).startswith(("source.", "queue."))


def _doubled(events: list[Event], ratio: float, chance: random.Random) -> list[Event]:
    delays = [(event, 0.0) for event in events]
    again = [(event, chance.uniform(0, 2)) for event in events if not _is_fixed(event) and chance.random() < ratio]
    return [event for event, _ in _in_order(delays + again)]


def _shuffled(events: list[Event], seconds: float, chance: random.Random) -> list[Event]:
    delays = [(event, 0.0 if _is_fixed(event) else chance.uniform(0, seconds)) for event in events]
    return [
        structs.replace(event, observed_at=event.observed_at + timedelta(milliseconds=int(delay * 1000)))
        for event, delay in _in_order(delays)
    ]


def _in_order(delayed: list[tuple[Event, float]]) -> list[tuple[Event, float]]:
    return sorted(delayed, key=lambda pair: pair[0].observed_at + timedelta(seconds=pair[1]))
