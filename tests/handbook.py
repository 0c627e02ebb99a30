"""The reference pages that are made from code: `python -m tests.handbook settings` or `metrics`, on standard output."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect, structs

from queue_monitor import texts
from queue_monitor.app import registry
from queue_monitor.config.explained import explained, inner
from queue_monitor.config.file import File, SourceHead
from queue_monitor.config.mistakes import expected
from queue_monitor.events import LeftOutcome
from queue_monitor.metrics import Metrics
from queue_monitor.ports import Signal
from queue_monitor.setup.source import toml
from tests.api import sample
from tests.api.sample import FakeFigures

MADE: Final = "Made from code by `make docs`, and held against it by a test."
INTRODUCTION: Final = (
    "`deploy/queue-monitor.toml` is a sample with remarks, `queue-monitor init` makes one from answers, and",
    "`queue-monitor check-config` says what a file means. Any setting can come from a variable: `[store]` `url` from",
    "`QUEUE_MONITOR_STORE__URL`, the first source's `host` from `QUEUE_MONITOR_SOURCES__0__HOST`. A value `env:NAME`",
    "stands for the variable NAME, from the environment or from `secrets.env` beside the file.",
)
OF_METRICS: Final = (
    'They are served at `/metrics`; [prometheus.md](prometheus.md) says how they are scraped. `queue=""` is all queues',
    "together. A counter is written with `_total` behind its name, a histogram with `_bucket`, `_sum` and `_count`, a",
    "summary with `_sum` and `_count`. Where there is no number there is no sample.",
)
STABILITY: Final = (
    "Each signal with its stability. *stable*: held against recordings of the real product, or the real thing on the",
    "wire. *beta*: written after the vendor's documents, and not yet seen on a real switch. *–*: not reported.",
    "`calls`: entered, answered, left; `talk`: its end, and transfers; `lists`: who waits at a moment, or how many.",
)
TOP: Final = ("Setting", "May be", "Without it", "Means")


def settings() -> str:
    """Every setting of the file, by section, and of every kind of source."""
    lines = ["# Settings", "", MADE, "", *INTRODUCTION]
    seen: dict[type[Struct], str] = {}
    for section in structs.fields(File):
        for key, kind in _tables(section.encode_name, section.type):
            lines += ["", f"## `{key}`", "", *_once(kind, key, seen)]
    lines += ["", "## `[[sources]]`", "", *_table(SourceHead)]
    for name in registry.adapter_kinds():
        kind = registry.adapter_module(name).Settings
        lines += ["", f"## `[[sources]]` of kind `{name}`", "", *_table(kind)]
        for key, part in _inside("sources", kind):
            lines += ["", f"### `{key}` of kind `{name}`", "", *_table(part)]
    return "\n".join([*lines, ""])


def _once(kind: type[Struct], key: str, seen: dict[type[Struct], str]) -> Iterator[str]:
    if kind in seen:
        yield f"As `{seen[kind]}`."
    else:
        seen[kind] = key
        yield from _table(kind)


def _tables(key: str, annotation: Any, path: str = "") -> Iterator[tuple[str, type[Struct]]]:
    """A section and the tables in it, each with its heading as it is written in the file."""
    kind, here = inner(annotation), f"{path}{key}"
    if _is_by_name(annotation):
        here = f"{here}.NAME"
    yield (f"[[{here}]]" if _is_list(annotation) else f"[{here}]"), kind
    yield from _inside(here, kind)


def _inside(key: str, kind: type[Struct]) -> Iterator[tuple[str, type[Struct]]]:
    for field in structs.fields(kind):
        if _is_table(field.type):
            yield from _tables(field.encode_name, field.type, f"{key}.")


def _table(kind: type[Struct]) -> Iterator[str]:
    yield f"| {' | '.join(TOP)} |"
    yield "|---|---|---|---|"
    meanings = explained(kind)
    for field in structs.fields(kind):
        name = field.encode_name
        may_be = "tables" if _is_list(field.type) else "a table"
        if not _is_table(field.type):
            may_be = expected(inspect.type_info(field.type))
        yield f"| `{name}` | {_cell(may_be)} | {_default(field)} | {_cell(meanings[name])} |"


def _default(field: structs.FieldInfo) -> str:
    if field.required:
        return "must be set"
    if _is_table(field.type):
        return "–"
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ("", (), [], {}):
        return "–"
    value = msgspec.to_builtins(value)
    try:
        return f"`{_cell(toml(value))}`"
    except TypeError:
        return "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _is_table(annotation: Any) -> bool:
    kind = inner(annotation)
    return isinstance(kind, type) and issubclass(kind, Struct)


def _is_list(annotation: Any) -> bool:
    return "tuple[" in str(annotation) or "list[" in str(annotation)


def _is_by_name(annotation: Any) -> bool:
    return "dict[" in str(annotation)


def metrics() -> str:
    """Every metric that `/metrics` serves, with its labels."""
    lines = ["# Metrics", "", MADE, "", *OF_METRICS, "", "| Metric | Kind | Labels | Means |", "|---|---|---|---|"]
    families = Metrics(FakeFigures(sample.rush())).registry.collect()
    for family in sorted(families, key=lambda each: each.name):
        shown = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ())) or "–"
        lines.append(f"| `{family.name}` | {family.type} | {shown} | {_cell(family.documentation)} |")
    return "\n".join([*lines, ""])


PAGES: Final = {"settings": settings, "metrics": metrics}
BOARD: Final = Path(__file__).parent.parent / "grafana" / "dashboards" / "day-and-month.json"
_NAME: Final = """          {
            "matcher": {"id": "byName", "options": "%s"},
            "properties": [{"id": "displayName", "value": "%s"}]
          },
"""


def named_outcomes(board: str, ways: Iterable[str] = LeftOutcome) -> str:
    """The board with a Swedish name for each way to leave a queue; those that it has are kept."""
    start = board.index('"overrides": [\n', board.index("sum by (outcome) (increase(callqueue_left_total")) + 15
    end = board.index("\n        ]", start)
    new = [way for way in ways if f'"options": "{way}"' not in board[start:end]]
    names = {way: texts.words("sv").get(f"outcome.{way}", way).capitalize() for way in new}
    return board[:start] + "".join(_NAME % each for each in names.items()) + board[start:]


ADAPTERS: Final = Path(__file__).parent.parent / "adapters" / "README.md"
_MADE_PART: Final = re.compile(r"(<!-- made by [^\n]* -->\n).*?(<!-- end -->\n)", re.DOTALL)


def adapter_tables(page: str) -> str:
    """The page with its tables made anew: each kind with what it declares of itself, and its signals."""
    about = {kind: registry.adapter_module(kind).ABOUT for kind in registry.adapter_kinds()}
    lines = ["| kind | what it reads | how it was tested | what it cannot say |", "|---|---|---|---|"]
    lines += [f"| `{kind}` | {each.reads} | {each.tested} | {each.cannot_say} |" for kind, each in about.items()]
    lines += ["", *STABILITY, "", f"| kind | {' | '.join(Signal)} |", f"|---|{'---|' * len(Signal)}"]
    for kind, each in about.items():
        lines.append(f"| `{kind}` | {' | '.join(each.signals.get(signal, '–') for signal in Signal)} |")
    return _MADE_PART.sub(lambda part: part[1] + "\n" + "\n".join(lines) + "\n\n" + part[2], page)


if __name__ == "__main__":
    if sys.argv[1] == "adapters":
        ADAPTERS.write_text(adapter_tables(ADAPTERS.read_text(encoding="utf-8")), encoding="utf-8")
    elif sys.argv[1] == "board":
        BOARD.write_text(named_outcomes(BOARD.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(PAGES[sys.argv[1]]())
