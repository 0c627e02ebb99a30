"""The inbox takes next from the source that has had fewest events taken, and a full line stops only a flood."""

import asyncio

from msgspec import structs

from queue_monitor.clock import SystemClock
from queue_monitor.ports import Delivery
from queue_monitor.runtime.inbox import MAX_IN_LINE, Inbox
from tests.scenario import TEN, Scenario

ONE = Scenario().entered(0, "anna").events[-1]


def delivery(source: str, events: int = 1) -> Delivery:
    return Delivery(items=(structs.replace(ONE, source=source),) * events, received_at=TEN)


async def filled(*deliveries: Delivery) -> Inbox:
    inbox = Inbox()
    for one in deliveries:
        await inbox.put(one)
    return inbox


def emptied(inbox: Inbox) -> list[str]:
    taken = []
    while inbox:
        taken.append(inbox.next().source)
    return taken


async def test_who_sends_little_is_ahead_of_who_sends_much():
    inbox = await filled(*[delivery("flood", 500)] * 3, *[delivery("quiet")] * 3)

    assert emptied(inbox) == ["flood", "quiet", "quiet", "quiet", "flood", "flood"]


async def test_who_was_quiet_takes_turns_with_a_flood_however_much_it_has_had():
    inbox = await filled(*[delivery("flood", 10)] * 40, delivery("other"))
    for _ in range(20):
        inbox.next()
    for _ in range(3):
        await inbox.put(delivery("late", 10))

    assert emptied(inbox)[:5] == ["flood", "late", "flood", "late", "flood"]


async def test_equal_shares_take_turns():
    inbox = await filled(*[delivery("a")] * 2, *[delivery("b")] * 2)

    assert emptied(inbox) == ["a", "b", "a", "b"]


async def test_a_full_line_holds_up_the_source_that_filled_it_and_no_other():
    inbox = await filled(*[delivery("flood", 500)] * (MAX_IN_LINE // 500))
    more = asyncio.create_task(inbox.put(delivery("flood")))
    await inbox.put(delivery("quiet"))
    await SystemClock().sleep(0)
    waited = not more.done()

    inbox.next()
    inbox.next()
    await more

    assert waited


async def test_nothing_waits_where_all_was_taken():
    inbox = await filled(delivery("a"))
    inbox.next()
    waiting = asyncio.create_task(inbox.wait())
    await SystemClock().sleep(0)
    idle = not waiting.done()
    await inbox.put(delivery("a"))
    await waiting

    assert idle
