"""The whole monitor beside a real Asterisk: one rush, watched by five monitors, each with its own misfortune.

`both` reads the manager interface through a proxy and the queue_log; it begins when callers wait already, its line is
cut for fifteen seconds, it is stopped (and the log rotated meanwhile), killed twice, and lives through a
restart and a crash of Asterisk.
`alone` reads the manager interface only, through the same cut, and is killed. `narrow` has an account without the read
classes dialplan and system, `filtered` one whose eventfilter keeps VarSet back. `locked_out` has the wrong password,
and the log alone. What the callers say of themselves is the truth.

Run by `make asterisk`; about six minutes.
"""

import asyncio
import json
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from queue_monitor.core.ledger import Ledger
from queue_monitor.model import Outcome, Visit
from queue_monitor.store import open_store
from tests.adapters.proxy import Proxy
from tests.asterisk.callers import CLOCK, Call, Callers, Control, MergedVisit, Truth, rush
from tests.asterisk.switch import AGENTS, QUEUES, SECRET, Switch, running
from tests.test_service import Monitor

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(1500)]

OUTAGE_SECONDS = 15

HOURS = """
[hours]
holidays = "none"
[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
open = "00:00"
close = "23:59"
"""


class Watch:
    """One monitor on one switch, with settings and a journal of its own, that may be stopped and started again."""

    def __init__(self, folder: Path, sources: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "settings.toml").write_text(HOURS + sources)
        self.monitor: Monitor | None = None
        self.last: dict[str, Any] = {}

    async def start(self) -> None:
        settings = {"QUEUE_MONITOR_STORE__SPILL": str(self.folder / "spill.jsonl")}
        arguments = ("--config", str(self.folder / "settings.toml"))
        self.monitor = await asyncio.to_thread(lambda: Monitor(self.folder, *arguments, **settings))

    async def status(self) -> dict[str, Any]:
        assert self.monitor is not None
        self.last = await asyncio.to_thread(self.monitor.status)
        return self.last

    async def until_up(self, kind: str, seconds: float = 30) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            status = await self.status()
            if any(f":{kind}:" in source["name"] and source["up"] for source in status["sources"]):
                return status
            await CLOCK.sleep(0.1)
        raise AssertionError(f"{kind} is not up: {json.dumps(self.last['sources'], indent=1)}\n{self.log()}")

    async def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.monitor is not None
        return await asyncio.to_thread(self.monitor.stop, number)

    def kill(self) -> None:
        if self.monitor and self.monitor.process.poll() is None:
            self.monitor.stop(signal.SIGKILL)

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    async def visits(self) -> tuple[list[Visit], int]:
        """What the journal adds up to, read back by itself; and how many were refused."""
        store = await open_store(f"sqlite:///{self.folder / 'journal.db'}")
        ledger = Ledger()
        try:
            async for event in store.read(CLOCK.now() - timedelta(days=1)):
                ledger.apply(event)
        finally:
            await store.close()
        return list(ledger.visits()), sum(1 for _ in ledger.refusals())


@dataclass
class Match:
    """A monitor's visits beside the truth's stays."""

    pairs: list[tuple[MergedVisit, Visit]] = field(default_factory=list)
    missing: list[MergedVisit] = field(default_factory=list)
    extra: list[Visit] = field(default_factory=list)

    def wrong(self, *allowing: str) -> list[tuple[MergedVisit, str]]:
        same = {"timeout": {"timeout", "overflow"}, "withdrawn": {"withdrawn", "callback"}}
        return [
            (stay, visit.outcome.value)
            for stay, visit in self.pairs
            if visit.outcome.value not in same.get(stay.outcome, {stay.outcome}) | set(allowing)
        ]

    def beyond_the_log(self) -> list[MergedVisit]:
        """Who was moved out of a queue while the log alone listened, and was gone when the interface was back: the log
        has the same line for one who hangs up.
        """
        return [
            stay
            for stay, visit in self.pairs
            if (stay.outcome, visit.outcome.value) == ("transferred_out", "abandoned") and visit.precision_ms >= 1000
        ]

    def errors(self, *, coarse: bool) -> list[float]:
        return sorted(
            abs(visit.wait_ms / 1000 - stay.wait)
            for stay, visit in self.pairs
            if stay.wait is not None and visit.wait_ms is not None and (visit.precision_ms >= 1000) is coarse
        )


def match(stays: list[MergedVisit], visits: list[Visit]) -> Match:
    """Lay each real stay beside the visit of the same caller and queue that began nearest."""
    found, left = Match(), list(visits)
    for stay in stays:
        near = [
            (abs(visit.entered_at.timestamp() - stay.entered), at)
            for at, visit in enumerate(left)
            if visit.entered_at and (visit.leg_id, visit.queue) == (f"pbx:{stay.leg}", stay.queue)
        ]
        if near and min(near)[0] <= 2.5:
            found.pairs.append((stay, left.pop(min(near)[1])))
        else:
            found.missing.append(stay)
    found.extra = left
    return found


@dataclass
class Look:
    """What a monitor showed at a moment, beside who really waited then, and who came or went just then."""

    shown: list[dict[str, Any]]
    stays: list[MergedVisit]
    at: float

    @property
    def waits(self) -> tuple[list[float], list[float], int]:
        """Seconds shown; seconds of those who waited for certain; how many more may have waited, too."""
        waited = [stay for stay in self.stays if stay.ended is not None and stay.ended > self.at - 2]
        sure = [stay for stay in waited if stay.entered < self.at - 2 and (stay.ended or 0) > self.at + 0.5]
        shown = sorted(line["queue_wait_seconds"] for line in self.shown)
        return shown, sorted(self.at - stay.entered for stay in sure), len(waited) - len(sure)


@dataclass
class ContactHistory:
    """All that was seen."""

    truth: Truth
    version: str
    looks: dict[str, Look] = field(default_factory=dict)
    final: dict[str, dict[str, Any]] = field(default_factory=dict)
    visits: dict[str, list[Visit]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    cut_status: dict[str, Any] = field(default_factory=dict)
    paused_status: dict[str, Any] = field(default_factory=dict)
    back_after: float = 0.0
    stopped: int = -1
    lost: int = 0
    seconds: float = 0.0

    def match(self, who: str) -> Match:
        return match(self.truth.stays, self.visits[who])

    def confused(self, who: str) -> list[tuple[str, str]]:
        """People with more than one contact, and contacts of more than one person."""
        pairs = {(stay.call.partition("/")[0], visit.contact_id) for stay, visit in self.match(who).pairs}
        people, contacts = Counter(person for person, _ in pairs), Counter(contact for _, contact in pairs)
        return sorted((person, contact) for person, contact in pairs if people[person] > 1 or contacts[contact] > 1)

    def shown(self, who: str, queue: str) -> Counter[str]:
        """A monitor's own figures of today's visits, in the words of the truth."""
        day = next(one for one in self.final[who]["queues"] if one["name"] == queue)["visits_today"]
        found = Counter({name: day[name] for name in ("entered", "answered", "abandoned", "unknown")})
        found += Counter(day["left"])
        found["timeout"] += found.pop("overflow", 0)
        found["withdrawn"] += found.pop("callback", 0)
        found["refused"] = day["refused_total"]
        return +found


def ami(port: int, user: str = "monitor", secret: str = SECRET) -> str:
    return f"""
[[sources]]
name = "ami"
kind = "asterisk_ami"
switch = "pbx"
port = {port}
username = "{user}"
secret = "{secret}"
snapshot_seconds = 10.0
"""


def queue_log(switch: Switch, place: Path | None = None) -> str:
    return f"""
[[sources]]
name = "log"
kind = "asterisk_queuelog"
switch = "pbx"
path = "{switch.queue_log}"
state_path = "{place or ""}"
"""


async def tell(switch: Switch, folder: Path) -> ContactHistory:
    """The rush from beginning to end."""
    control = Control(switch.port)
    await control.open()
    callers = Callers(control)
    hearing = asyncio.create_task(callers.listen())
    async with Proxy(switch.port) as line, Proxy(switch.port) as other:
        watches = {
            "both": Watch(folder / "both", ami(line.port) + queue_log(switch, folder / "place.json")),
            "alone": Watch(folder / "alone", ami(other.port)),
            "narrow": Watch(folder / "narrow", ami(switch.port, "narrow")),
            "filtered": Watch(folder / "filtered", ami(switch.port, "filtered")),
            "locked_out": Watch(folder / "locked_out", ami(switch.port, secret="fel") + queue_log(switch)),
        }
        story = ContactHistory(callers.truth, switch.version)
        try:
            began = time.monotonic()
            await _before_the_restart(story, callers, watches, (line, other))
            for number, restart in enumerate((_restart, _crash)):
                control = await restart(story, callers, switch)
                hearing.cancel()
                callers = Callers(control, callers.truth)
                hearing = asyncio.create_task(callers.listen())
                await _after_a_restart(callers, watches, rush(40, 30, 11 + number, "bc"[number]))
            await _end(story, watches)
            story.seconds = time.monotonic() - began
        finally:
            hearing.cancel()
            for watch in watches.values():
                watch.kill()
            await control.close()
    return story


async def _before_the_restart(
    story: ContactHistory, callers: Callers, watches: dict[str, Watch], lines: tuple[Proxy, Proxy]
) -> None:
    both, alone = watches["both"], watches["alone"]
    await asyncio.gather(*(watches[name].start() for name in ("narrow", "filtered", "locked_out")))
    making = asyncio.create_task(callers.make(rush(430, 240, 7, "a")))
    beside = asyncio.create_task(_managers(story, callers, watches["narrow"]))
    await CLOCK.sleep(8)
    await _some_wait(callers, "w", limit=26)
    await asyncio.gather(both.start(), alone.start())
    for name in ("both", "alone"):
        await watches[name].until_up("asterisk_ami")
    await CLOCK.sleep(1)
    story.looks["attached"] = await _look(alone, callers)
    await CLOCK.sleep(12)
    await asyncio.gather(*(line.cut() for line in lines))
    await CLOCK.sleep(OUTAGE_SECONDS - 2)
    await _some_wait(callers, "c", limit=26)
    story.cut_status = await both.status()
    await asyncio.gather(*(line.mend() for line in lines))
    mended = time.monotonic()
    await both.until_up("asterisk_ami", 40)
    story.back_after = time.monotonic() - mended
    await alone.until_up("asterisk_ami", 40)
    await CLOCK.sleep(1)
    story.looks["back"] = await _look(both, callers)
    await CLOCK.sleep(3)
    story.stopped = await both.stop(signal.SIGTERM)
    await callers.control.ask("Command", Command="logger rotate")
    await _some_wait(callers, "d", limit=22)
    await both.start()
    await both.until_up("asterisk_ami")
    await CLOCK.sleep(6)
    await asyncio.gather(both.stop(signal.SIGKILL), alone.stop(signal.SIGKILL))
    await asyncio.gather(both.start(), alone.start())
    await asyncio.gather(both.until_up("asterisk_ami"), alone.until_up("asterisk_ami"))
    await CLOCK.sleep(1)
    story.looks["killed"] = await _look(both, callers)
    await CLOCK.sleep(25)
    await both.stop(signal.SIGKILL)
    await CLOCK.sleep(8)
    await both.start()
    await both.until_up("asterisk_ami")
    await CLOCK.sleep(1)
    story.looks["killed again"] = await _look(both, callers)
    await making
    await beside


async def _managers(story: ContactHistory, callers: Callers, watch: Watch) -> None:
    """People at desks: two callers are taken out to be called back; bygglov stands empty for a while."""
    ask = callers.control.ask
    await CLOCK.sleep(22)
    for stay, info in zip(callers.truth.waiting("kundcenter")[-2:], ("callback", "later"), strict=False):
        await ask("QueueWithdrawCaller", Queue=stay.queue, Caller=stay.channel, WithdrawInfo=info)
    await CLOCK.sleep(28)
    for number in range(2):
        await callers.dial(Call(f"e{number}", "bygglov", 0, ring=8, limit=25))
    await CLOCK.sleep(1)
    for paused in ("true", "false"):
        for number in AGENTS["bygglov"]:
            await ask("QueuePause", Interface=f"Local/{number}@agents/n", Paused=paused, Queue="bygglov")
        if paused == "true":
            await CLOCK.sleep(14)
            story.paused_status = await watch.status()


async def _look(watch: Watch, callers: Callers) -> Look:
    status = await watch.status()
    return Look(status["total"]["waiting_list"], list(callers.truth.stays), CLOCK.now().timestamp())


async def _restart(story: ContactHistory, callers: Callers, switch: Switch) -> Control:
    """`core restart now` with callers waiting and talking. People who would hang up now are too late."""
    await _some_wait(callers, "r")
    callers.control.send("Command", Command="core restart now")
    await CLOCK.sleep(0.2)
    callers.truth.restarted(CLOCK.now().timestamp() - 0.2)
    return await _found_again(story, callers, switch)


async def _crash(story: ContactHistory, callers: Callers, switch: Switch) -> Control:
    """Asterisk killed: nobody says goodbye, and the queue_log ends in the middle."""
    await _some_wait(callers, "k")
    switch.end(signal.SIGKILL)
    callers.truth.restarted(CLOCK.now().timestamp())
    await CLOCK.sleep(1)
    await asyncio.to_thread(switch.start)
    return await _found_again(story, callers, switch)


async def _some_wait(callers: Callers, prefix: str, limit: int = 40) -> None:
    """Six more, whom nobody will answer."""
    for number in range(6):
        await callers.dial(Call(f"{prefix}{number}", QUEUES[number % 2], 0, ring=8, limit=limit))
    await CLOCK.sleep(1.5)


async def _found_again(story: ContactHistory, callers: Callers, switch: Switch) -> Control:
    story.lost = sum(stay.outcome == "lost" for stay in callers.truth.stays)
    await callers.control.close()
    control = Control(switch.port)
    await CLOCK.sleep(1)
    await control.open()
    return control


async def _after_a_restart(callers: Callers, watches: dict[str, Watch], calls: Iterator[Call]) -> None:
    for name in ("both", "alone", "narrow", "filtered"):
        await watches[name].until_up("asterisk_ami", 40)
    await callers.make(calls)
    for _ in range(120):
        if callers.truth.waiting():
            await CLOCK.sleep(0.5)


async def _end(story: ContactHistory, watches: dict[str, Watch]) -> None:
    await CLOCK.sleep(8)
    for name, watch in watches.items():
        story.final[name] = await watch.status()
        await watch.stop()
        story.visits[name], story.refused[name] = await watch.visits()
        story.logs[name] = watch.log()


@contextmanager
def _told(folder: Path) -> Iterator[ContactHistory]:
    with running() as switch:
        yield asyncio.run(tell(switch, folder))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContactHistory]:
    with _told(tmp_path_factory.mktemp("rush")) as found:
        _report(found)
        yield found


def _report(story: ContactHistory) -> None:
    """The measured result, as it stands in docs/asterisk.md."""
    count, seconds = len(story.truth.stays), story.seconds
    print(f"\n{story.version}: {count} visits in {seconds:.0f} s, {story.lost} lost in a restart and a crash")
    print(f"connected again {story.back_after:.1f} s after the line was mended")
    for queue in QUEUES:
        print(f"{queue:12} truth       {_words(story.truth.counts(queue))}")
        for who in story.final:
            print(f"{'':12} {who:11} {_words(story.shown(who, queue))}")
    for who in story.final:
        found = story.match(who)
        fine, coarse = found.errors(coarse=False), found.errors(coarse=True)
        print(
            f"{who:11} visits {len(found.pairs)} missing {len(found.missing)} extra {len(found.extra)} "
            f"wrong {len(found.wrong('unknown'))}, {len(found.beyond_the_log())} of them moved as the log cannot tell; "
            f"refused {story.refused[who]}; wait errors: "
            f"{len(fine)} fine, worst {max(fine, default=0) * 1000:.0f} ms; "
            f"{len(coarse)} to the second, worst {max(coarse, default=0):.2f} s"
        )
    for name, look in story.looks.items():
        shown, sure, more = look.waits
        print(f"{name:12} waiting {len(sure)} to {len(sure) + more}, shown {len(shown)}")
    for who in story.final:
        print(f"{who:11} people taken for several or for one another {len(story.confused(who))}")
        found = story.match(who)
        wrong = [(stay, seen) for stay, seen in found.wrong("unknown", "system") if stay not in found.beyond_the_log()]
        print(*wrong, *found.extra, *story.confused(who), sep="\n")


def _words(counts: Counter[str]) -> str:
    return " ".join(f"{name} {counts[name]}" for name in sorted(counts))


# ---- the truth is worth something


def test_the_rush_had_callers_of_every_sort(story: ContactHistory):
    happened = Counter(stay.outcome for stay in story.truth.stays)
    sorts = ("answered", "abandoned", "timeout", "exit_key", "no_agents", "withdrawn", "lost", "transferred_out")

    assert len(story.truth.stays) >= 500
    assert happened["waiting"] == 0
    assert not [sort for sort in sorts if not happened[sort]]
    assert story.truth.refused


# ---- manager interface and queue_log together


@pytest.mark.parametrize("queue", QUEUES)
def test_after_cut_stop_kill_and_restart_the_totals_are_the_truth(story: ContactHistory, queue: str):
    """Of callers refused while nobody listened no trace is left anywhere: those alone may be too few."""
    shown, truth = story.shown("both", queue), story.truth.counts(queue)
    moved = sum(stay.queue == queue for stay in story.match("both").beyond_the_log())
    truth = +(truth + Counter(abandoned=moved) - Counter(transferred_out=moved))

    assert shown.pop("refused", 0) <= truth.pop("refused", 0)
    assert shown == truth


def test_every_visit_is_there_once_with_its_true_outcome(story: ContactHistory):
    found = story.match("both")

    assert (found.missing, found.extra) == ([], [])
    assert [stay for stay, _ in found.wrong()] == found.beyond_the_log()


def test_waits_are_true_to_the_clock_they_were_read_from(story: ContactHistory):
    for who in ("both", "alone", "narrow"):
        found = story.match(who)

        fine = found.errors(coarse=False)
        assert fine[len(fine) * 99 // 100] <= 0.25, who
        assert fine[-1] <= 1, who
        assert max(found.errors(coarse=True), default=0) <= 1.1, who


def test_callers_cut_off_by_restart_and_crash_are_lost_and_none_of_them_abandoned(story: ContactHistory):
    for who in ("both", "alone", "locked_out"):
        outcomes = {visit.outcome for stay, visit in story.match(who).pairs if stay.outcome == "lost"}

        assert outcomes == {Outcome.LOST}, who
    assert story.lost >= 12


@pytest.mark.parametrize("who", ["both", "alone", "narrow", "filtered", "locked_out"])
def test_nobody_is_taken_for_two_and_no_two_for_one(story: ContactHistory, who: str):
    """Queues within queues, transfers, calls back: by the manager interface and by the log alone."""
    assert story.confused(who) == []


# ---- attaching, and coming back


@pytest.mark.parametrize("moment", ["attached", "back", "killed", "killed again"])
def test_who_waits_is_shown_with_the_wait_whenever_the_monitor_came(story: ContactHistory, moment: str):
    shown, sure, more = story.looks[moment].waits

    assert len(sure) > 2
    assert len(sure) <= len(shown) <= len(sure) + more
    assert all(any(abs(wait - seen) <= 2.2 for seen in shown) for wait in sure)


def test_agents_who_pause_are_seen_to_pause(story: ContactHistory):
    staff = {queue["name"]: queue["staff"] for queue in story.paused_status["queues"]}

    assert (staff["bygglov"]["paused"], staff["kundcenter"]["paused"]) == (len(AGENTS["bygglov"]), 0)
    assert staff["kundcenter"]["staffed"] == len(AGENTS["kundcenter"])


def test_while_the_line_is_cut_the_source_is_down_and_says_so(story: ContactHistory):
    source = next(one for one in story.cut_status["sources"] if one["name"].endswith(":ami"))

    assert not source["up"]
    assert source["reason"]


def test_the_monitor_comes_back_by_itself(story: ContactHistory):
    assert story.back_after < 25


def test_a_stopped_monitor_leaves_in_good_order(story: ContactHistory):
    assert story.stopped == 0


# ---- the manager interface alone


def test_without_the_log_what_was_not_seen_is_unknown_and_nothing_is_wrong(story: ContactHistory):
    found = story.match("alone")

    assert found.wrong("unknown") == []
    assert found.extra == []
    assert any(visit.outcome is Outcome.UNKNOWN for _, visit in found.pairs)


def test_without_the_log_only_callers_of_the_gaps_are_missing(story: ContactHistory):
    found = story.match("alone")

    assert len(found.missing) < len(found.pairs) / 2
    assert not [visit for _, visit in found.pairs if visit.outcome is Outcome.WAITING]


# ---- an account without the read classes dialplan and system


def test_a_narrow_account_is_told_which_classes_it_lacks(story: ContactHistory):
    log = story.logs["narrow"]

    assert "missing_read_classes" in log
    assert all(name in log for name in ("dialplan", "system"))


def test_a_narrow_account_calls_nobody_answered_who_was_not(story: ContactHistory):
    for stay, visit in story.match("narrow").pairs:
        assert (visit.outcome is Outcome.ANSWERED) == (stay.outcome == "answered"), (stay, visit)


# ---- an account whose filter keeps VarSet back


def test_a_filtered_account_is_told_what_never_comes_and_says_nothing_wrong(story: ContactHistory):
    """Who was let go by the queue is `system`, for the reason never comes."""
    assert "missing_variables" in story.logs["filtered"]
    assert story.match("filtered").extra == []
    assert {seen for _, seen in story.match("filtered").wrong("unknown")} <= {"system"}


# ---- the wrong password


def test_a_wrong_password_names_the_setting_and_is_tried_again_ever_more_rarely(story: ContactHistory):
    log = story.logs["locked_out"]
    source = next(one for one in story.final["locked_out"]["sources"] if one["name"].endswith(":ami"))

    assert not source["up"]
    assert all(word in source["reason"] for word in ("username", "secret"))
    pauses = re.findall(r"source refused source=ami tried again in (\d+) min", log)
    assert pauses and pauses == ["1", "5", "15"][: len(pauses)]


def test_a_wrong_password_stops_no_other_source(story: ContactHistory):
    """The log alone cannot tell who hung up in the seconds before a restart from who was cut off by it, nor who was
    moved out of a queue from who hung up.
    """
    found = story.match("locked_out")
    wrong = [(stay, seen) for stay, seen in found.wrong("unknown") if (stay.outcome, seen) != ("abandoned", "lost")]

    assert (found.missing, found.extra) == ([], [])
    assert [stay for stay, _ in wrong] == found.beyond_the_log()
