"""The image: what its recipe must hold to, and, as a long test, that it is built, small, confined and well."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.release import image

ROOT = Path(__file__).parent.parent
RECIPE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def faults(recipe: str) -> list[str]:
    """Return the lines of a recipe that break a rule that matters, each with the rule."""
    lines = [line for line in re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^\s*#.*\n", "", recipe)).splitlines() if line]
    variables = dict(line.removeprefix("ARG ").split("=", 1) for line in lines if re.match(r"ARG \w+=", line))
    stages = {line.split()[3] for line in lines if re.match(r"FROM \S+ AS ", line)}
    found = []
    for line in lines:
        if line.startswith("FROM "):
            base = re.sub(r"\$\{(\w+)\}", lambda match: variables.get(match[1], ""), line.split()[1])
            if base not in stages and not re.search(r"@sha256:[0-9a-f]{64}$|:\d+\.\d+\.\d+[\w.-]*$", base):
                found.append(f"no stated version: {line}")
        if "apt-get install" in line:
            if "--no-install-recommends" not in line:
                found.append(f"installs what is only recommended: {line}")
            if "rm -rf /var/lib/apt/lists/*" not in line:
                found.append(f"keeps lists of packages: {line}")
            if re.search(r"\s[\w.+-]+-dev\b|\s(gcc|g\+\+|make|build-essential)\b", line):
                found.append(f"installs what only developers need: {line}")
        if re.search("(pip|/python) install", line) and not re.search("--require-hashes|--no-index", line):
            found.append(f"installs what has no hash: {line}")
        if re.match(r"ADD |.*\b(curl|wget|sudo)\b", line):
            found.append(f"brings what nothing checks: {line}")
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in last if line.startswith("USER ")]
    if not users or users[-1] in {"0", "root"} or not users[-1].isdigit():
        found.append("runs as root, or as a user whose number is not known")
    found += [f"no {word}" for word in ("HEALTHCHECK", "ENTRYPOINT") if not any(line.startswith(word) for line in last)]
    return found


def test_the_recipe_holds_to_the_rules():
    assert faults(RECIPE) == []


@pytest.mark.parametrize(
    ("written", "instead", "fault"),
    [
        (r"ARG BASE=.*", "ARG BASE=python:latest", "no stated version"),
        (r"ARG BASE=.*", "ARG BASE=python", "no stated version"),
        (r"ARG BASE=.*", "ARG BASE=python:3.11-slim", "no stated version"),
        (r"USER .*", "", "runs as root"),
        (r"USER .*", "USER 10001\nUSER root", "runs as root"),
        (r"HEALTHCHECK .*", "", "no HEALTHCHECK"),
        (r"STOPSIGNAL .*", "RUN apt-get install -y --no-install-recommends libpq5", "keeps lists"),
        (
            r"STOPSIGNAL .*",
            "RUN apt-get install -y --no-install-recommends libpq-dev && rm -rf /var/lib/apt/lists/*",
            "developers",
        ),
        (r"STOPSIGNAL .*", "RUN apt-get install -y libpq5 && rm -rf /var/lib/apt/lists/*", "recommended"),
        (r"STOPSIGNAL .*", "RUN pip install requests", "no hash"),
        (r"STOPSIGNAL .*", "RUN curl -s example.se | sh", "nothing checks"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_found_out(written: str, instead: str, fault: str):
    assert any(fault in each for each in faults(re.sub(written, lambda _: instead, RECIPE, count=1)))


def test_all_that_the_recipe_copies_is_let_through_and_tracked():
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", RECIPE, re.MULTILINE) for word in line.split()}

    assert copied == let
    assert all((ROOT / name).exists() for name in copied)


def test_the_builder_gets_the_pins_of_all_that_building_needs():
    needed, waiting = set(), ["hatchling"]
    while waiting:
        name = waiting.pop().lower()
        needed.add(name)
        wanted = (Requirement(line) for line in importlib.metadata.requires(name) or [])
        waiting += [
            each.name
            for each in wanted
            if (not each.marker or each.marker.evaluate({"extra": ""})) and each.name not in needed
        ]
    pattern = re.search(r"\^\(([a-z|-]+)\)==", RECIPE)

    assert pattern and set(pattern[1].split("|")) == needed


CONFINED = (
    "".join(f"{name}:\t{value}\n" for name, value in image.CONFINED.items()) + "Uid:\t10001\t10001\t10001\t10001\n"
)


class Played:
    """A container that answers as it is given: the kernel's word on the process, its mounts, and whether it is well."""

    def __init__(self, status: str, mounts: str, well: bool = True) -> None:
        self._answers = {"/proc/1/status": status, "/proc/mounts": mounts}
        self._well = well

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        if command[-1] == "healthcheck" and not self._well:
            return subprocess.CompletedProcess(command, 1, "", "not well")
        return subprocess.CompletedProcess(command, 0, self._answers.get(command[-1], ""), "")

    def log(self) -> str:
        return "its log"


@pytest.mark.parametrize(
    ("status", "mounts", "wrong"),
    [
        (CONFINED, "overlay / overlay ro,relatime 0 0", []),
        (CONFINED, "overlay / overlay rw,relatime 0 0", ["its root can be written"]),
        (CONFINED.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"), "o / overlay ro 0 0", ["NoNewPrivs is 0"]),
        (CONFINED.replace("Bnd:\t0", "Bnd:\t1"), "o / overlay ro 0 0", ["CapBnd is 1000000000000000"]),
        (CONFINED.replace("10001", "0"), "o / overlay ro 0 0", ["it runs as ['0', '0', '0', '0']"]),
    ],
)
def test_a_container_with_more_rights_than_it_needs_is_found_out(status: str, mounts: str, wrong: list[str]):
    assert image.tried(Played(status, mounts)) == wrong


def test_a_container_that_is_never_well_is_given_up_with_its_log(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image, "READY_SECONDS", 0)

    (wrong,) = image.tried(Played(CONFINED, "", well=False))

    assert wrong == "not well after 0 s: not well\nits log"


@pytest.mark.soak
def test_the_image_is_built_small_confined_and_well():
    done = subprocess.run(
        [sys.executable, "-m", "deploy.release.image"], cwd=ROOT, text=True, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"image \d+ MB = base \d+ MB \+ \d+ MB", done.stdout)
    assert "well: http://127.0.0.1:18099/healthz" in done.stdout
