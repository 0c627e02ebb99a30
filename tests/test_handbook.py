"""Every setting has a line in the documents and every line a setting; so has every metric."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct, structs

from queue_monitor.app import registry
from queue_monitor.config.explained import explained, inner
from queue_monitor.config.file import File, SourceHead
from tests import handbook

DOCS = Path(__file__).parent.parent / "docs"
TOLD = re.compile(r"^\| `([\w.]+)` \|", re.MULTILINE)


def kinds() -> Iterator[type[Struct]]:
    """Every struct of which a table of the settings file may be."""
    waiting: list[type[Struct]] = [File, SourceHead]
    waiting += [registry.adapter_module(kind).Settings for kind in registry.adapter_kinds()]
    seen: set[type[Struct]] = set()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        yield kind
        parts = (inner(field.type) for field in structs.fields(kind))
        waiting += [part for part in parts if isinstance(part, type) and issubclass(part, Struct)]


@pytest.mark.parametrize("page", handbook.PAGES)
def test_the_pages_made_from_code_are_as_the_code_is(page: str):
    written = (DOCS / f"{page}.md").read_text(encoding="utf-8")

    assert written == handbook.PAGES[page](), "run: make docs"


def test_the_tables_of_the_adapters_are_what_they_declare():
    written = handbook.ADAPTERS.read_text(encoding="utf-8")

    assert written == handbook.adapter_tables(written), "run: make docs"
    assert "| `freeswitch` | stable | stable | stable | – | stable | stable |" in written


def test_every_setting_says_what_it_means_and_has_a_line():
    lines = set(TOLD.findall((DOCS / "settings.md").read_text(encoding="utf-8")))
    silent = [f"{kind.__qualname__}.{key}" for kind in kinds() for key, text in explained(kind).items() if not text]
    keys = {field.encode_name for kind in kinds() if kind is not File for field in structs.fields(kind)}

    assert silent == []
    assert lines == keys


def test_a_meaning_is_that_of_the_setting_it_names():
    class Told(Struct):
        """One line. `one` and `two` go together; `three`: of its own, beside `one`.

        `four`: the last. It has two sentences.
        """

        one: str = ""
        two: str = ""
        three: str = ""
        four: str = ""
        five: str = ""

    assert explained(Told) == {
        "one": "`one` and `two` go together.",
        "two": "`one` and `two` go together.",
        "three": "Of its own, beside `one`.",
        "four": "The last. It has two sentences.",
        "five": "",
    }
