"""The rules of the house that a machine can hold: who may import whom, where time and broad handlers live, what ships.

A failure names the file and the line. The table is the one in the documentation; a new room needs a row of its own.
"""

import ast
import gzip
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from queue_monitor.events import EVENT_TYPES

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGES = ("queue_monitor", "adapters", "alerts")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


@cache
def trees() -> dict[str, ast.Module]:
    """Return every module's syntax tree, parsed when first asked for: each worker imports this file, one runs it."""
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in FILES.items()}


@cache
def nodes(module: str) -> list[ast.AST]:
    """Return every node of a module's tree: the rules below ask for them ten times, and a walk is the dear part."""
    return list(ast.walk(trees()[module]))


@pytest.fixture(scope="module", autouse=True)
def trees_are_felled() -> Iterator[None]:
    """Forget the trees after this file: they are a million objects that every collection of garbage would visit."""
    yield
    trees.cache_clear()
    nodes.cache_clear()


class Row(NamedTuple):
    """Who (a pattern of modules), what of ours they may import (prefixes; `{own}` is their own), which libraries."""

    who: str
    ours: str
    libraries: str | None = None  # None: whatever they need
    never: str = ""  # of the standard library


LONG = 450
EVERYTHING = "queue_monitor adapters alerts"
IMPURE = "asyncio logging time socket ssl threading subprocess sqlite3 os urllib http smtplib"
WIRES = "queue_monitor.events queue_monitor.ports queue_monitor.line_cutter"
FACES = "queue_monitor.model queue_monitor.queues queue_monitor.texts queue_monitor.ports queue_monitor.core {own}"
TABLE = (
    Row(r"queue_monitor|adapters|alerts|alerts\.notifiers", "", ""),
    Row(r"queue_monitor\.queues", "", "", IMPURE),
    Row(r"queue_monitor\.outcomes", "", "msgspec", IMPURE),
    Row(r"queue_monitor\.events", "queue_monitor.queues queue_monitor.outcomes", "msgspec", IMPURE),
    Row(r"queue_monitor\.clock", "", "msgspec"),
    Row(
        r"queue_monitor\.model(\..+)?",
        "queue_monitor.events queue_monitor.outcomes queue_monitor.queues {own}",
        "msgspec",
        IMPURE,
    ),
    Row(r"queue_monitor\.ports", "queue_monitor.events queue_monitor.model", "msgspec", IMPURE),
    Row(r"queue_monitor\.app\.interpreter", "queue_monitor.ports"),
    Row(r"queue_monitor\.whole_file", "", "msgspec"),
    Row(r"queue_monitor\.whole_output", "", ""),
    Row(r"queue_monitor\.local_times", "", "", IMPURE),
    Row(r"queue_monitor\.periods", "", "", IMPURE),
    Row(r"queue_monitor\.app\.logs", "queue_monitor.core.privacy", ""),
    Row(r"queue_monitor\.app\.starting", "queue_monitor.ports queue_monitor.texts", "starlette"),
    Row(r"queue_monitor\.waits", "queue_monitor.model", "hdrh numpy", IMPURE),
    Row(
        r"queue_monitor\.core(\..+)?",
        "queue_monitor.events queue_monitor.queues queue_monitor.model queue_monitor.waits queue_monitor.core",
        "msgspec hdrh holidays",
        IMPURE,
    ),
    Row(
        r"queue_monitor\.forecast(\..+)?",
        "queue_monitor.queues queue_monitor.events queue_monitor.model queue_monitor.core {own}",
        "msgspec numpy",
        IMPURE,
    ),
    Row(
        r"queue_monitor\.history(\..+)?",
        "queue_monitor.core queue_monitor.ports queue_monitor.model queue_monitor.queues queue_monitor.waits "
        "queue_monitor.history",
        "msgspec",
        IMPURE,
    ),
    Row(
        r"queue_monitor\.runtime(\..+)?",
        "queue_monitor.core queue_monitor.forecast queue_monitor.ports queue_monitor.model queue_monitor.queues "
        "queue_monitor.events queue_monitor.waits queue_monitor.whole_file queue_monitor.history queue_monitor.runtime",
    ),
    Row(
        r"queue_monitor\.replay(\.(recording|outputs))?",
        "queue_monitor.core queue_monitor.events queue_monitor.model queue_monitor.ports {own}",
    ),
    Row(r"queue_monitor\.simulation(\..+)?", "queue_monitor.events queue_monitor.model {own}", "numpy msgspec", IMPURE),
    Row(
        r"adapters\.simulator(\..+)?",
        f"{WIRES} queue_monitor.simulation queue_monitor.core {{own}}",
    ),
    Row(r"queue_monitor\.switch_session", "queue_monitor.ports", "msgspec"),
    Row(r"queue_monitor\.stamp", "queue_monitor.events queue_monitor.ports", "", IMPURE),
    Row(r"queue_monitor\.line_cutter", "", "", IMPURE),
    Row(r"queue_monitor\.translating", "queue_monitor.events queue_monitor.ports", ""),
    Row(
        r"adapters\.(mqtt|asterisk_queuelog)(\..+)?",
        f"{WIRES} queue_monitor.queues queue_monitor.translating {{own}}",
    ),
    Row(
        r"adapters\.(asterisk_ami|freeswitch|csta3)(\..+)?",
        f"{WIRES} queue_monitor.queues queue_monitor.switch_session queue_monitor.stamp"
        " queue_monitor.translating {own}",
    ),
    Row(r"adapters\..+", f"{WIRES} {{own}}"),
    Row(r"alerts\.rules", "queue_monitor.model", "msgspec", IMPURE),
    Row(r"alerts\.episodes", "queue_monitor.model queue_monitor.queues", "msgspec", IMPURE),
    Row(r"alerts\.notification_policy", "queue_monitor.model alerts.rules alerts.episodes", "msgspec", IMPURE),
    Row(
        r"alerts\.lifecycle",
        "queue_monitor.model queue_monitor.queues alerts.rules alerts.episodes alerts.notification_policy",
        "msgspec",
        IMPURE,
    ),
    Row(r"alerts\.people", "queue_monitor.model queue_monitor.queues queue_monitor.ports"),
    Row(r"alerts\.unsaved", "queue_monitor.model queue_monitor.whole_file"),
    Row(
        r"alerts\.dispatch",
        "queue_monitor.model queue_monitor.ports alerts.notification_policy alerts.people alerts.unsaved",
    ),
    Row(r"alerts\.message", "queue_monitor.model queue_monitor.texts"),
    Row(r"alerts\.sent", "queue_monitor.model queue_monitor.texts alerts.message"),
    Row(r"alerts\.memory", "queue_monitor.model"),
    Row(
        r"alerts\.engine",
        "queue_monitor.model queue_monitor.queues queue_monitor.ports queue_monitor.texts "
        "queue_monitor.core.assessment alerts",
    ),
    Row(r"alerts\.notifiers\..+", "queue_monitor.model queue_monitor.ports queue_monitor.texts alerts.sent {own}"),
    Row(
        r"queue_monitor\.store(\..+)?",
        "queue_monitor.model queue_monitor.queues queue_monitor.events queue_monitor.ports queue_monitor.waits "
        "queue_monitor.whole_file queue_monitor.store",
        "sqlalchemy alembic aiosqlite psycopg msgspec",
    ),
    Row(r"queue_monitor\.api(\..+)?", f"{FACES} queue_monitor.metrics queue_monitor.reports"),  # it serves both
    Row(r"queue_monitor\.metrics", FACES),
    Row(
        r"queue_monitor\.reports(\..+)?",
        f"{FACES} queue_monitor.history queue_monitor.periods queue_monitor.waits queue_monitor.whole_output",
    ),
    Row(
        r"queue_monitor\.(config|texts)(\..+)?",
        "queue_monitor.model queue_monitor.periods queue_monitor.queues {own}",
        "msgspec babel",
    ),
    Row(
        r"queue_monitor\.backtest\.(scoring|plain_rules|waits)",
        "queue_monitor.backtest.scoring queue_monitor.model",
        "msgspec numpy",
        IMPURE,
    ),
    Row(r"queue_monitor\.app\.renewal", "queue_monitor.ports queue_monitor.config", "msgspec"),
    Row(r"queue_monitor\.commands\.backup_file", "queue_monitor.ports", "msgspec"),
    Row(
        r"queue_monitor\.(app|backtest|commands|doctor|importing|setup|replay\.engine|__main__)(\..+)?",
        EVERYTHING,
    ),
)
MAY_IMPORT_APP = (
    "queue_monitor.__main__ queue_monitor.app queue_monitor.backtest queue_monitor.commands queue_monitor.doctor "
    "queue_monitor.importing queue_monitor.setup queue_monitor.replay.engine"
)


class Import(NamedTuple):
    module: str
    line: int
    wanted: str


def where(module: str, line: int) -> str:
    return f"{FILES[module].relative_to(ROOT)}:{line}"


def imports_of(module: str) -> Iterator[Import]:
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from (Import(module, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(module, node)
            for alias in node.names:
                deeper = f"{start}.{alias.name}"
                yield Import(module, node.lineno, deeper if deeper in FILES else start)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = FILES[module].name == "__init__.py"
    parts = module.split(".")
    parent = parts[: len(parts) - node.level + is_package]
    return ".".join([*parent, *([node.module] if node.module else [])])


def own_room(module: str) -> str:
    """The folder that a module shares with its closest: `adapters.x`, `alerts.notifiers.x`, `queue_monitor.api`."""
    return ".".join(module.split(".")[: 3 if module.startswith("alerts.notifiers.") else 2])


def within(wanted: str, prefixes: str) -> bool:
    return any(wanted == prefix or wanted.startswith(f"{prefix}.") for prefix in prefixes.split())


def test_the_unit_and_the_compose_file_give_the_monitor_no_more_than_it_needs() -> None:
    unit = (ROOT / "deploy" / "queue-monitor.service").read_text(encoding="utf-8")
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert {"UMask=0077", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "SystemCallFilter=@system-service"} <= set(
        unit.splitlines()
    )
    assert "    read_only: true\n    cap_drop: [ALL]\n" in compose
    assert "QUEUE_MONITOR_CONFIG=/etc/queue-monitor/queue-monitor.toml" in image


def fault(found: Import, row: Row) -> str:
    top = found.wanted.split(".")[0]
    if top in PACKAGES:
        if within(found.wanted, "queue_monitor.app") and not within(found.module, MAY_IMPORT_APP):
            return "only the command line, what its commands do and tests may import the composition"
        allowed = row.ours.format(own=own_room(found.module))
        # the package itself holds nothing but the version
        return "" if found.wanted == "queue_monitor" or within(found.wanted, allowed) else f"may only: {allowed}"
    if top in sys.stdlib_module_names:
        return "this room does no such thing" if top in row.never.split() else ""
    known = row.libraries is None or top in row.libraries.split()
    return "" if known else f"libraries here: {row.libraries or 'none'}"


def test_every_room_opens_only_the_doors_it_may() -> None:
    faults = []
    for module in FILES:
        row = next((row for row in TABLE if re.fullmatch(row.who, module)), None)
        if row is None:
            faults.append(f"{where(module, 1)}: {module} has no row in the table of imports")
            continue
        faults += [
            f"{where(module, found.line)}: imports {found.wanted}; {why}"
            for found in imports_of(module)
            if (why := fault(found, row))
        ]

    assert not faults, "\n" + "\n".join(faults)


def test_no_room_needs_itself_to_be_built() -> None:
    graph = {
        module: {found.wanted for found in imports_of(module) if found.wanted in FILES and found.wanted != module}
        for module in FILES
    }

    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_time_comes_from_the_clock() -> None:
    sources = re.compile(
        r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.(time|monotonic|sleep)|asyncio\.sleep)$"
    )
    borrowed = {"time": {"time", "monotonic", "sleep"}, "asyncio": {"sleep"}}
    faults = [
        f"{where(module, node.lineno)}: {ast.unparse(node)}; time comes from the Clock"
        for module in FILES
        if module != "queue_monitor.clock"
        for node in nodes(module)
        if (isinstance(node, ast.Attribute) and sources.search(ast.unparse(node)))
        or (
            isinstance(node, ast.ImportFrom)
            and {alias.name for alias in node.names} & borrowed.get(node.module or "", set())
        )
    ]

    assert not faults, "\n" + "\n".join(faults)


def test_everything_is_caught_in_four_places_only() -> None:
    """Cleaning up and raising on is not catching, nor is saying on what event our own code has raised."""
    allowed = {"queue_monitor.runtime.supervisor", "queue_monitor.translating", "alerts.dispatch"}
    allowed |= {"queue_monitor.runtime.steps"}  # and there only what has stopped the monitor before
    faults = [
        f"{where(module, node.lineno)}: catches everything; a bug must not look like bad luck"
        for module in FILES
        if module not in allowed
        for node in nodes(module)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or re.search(r"\b(Base)?Exception\b", ast.unparse(node.type)))
        and not isinstance(node.body[-1], ast.Raise)
    ]

    assert not faults, "\n" + "\n".join(faults)


def test_names_of_queues_are_folded_joined_and_split_in_one_place() -> None:
    folded = re.compile(r"queues?\w*\.casefold\(|(split|join)\(\" \+ \"\)|\" \+ \"\.join\(\w*queues")
    faults = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for module, path in FILES.items()
        if module != "queue_monitor.queues"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if folded.search(line)
    ]

    assert not faults, "\n" + "\n".join(faults)


def test_every_module_says_what_lives_there() -> None:
    silent = [where(module, 1) for module, tree in trees().items() if not ast.get_docstring(tree)]

    assert not silent


def test_a_long_file_says_why_at_its_head() -> None:
    unexplained = [
        where(module, 1)
        for module, path in FILES.items()
        if len(path.read_text(encoding="utf-8").splitlines()) > LONG
        and f"Longer than {LONG} lines because" not in (ast.get_docstring(trees()[module]) or "")
    ]

    assert not unexplained


def test_there_is_no_room_for_odds_and_ends() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}

    assert not [module for module in FILES if vague & set(module.split("."))]


# What is shipped.


def tracked(*under: str) -> list[Path]:
    """The files of the repository; `safe.directory` because CI often runs as another user than the one who cloned."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--", *under]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_wheel_holds_three_packages_and_all_that_lies_in_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith((".data", ".dist-info"))} == set(PACKAGES)
    assert not {path.relative_to(ROOT).as_posix() for path in tracked(*PACKAGES)} - names
    assert any("/share/queue-monitor/grafana/" in name for name in names)
    assert "queue_monitor/deploy/queue-monitor.service" in names, "init writes it"


def test_nothing_else_that_is_installed_owns_our_package_names() -> None:
    """`adapters` and `alerts` are also names of packages of other people's, which must not come along."""
    owners = importlib.metadata.packages_distributions()
    pinned = {line.split("==")[0] for file in ("run", "dev") for line in _requirements(file) if "==" in line}

    assert not {owner for package in PACKAGES for owner in owners.get(package, ())} - {"queue-monitor"}
    assert not pinned & set(PACKAGES)


def _requirements(name: str) -> list[str]:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def kinds_of_adapters() -> list[str]:
    return sorted({module.split(".")[1] for module in FILES if module.startswith("adapters.")})


@pytest.mark.parametrize("kind", kinds_of_adapters())
def test_every_kind_of_switchboard_has_its_row_and_its_test(kind: str) -> None:
    table = (ROOT / "adapters" / "README.md").read_text(encoding="utf-8")

    assert re.search(rf"^\|.*`{kind}`", table, re.MULTILINE), f"adapters/README.md has no row for {kind}"
    assert (ROOT / "tests" / "adapters" / f"test_{kind}.py").is_file()


# What must never be shipped.

FICTION = (  # numbers that the Swedish authority keeps for books and films
    (980319200, 980319299),
    (313900600, 313900699),
    (406280400, 406280499),
    (846500400, 846500499),
    (701740605, 701740699),
)
DIALLED = (920453000, 920453099)  # the municipality's own published numbers: called, never calling
NO_NUMBER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|ssrc=\d+")  # ids that may look like one
NUMBER = re.compile(r"(?<![\w.+-])(?:(?:\+|00)46[ -]?0?|46|0)(?=[1-9])([0-9](?:[ -]?[0-9]){6,8})(?![\w]|[.:-]\d)")


def numbers_of_people(text: str) -> list[str]:
    """What could be a Swedish subscriber's number, and is neither kept for fiction nor one that people dial."""
    found = ((match[0], int(re.sub(r"[ -]", "", match[1]))) for match in NUMBER.finditer(NO_NUMBER.sub("", text)))
    known = (*FICTION, DIALLED)
    return [written for written, number in found if not any(low <= number <= high for low, high in known)]


def test_a_number_of_a_person_is_recognised_however_it_is_written() -> None:
    real = "070-123 45 67 +46701234567 0046 701234567 46701234567 0920-123456 08-123 456 78"
    fiction = "0920-45 30 00 070-1740605 +46701740699 0980-319200 0313900650 040-628 04 00 08-465 004 99"

    assert len(numbers_of_people(real)) == 6
    assert not numbers_of_people(fiction)
    assert not numbers_of_people("2026-03-02 08:15:30.123456 1772439330.17 0.912345678 sha256:0123456789abcdef")
    assert not numbers_of_people("id: 01076475-e4c6-4cf8-a63a-b2658a0eee44 ssrc=465210783;themssrc=461084701")


def test_no_recording_holds_a_callers_number() -> None:
    faults = []
    for path in tracked("tests/recordings"):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8", "replace")
        if not numbers_of_people(text):
            continue  # a number keeps to its line, so the lines need to be cut only to name one
        for number, line in enumerate(text.splitlines(), start=1):
            faults += [f"{path.relative_to(ROOT)}:{number}: {found}" for found in numbers_of_people(line)]

    assert not faults, "\n" + "\n".join(faults[:20])


def test_no_file_names_a_developers_machine_or_a_package_host() -> None:
    # put together here, so that this file does not hold what it looks for
    folders = "|".join(("wo" + "rk", "ro" + "ot", "home/" + r"[a-z]\w*", "Us" + r"ers/\w+"))
    hosts = [".".join(host) for host in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))]
    hosts += re.findall(r"https?://(?:[^/@\s]+@)?([^/:\s]+)", " ".join(_index_settings()))
    forbidden = re.compile(rf"(?<![\w.])/(?:{folders})/|{re.escape(str(ROOT))}/|{'|'.join(map(re.escape, hosts))}")
    faults = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in tracked()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1)
        if (match := forbidden.search(line))
    ]

    assert not faults, "\n" + "\n".join(faults[:20])


def _index_settings() -> list[str]:
    """The package hosts that this machine itself uses."""
    return [
        value for name, value in os.environ.items() if re.match(r"(PIP|UV|NPM_CONFIG)_.*(INDEX|REGISTRY|LINKS)", name)
    ]


HEADERS_OF_OTHERS = {
    *("x-content-type-options", "x-frame-options"),
    *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    "x-next",  # the next page of a table, as programs already read it
}


def test_the_names_on_the_wire_are_of_one_family() -> None:
    """Event types and their schema, sources and headers: docs/decisions, 11. Metrics have a test of their own."""
    texts = [
        (where(module, node.lineno), node.value)
        for module in FILES
        for node in nodes(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    urns = {(at, urn) for at, text in texts for urn in re.findall(r"\burn:[\w.-]+", text)}
    headers = {(at, name.lower()) for at, text in texts for name in re.findall(r"\b[Xx]-[A-Za-z][A-Za-z-]+", text)}

    assert {urn for _, urn in urns} == {"urn:kc", "urn:se.kundcenter"}, sorted(urns)
    assert {urn for at, urn in urns if "events.py" not in at} == {"urn:kc"}, sorted(urns)
    ours = {(at, name) for at, name in headers if name not in HEADERS_OF_OTHERS}
    assert {name for _, name in ours if not name.startswith("x-kc-")} <= {"x-one", "x-no-answer"}, sorted(ours)
    assert all(kind.startswith("se.kundcenter.") for kind in EVENT_TYPES), EVENT_TYPES


def test_no_docstring_begins_with_a_word_that_has_to_be_looked_for() -> None:
    asked = re.compile(r"(What|Which|Of|Whoever|Everything|How|So many)\b")
    documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    faults = [
        f"{where(module, getattr(node, 'lineno', 1))}: begin with a subject and a verb: {words.splitlines()[0]}"
        for module in FILES
        for node in nodes(module)
        if isinstance(node, documented) and asked.match(words := ast.get_docstring(node) or "")
    ]

    assert not faults, "\n" + "\n".join(faults)


EQUAL_LINES = 10


def own_lines(module: str) -> list[tuple[int, str]]:
    """The lines that say something: no remarks, imports or heads of functions, which a door and its rooms share."""
    apart: set[int] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            apart |= {*range(node.lineno, (node.end_lineno or 0) + 1)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            apart |= {*range(node.lineno, node.body[0].lineno)}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            apart |= {*range(node.lineno, (node.end_lineno or 0) + 1)}
    lines = enumerate(FILES[module].read_text(encoding="utf-8").splitlines(), start=1)
    return [(at, text) for at, line in lines if (text := line.strip()) and text[0] != "#" and at not in apart]


def test_no_two_places_share_ten_or_more_equal_lines() -> None:
    places: dict[tuple[str, ...], str] = {}
    faults = []
    for module in FILES:
        lines = own_lines(module)
        for start in range(len(lines) - EQUAL_LINES + 1):
            some = tuple(text for _, text in lines[start : start + EQUAL_LINES])
            here = where(module, lines[start][0])
            if (there := places.setdefault(some, here)) != here:
                faults.append(f"{here}: the same {EQUAL_LINES} lines as at {there}")

    assert not faults, "\n" + "\n".join(faults)


LIVING = {
    *("live", "scratch", "pipeline", "course", "engine", "target", "watch", "round", "figures", "shown"),
    *("forecaster", "steps", "holding", "writer", "ledger", "windows", "agents", "sources", "dispatcher", "store"),
}
"""The names under which the code holds what lives as long as a run."""


def test_nobody_changes_an_attribute_of_what_runs_from_outside() -> None:
    """It is made with what it needs, or has a method that says what changes."""
    faults = [
        f"{where(module, node.lineno)}: {ast.unparse(node)} is set from outside; give it a method with a name"
        for module in FILES
        for node in nodes(module)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store | ast.Del)
        and ast.unparse(node.value).rpartition(".")[2].lstrip("_") in LIVING
    ]

    assert not faults, "\n" + "\n".join(faults)


def test_a_small_secret_file_is_made_in_one_place() -> None:
    makers = {
        module
        for module in FILES
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.O_EXCL"
    }

    assert makers == {"queue_monitor.whole_file"}


def test_a_file_of_browser_tests_has_no_asynchronous_ones() -> None:
    """Playwright's plain interface keeps a loop running in its thread: behind it, no asynchronous test can start."""
    with_browser = [path for path in TESTS.rglob("test_*.py") if "\ndef browser()" in path.read_text(encoding="utf-8")]
    mixed = [path.name for path in with_browser if "\nasync def test_" in path.read_text(encoding="utf-8")]
    assert with_browser
    assert mixed == []
