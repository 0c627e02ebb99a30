"""Poison through every door of a running monitor, with good callers in between: each of them is counted, once."""

import asyncio
import json
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from queue_monitor.clock import SystemClock
from tests.api.centre import Centre
from tests.whole.doors import Door, all_doors, asked
from tests.whole.poison import Poison

SEED = os.environ.get("POISON_SEED", "1")
"""The same gives the same messages."""

BAD_PER_GOOD = 20
MAX_MEMORY_MB = 400.0
"""A start takes some 170 MB; beside it memory holds what was accepted of the last hours.

100,000 messages took 338 MB.
"""
KINDS = {"http", "mqtt", "asterisk_queuelog", "asterisk_ami", "freeswitch"}


def counted(told: Centre, doors: tuple[Door, ...]) -> dict[str, tuple[int, int]]:
    """How many good callers came and how many hung up, by the door's queue."""
    came, left = Counter[str](), Counter[str]()
    for line in asked(told, "/metrics").splitlines():
        if found := re.match(
            r'callqueue_(entered|left)_total\{(?:outcome="abandoned",)?queue="([^"]*)".*\} (\S+)', line
        ):
            queue = found[2].partition("@")[0]
            (came if found[1] == "entered" else left)[queue] += int(float(found[3]))
    return {door.queue: (came[door.queue], left[door.queue]) for door in doors}


async def one_sender(door: Door, messages: int, broken_of: int) -> None:
    """So many bad messages, one of `broken_of` ending in the middle, and a good caller after every twenty."""
    poison = Poison(f"{SEED} {door.queue}")
    for number in range(1, messages + 1):
        await (door.broken if number % broken_of == 0 else door.bad)(poison)
        if number % BAD_PER_GOOD == 0:
            await door.good(number // BAD_PER_GOOD)


async def poisoned(folder: Path, messages: int, *, broken_of: int, patience: float) -> None:
    """`messages`: through each door."""
    async with all_doors(folder) as whole:
        told, doors = whole.told, whole.doors
        began = time.monotonic()
        await asyncio.gather(*(one_sender(door, messages, broken_of) for door in doors))
        sent_in, expected = time.monotonic() - began, (messages // BAD_PER_GOOD,) * 2
        memory = told.memory_mb()
        until = time.monotonic() + patience
        while (found := await asyncio.to_thread(counted, told, doors)) != dict.fromkeys(found, expected):
            assert told.monitor.process.poll() is None, told.monitor.log.read_text()[-6_000:]
            assert time.monotonic() < until, (found, expected)
            await SystemClock().sleep(1.0)
        log = told.monitor.log.read_text()
        print(
            f"\n{messages * len(doors)} bad messages in {sent_in:.0f} s, {expected[0]} good ones of each door counted "
            f"after {time.monotonic() - began:.0f} s; {memory:.0f} MB then, {told.memory_mb():.0f} MB now; "
            f"{told.cpu_seconds():.0f} s of processor"
        )

        assert told.monitor.process.poll() is None
        assert told.memory_mb() < MAX_MEMORY_MB
        assert json.loads(asked(told, "/readyz")) == {"status": "ok", "reasons": []}
        assert [line for line in log.splitlines() if "Traceback" in line or "own code failed" in line] == []
        refused_at = set(re.findall(r'callqueue_rejected_total\{.*source="urn:kc:(\w+):', asked(told, "/metrics")))
        assert refused_at >= KINDS


async def test_a_thousand_bad_messages_through_the_doors_cost_no_good_caller(tmp_path: Path):
    await poisoned(tmp_path, 200, broken_of=60, patience=40.0)


@pytest.mark.soak
async def test_a_hundred_thousand_bad_messages_through_every_door_cost_no_good_caller(tmp_path: Path):
    await poisoned(tmp_path, 20_000, broken_of=2_000, patience=600.0)
