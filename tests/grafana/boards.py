"""The boards as committed: their panels, and every question that one of them asks Prometheus, macros replaced."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[2] / "grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))
Board = dict[str, Any]
Panel = dict[str, Any]


class Question(NamedTuple):
    """One expression of a board. `interval` is the panel's shortest step, empty where it has none of its own."""

    board: str
    where: str
    ref: str
    expr: str
    instant: bool
    interval: str

    def __str__(self) -> str:
        return f"{self.board} / {self.where} / {self.ref}: {self.expr}"

    def asked(self, instance: str, queue: str = ".+") -> str:
        """As Grafana sends it for an hour's range, or a day's where the panel counts days."""
        step = self.interval or "1m"
        values = {"__interval": step, "__rate_interval": "1m", "__range": "1h", "instance": instance, "queue": queue}
        filled = re.sub(r"\$(\w+)", lambda found: values[found[1]], self.expr)
        assert "$" not in filled, f"a macro that no test knows: {self}"
        return filled


def boards() -> list[Board]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in FILES]


def questions(board: Board) -> Iterator[Question]:
    """Every panel's and annotation's."""
    title = board["title"]
    for panel in board["panels"]:
        for target in panel["targets"]:
            instant = bool(target.get("instant"))
            yield Question(
                title, panel["title"], target["refId"], target["expr"], instant, str(panel.get("interval", ""))
            )
    for annotation in board["annotations"]["list"]:
        yield Question(title, annotation["name"], "", annotation["expr"], False, "")


def question(title: str, where: str, ref: str = "A") -> Question:
    found = [
        one for board in boards() for one in questions(board) if (one.board, one.where, one.ref) == (title, where, ref)
    ]
    assert len(found) == 1, (title, where, ref)
    return found[0]


class Choice(NamedTuple):
    """A variable's `label_values(series, label)`."""

    board: str
    name: str
    series: str
    label: str


def choices(board: Board) -> Iterator[Choice]:
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert found, variable
            yield Choice(board["title"], variable["name"], found[1], found[2])
