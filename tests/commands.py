"""The commands that stand in the documents: found, cut into words, held against what there is."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOOLS = frozenset(
    (
        *(
            "apt-get",
            "cd",
            "chmod",
            "chown",
            "chromium",
            "cp",
            "createdb",
            "createuser",
            "docker",
            "install",
            "journalctl",
        ),
        *(
            "ln",
            "mkdir",
            "mosquitto_passwd",
            "nginx",
            "pg_dump",
            "pg_restore",
            "pip",
            "printf",
            "prometheus",
            "promtool",
        ),
        *("git", "python3", "rm", "sed", "sha256sum", "su", "systemctl"),
    )
)
OURS = ("queue-monitor", "queue_monitor", "make")


class Block(NamedTuple):
    """A fenced block: where it begins, its language, and what stands in it."""

    where: str
    language: str
    text: str


class Command(NamedTuple):
    """One command: where its block begins, how it is written, and its words without sudo and variables before them."""

    where: str
    written: str
    words: list[str]

    @property
    def name(self) -> str:
        return Path(self.words[0]).name


def documents() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
    ours = (path for path in found if not any(part[0] == "." for part in path.relative_to(ROOT).parts))
    return sorted(path for path in ours if "node_modules" not in path.parts)


def blocks(path: Path, language: str) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match[1] == language:
            place = text.count("\n", 0, match.start()) + 1
            yield Block(f"{path.relative_to(ROOT)}:{place}", match[1], match[2])


def commands(path: Path) -> Iterator[Command]:
    """Every command of the document's shell blocks, in order."""
    for block in blocks(path, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for written in _parts(line):
                words = _plain(shlex.split(written))
                if words:
                    yield Command(block.where, written, words)


def _parts(line: str) -> Iterator[str]:
    """The commands of one line, without a remark, and without where their output goes."""
    words = shlex.shlex(line, posix=False, punctuation_chars="&|;")
    words.whitespace_split = True
    part: list[str] = []
    for word in words:
        if set(word) <= set("&|;"):
            yield " ".join(part)
            part = []
        else:
            part.append(word)
    yield " ".join(part)


def _plain(words: list[str]) -> list[str]:
    while words and (words[0] == "sudo" or re.fullmatch(r"\w+=.*", words[0])):
        words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
    return words[: words.index(">")] if ">" in words else words
