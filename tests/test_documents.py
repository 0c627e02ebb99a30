"""The documents that code and documents cite are in the repository, with the heading, rule or step that is named."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
READ = (".py", ".md", ".html", ".toml", ".yaml", ".yml", ".service", ".timer", ".js", ".css", "Makefile", "Dockerfile")
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
NAMED = re.compile(r"\b((?:[\w.-]+/)*[\w-]+\.md)\b")
NUMBERED = re.compile(r"(docs/(?:switch-rules|at-risk)\.md),\s+(?:rule|step)s?\s+(\d+)(?: (?:to|and) (\d+))?")


class Cited(NamedTuple):
    """One citation: where it stands, and the document as it is written there."""

    where: str
    by: Path
    document: str

    def is_there(self) -> bool:
        return any((folder / self.document).is_file() for folder in (self.by.parent, ROOT, ROOT / "docs"))


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    found = [ROOT / name for name in listed if name.endswith(READ) and not name.startswith("tests/recordings/")]
    return [path for path in found if path.is_file() and path != Path(__file__)]


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def place(path: Path, at: int) -> str:
    return f"{path.relative_to(ROOT)}:{text_of(path).count(chr(10), 0, at) + 1}"


@cache
def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a document, made as the usual viewers make them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_document_that_is_named_is_in_the_repository():
    cited = [
        Cited(place(path, match.start()), path, match[1]) for path in files() for match in NAMED.finditer(text_of(path))
    ]

    assert [f"{it.where}: {it.document}" for it in cited if not it.is_there()] == []
    assert len(cited) > 50


def test_every_link_in_a_document_leads_to_a_file_and_to_a_heading_of_it():
    wrong = []
    for path in (each for each in files() if each.suffix == ".md"):
        for match in LINK.finditer(text_of(path)):
            target, anchor = match[1], match[2]
            if "://" in target or target.startswith("mailto:"):
                continue
            to = (path.parent / target).resolve() if target else path
            if not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors(to)):
                wrong.append(f"{place(path, match.start())}: {match[0]}")

    assert wrong == []


def test_from_one_page_every_other_page_is_reached_in_two_steps():
    def linked(path: Path) -> set[Path]:
        targets = (match[1] for match in LINK.finditer(text_of(path)) if match[1] and "://" not in match[1])
        found = {(path.parent / target).resolve() for target in targets}
        return {each / "README.md" if each.is_dir() else each for each in found if each.suffix in ("", ".md")}

    first = linked(ROOT / "docs" / "README.md")
    second = {page for path in first if path.name == "README.md" for page in linked(path)}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path != ROOT / "docs" / "README.md"}

    assert [str(page.relative_to(ROOT)) for page in pages - first - second] == []
    assert (ROOT / "docs" / "README.md") in linked(ROOT / "README.md")


@pytest.mark.parametrize("document", ["docs/switch-rules.md", "docs/at-risk.md"])
def test_every_rule_and_step_that_is_cited_stands_in_its_document(document: str):
    numbers = set(re.findall(r"^(\d+)\. ", text_of(ROOT / document), re.MULTILINE))
    cited = {
        number: place(path, match.start())
        for path in files()
        for match in NUMBERED.finditer(text_of(path))
        for number in match.groups()[1:]
        if match[1] == document and number
    }

    assert cited
    assert {number: where for number, where in cited.items() if number not in numbers} == {}
