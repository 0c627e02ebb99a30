"""Packages that are handed out: a wheel that stands alone, the same bytes twice, a list of what runs."""

import hashlib
import json
import os
import re
import shlex
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deploy.release import packages, pins

ROOT = Path(__file__).parent.parent
REFERENCE = re.compile(r"pkg:[a-z]+/[a-z0-9.-]+@[A-Za-z0-9.!-]+")
TEXTS = {"bomFormat": r"CycloneDX", "specVersion": r"1\.[5-9]", "serialNumber": r"urn:uuid:[0-9a-f-]{36}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    packages.build(ROOT, folder)
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Return what the command prints, run without our folder on any path."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QUEUE_MONITOR"))}
    done = subprocess.run(command, cwd=cwd, env=plain | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_two_builds_in_two_folders_by_two_people_are_the_same_bytes(made: Path, tmp_path: Path):
    other, out = tmp_path / "other", tmp_path / "out"
    packages.copy_tracked(ROOT, other)
    run("git", "init", "-q", cwd=other)
    run("git", "add", "--all", "--force", cwd=other)

    command = 'umask 077 && exec "$0" -m deploy.release.packages "$1"'
    run(
        "sh",
        "-c",
        command,
        sys.executable,
        out,
        cwd=other,
        SOURCE_DATE_EPOCH=str(packages.epoch(ROOT)),
        TZ="Asia/Tokyo",
        LC_ALL="C",
    )

    assert {path.name: path.read_bytes() for path in made.iterdir()} == {
        path.name: path.read_bytes() for path in out.iterdir()
    }


def test_the_hashes_are_those_of_every_file_beside_them(made: Path):
    lines = (line.split("  ") for line in (made / "SHA256SUMS").read_text().splitlines())
    written = {name: digest for digest, name in lines}

    assert written == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made.iterdir() if path.name != "SHA256SUMS"
    }
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=made)


def test_the_wheel_carries_what_an_installation_is_made_of_and_nothing_of_the_tests(made: Path):
    names = zipfile.ZipFile(only(made, "*.whl")).namelist()
    deployed = {f"queue_monitor/deploy/{path.name}" for path in (ROOT / "deploy").iterdir() if path.is_file()}

    assert deployed <= set(names)
    assert {Path(name).suffix for name in names} >= {".html", ".css", ".js", ".svg", ".json", ".toml", ".service"}
    assert not [name for name in names if re.search(r"(^|/)(tests?/test_|recordings|release/|benchmarks/|\.git)", name)]


def test_the_sdist_carries_all_that_git_tracks(made: Path):
    with tarfile.open(only(made, "*.tar.gz")) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames()}
    tracked = packages._git(ROOT, "ls-files", "-z").split("\0")

    assert {name for name in tracked if name and (ROOT / name).is_file()} <= held


# The list of what runs.


def faults(listed: dict[str, Any]) -> list[str]:
    """Return which demands of CycloneDX 1.5, on the parts that we use, the list does not meet."""
    wrong = [key for key, shape in TEXTS.items() if not re.fullmatch(shape, str(listed.get(key)))]
    own = listed["metadata"]["component"]
    wrong += [] if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", listed["metadata"]["timestamp"]) else ["timestamp"]
    refs = [each["bom-ref"] for each in (own, *listed["components"])]
    wrong += [f"{ref} twice" for ref in refs if refs.count(ref) > 1]
    for each in (own, *listed["components"]):
        kinds = {"application"} if each is own else {"library"}
        wrong += [] if each["type"] in kinds and each["name"] and each["version"] else [f"{each['bom-ref']}: who"]
        wrong += [] if REFERENCE.fullmatch(each["purl"]) else [each["purl"]]
        files = [file for file in each["externalReferences"] if file["type"] == "distribution" and file["url"]]
        hashes = [one for file in files for one in file["hashes"]]
        sound = [one for one in hashes if one["alg"] == "SHA-256" and re.fullmatch("[0-9a-f]{64}", one["content"])]
        wrong += [] if sound and sound == hashes else [f"{each['bom-ref']}: hashes"]
        licences = each.get("licenses", [])
        alone = ["expression" in licence for licence in licences]
        wrong += [f"{each['bom-ref']}: licences"] if any(alone) and len(licences) > 1 else []
    linked = [node["ref"] for node in listed["dependencies"]]
    wrong += [] if sorted(linked) == sorted(refs) else ["dependencies"]
    return wrong + [ref for node in listed["dependencies"] for ref in node["dependsOn"] if ref not in refs]


def test_the_list_of_what_runs_is_cyclonedx_and_names_every_pin_with_its_hashes(made: Path):
    listed = json.loads(only(made, "*.cdx.json").read_text(encoding="utf-8"))
    text = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    pinned = list(pins.pins(text))
    needs = {node["ref"]: node["dependsOn"] for node in listed["dependencies"]}

    assert faults(listed) == []
    assert len(pinned) == len(re.findall(r"^[a-z].*==", text, re.MULTILINE))
    assert {each["purl"] for each in listed["components"]} == {pin.ref for pin in pinned}
    hashes = {file["content"] for each in listed["components"] for file in each["externalReferences"][0]["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", text))
    reached, waiting = set(), [listed["metadata"]["component"]["bom-ref"]]
    while waiting:
        if (ref := waiting.pop()) not in reached:
            reached.add(ref)
            waiting += needs[ref]
    assert reached == set(needs), "each package is there because another needs it"


def test_the_list_names_the_licence_of_whatever_is_installed_here(made: Path):
    listed = json.loads(only(made, "*.cdx.json").read_text(encoding="utf-8"))
    known = {each["name"]: each["licenses"] for each in listed["components"] if "licenses" in each}

    assert known["numpy"][0]["expression"].startswith("BSD-3-Clause")
    assert known["jinja2"] == [{"license": {"name": "BSD License"}}]
    assert len(known) > 40


def test_the_list_names_the_files_made_by_their_hashes(made: Path):
    own = json.loads(only(made, "*.cdx.json").read_text(encoding="utf-8"))["metadata"]["component"]

    assert {file["url"]: file["hashes"][0]["content"] for file in own["externalReferences"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (only(made, "*.whl"), only(made, "*.tar.gz"))
    }
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{own['licenses'][0]['expression']} License")


def test_a_line_that_is_no_pin_is_named():
    with pytest.raises(ValueError, match="line 2 is neither a pin nor a hash: --index-url"):
        list(pins.pins("one==1.0 \\\n--index-url elsewhere\n"))


# The commands of the document.


def commands(*headings: str) -> list[str]:
    text = (ROOT / "docs" / "packages.md").read_text(encoding="utf-8")
    parts = [text.split(f"\n## {heading}\n")[1].split("\n## ")[0] for heading in headings]
    return [line for block in re.findall(r"```sh\n(.*?)```", "".join(parts), re.DOTALL) for line in block.splitlines()]


def walked(made: Path, place: Path, command: str) -> str:
    """Run one command of the document in the folder of the packages, with `place` for /opt."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return run("sh", "-c", command.replace("/opt/", f"{place}/"), cwd=made, PATH=path)


def test_the_documents_way_from_the_hashes_leads_to_a_program_that_stands_alone(made: Path, tmp_path: Path):
    for command in commands("Check what you have", "Install from the wheel"):
        if "--require-hashes" in command:  # brings packages over the network; the tests' own stand for them here
            assert only(made, shlex.split(command)[-1]).read_bytes() == (ROOT / "requirements/run.txt").read_bytes()
        else:
            said = walked(made, tmp_path, command)
            for own in tmp_path.glob("queue-monitor/lib/python3*/site-packages/queue_monitor"):
                (own.parent / "needed.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    environment = tmp_path / "queue-monitor"
    shipped = only(environment, "lib/python3*/site-packages/queue_monitor/deploy/queue-monitor.toml")

    assert said == f"queue-monitor {only(made, '*.whl').name.split('-')[1]}\n"
    settings = run(environment / "bin/queue-monitor", "check-config", shipped, cwd=tmp_path, AMI_SECRET="long" * 8)
    assert settings.startswith("organisation  Luleå kommun")
    where = run(environment / "bin/python", "-c", "import queue_monitor as it; print(it.__file__)", cwd=tmp_path)
    assert Path(where.strip()).parent == shipped.parent.parent
    assert only(environment, "share/queue-monitor/grafana/dashboards/live.json")


@pytest.mark.soak
def test_the_documents_way_works_with_packages_that_are_fetched_and_checked(made: Path, tmp_path: Path):
    for command in commands("Check what you have", "Install from the wheel"):
        said = walked(made, tmp_path, command)

    assert said.startswith("queue-monitor ")
