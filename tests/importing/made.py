"""Made-up callers, written as a queue_log and in the forms of the example mappings, and what they add up to."""

import csv
import io
import os
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import structs

from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.config import Config, load
from queue_monitor.importing import Imported, Wanted, run
from queue_monitor.store import SqlStore, open_store
from tests.runtime.lasting import Call
from tests.store.records import EVER

ZONE: Final = ZoneInfo("Europe/Stockholm")
EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples" / "import"
FORMS: Final = ("puzzel", "telia-ace", "genesys")
OCTOBER: Final = date(2024, 10, 1)
NIGHT: Final = date(2024, 10, 27)
"""The clocks are set back at 03:00."""

HOWS: Final = (*["answered"] * 8, "abandoned", "abandoned", "timeout")
WORDS: Final = {
    "puzzel": {"answered": "Besvarat", "abandoned": "Avbrutet i kö", "timeout": "Maxtid i kö"},
    "telia-ace": {"answered": "Besvarad", "abandoned": "Tappad i kö", "timeout": "Utkastad"},
    "genesys": {"answered": "Answered", "abandoned": "Abandoned", "timeout": "Flow Out"},
}


def moment(day: date, hour: float, fold: int = 0) -> datetime:
    """A local time as a moment."""
    at = datetime.combine(day, time(), ZONE) + timedelta(hours=hour)
    return at.replace(fold=fold).astimezone(UTC)


def number(at: int) -> str:
    """A telephone number of nobody: PTS keeps these free for films and books."""
    return f"07017406{at % 90 + 10}"


def callers(first: date, days: int, per_day: int, seed: int = 1) -> list[Call]:
    """Callers of some days, in the order of entry, with calls in the night when the clocks are set back."""
    chance = random.Random(seed)
    found = []
    for day in range(days):
        for _ in range(per_day if (first + timedelta(days=day)).weekday() < 5 else per_day // 5):
            at = moment(first + timedelta(days=day), 7.5) + timedelta(seconds=chance.randrange(10 * 3600))
            queue = chance.choice(("Kundcenter", "Kundcenter", "Kundcenter", "Bygglov"))
            wait = chance.choice((int(chance.expovariate(1 / 90)), 299, 300, 301))
            found.append(Call("", queue, at, chance.choice(HOWS), wait * 1000, chance.randrange(5, 900) * 1000))
    if first <= NIGHT < first + timedelta(days=days):
        for fold in (0, 1):
            for minutes in (5, 20, 50):
                at = moment(NIGHT, 2 + minutes / 60, fold)
                found.append(Call("", "Kundcenter", at, "answered", 40_000, 60_000))
    found.sort(key=lambda call: call.entered)
    return [call._replace(name=f"{int(call.entered.timestamp())}.{at}") for at, call in enumerate(found)]


def queue_log(calls: Iterable[Call]) -> bytes:
    """The same as Asterisk writes it."""
    lines: list[tuple[int, int, str]] = []
    for at, call in enumerate(calls):
        entered = int(call.entered.timestamp())
        wait, talk = call.waited_ms // 1000, call.talked_ms // 1000
        head, ended = f"{call.name}|{call.queue}", entered + wait
        lines.append((entered, at, f"{entered}|{head}|NONE|ENTERQUEUE||{number(at)}|1"))
        if call.how == "answered":
            lines.append((ended, at, f"{ended}|{head}|Anna|CONNECT|{wait}|{call.name}9|2"))
            lines.append((ended + talk, at, f"{ended + talk}|{head}|Anna|COMPLETECALLER|{wait}|{talk}|1"))
        else:
            verb = {"abandoned": "ABANDON", "timeout": "EXITWITHTIMEOUT"}[call.how]
            lines.append((ended, at, f"{ended}|{head}|NONE|{verb}|1|1|{wait}"))
    return "".join(f"{line}\n" for _, _, line in sorted(lines, key=lambda each: each[:2])).encode()


def export(form: str, calls: Iterable[Call]) -> bytes:
    """The same in the form of an example mapping, with a telephone number in each line."""
    out = io.StringIO(newline="")
    encoding = "windows-1252" if form == "telia-ace" else "utf-8"
    header = (EXAMPLES / f"{form}.csv").read_text(encoding=encoding).splitlines()
    titles = header[:2] if form == "telia-ace" else []
    out.write("".join(f"{title}\n" for title in titles))
    columns = header[len(titles)]
    writer = csv.writer(out, delimiter="," if form == "genesys" else ";", lineterminator="\n")
    out.write(f"{columns}\n")
    for at, call in enumerate(calls):
        writer.writerow(_row(form, at, call))
    return out.getvalue().encode(encoding)


def _row(form: str, at: int, call: Call) -> list[object]:
    local, how = call.entered.astimezone(ZONE), WORDS[form][call.how]
    wait, talk = call.waited_ms // 1000, call.talked_ms // 1000 if call.how == "answered" else None
    if form == "puzzel":
        talked = "" if talk is None else clock(talk)
        return [f"PZ-{at}", f"{local:%Y-%m-%d %H:%M:%S}", call.queue, how, clock(wait), talked, number(at)]
    if form == "telia-ace":
        queue = {"Kundcenter": "Växeln 4530"}.get(call.queue, call.queue)
        return [f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}", queue, how, wait, "" if talk is None else talk, number(at)]
    talked = "" if talk is None else str(talk * 1000)
    return [f"c-{at}", f"{call.entered:%Y-%m-%dT%H:%M:%S.000Z}", call.queue, how, wait * 1000, talked, number(at)]


def clock(seconds: int) -> str:
    """Hours, minutes and seconds."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


Facts = Counter[tuple[date, str, str, int]]


def recount(calls: Iterable[Call]) -> Facts:
    """How many callers of a day and queue ended how after how many ms: counted from the truth itself."""
    return Counter((call.entered.astimezone(ZONE).date(), call.queue, call.how, call.waited_ms) for call in calls)


async def kept(store: SqlStore) -> Facts:
    """The same as the store has it."""
    found: Facts = Counter()
    for call in await store.calls(*EVER):
        assert call.entered_at is not None and call.wait_ms is not None
        found[call.entered_at.astimezone(ZONE).date(), call.first_queue, call.outcome.value, call.wait_ms] += 1
    return found


def config_of(path: Path) -> Config:
    """The settings of nobody, with a store in this file."""
    settings = load(None, {"QUEUE_MONITOR_STORE__URL": f"sqlite:///{path}"}, settings_of, adapter_kinds())
    store = structs.replace(settings.store, agent_key=str(path.with_name("agent.key")))
    return structs.replace(settings, store=store)


def nothing(done: int, total: int) -> None:
    """Whoever looks at no bar."""


DELIVERY: Final = 500
"""As many events at once as let an import be broken off after some deliveries of a log that is soon read."""


def children() -> list[int]:
    """The processes that read for this one. It may have others, such as a database that other tests use."""
    all_of_them = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(child) for child in all_of_them if b"importing.apart" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def imported(path: Path, *files: Path, **wanted: object) -> Imported:
    """Import files into the store in `path`."""
    return await run(config_of(path), Wanted(files=files, **wanted), nothing)  # type: ignore[arg-type]


async def opened(path: Path) -> SqlStore:
    """The store, to be looked at."""
    return await open_store(f"sqlite:///{path}", own=False, zone=ZONE, agent_key=path.with_name("agent.key"))
