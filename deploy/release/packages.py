"""`python -m deploy.release.packages dist` makes what is handed out, the same bytes from the same commit.

A wheel, an sdist, the pins of the packages to install beside the wheel, the SBOM, and the hashes of them all. What git
tracks is taken as it stands; what it does not track is left out. The wheel is made from the sdist.
The times in the files are that of the last commit, or SOURCE_DATE_EPOCH.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.release.sbom import sbom

ROOT: Final = Path(__file__).parents[2]
WHEEL: Final = "queue_monitor-*.whl"
SDIST: Final = "queue_monitor-*.tar.gz"
OURS: Final = (WHEEL, SDIST, "queue-monitor-*-requirements.txt", "queue-monitor-*.cdx.json", "SHA256SUMS")


def main(arguments: list[str]) -> int:
    """Write the packages into the folder that is named, and print what was made."""
    for path in build(ROOT, Path(*arguments)):
        print(f"{path.stat().st_size / 1000:7.0f} kB  {path}")
    return 0


def build(root: Path, folder: Path) -> list[Path]:
    """Make the files in `folder`, in place of older ones, and return them: sdist, wheel, pins, SBOM, hashes."""
    moment = epoch(root)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (path for pattern in OURS for path in folder.glob(pattern)):
        old.unlink()
    with tempfile.TemporaryDirectory() as place:
        source, unpacked = Path(place, "source"), Path(place, "unpacked")
        copy_tracked(root, source)
        sdist = _hatch(source, "sdist", folder, moment)
        shutil.unpack_archive(sdist, unpacked)
        (inside,) = unpacked.iterdir()
        wheel = _hatch(inside, "wheel", folder, moment)
    version = wheel.name.split("-")[1]
    pins, listed = (folder / f"queue-monitor-{version}{end}" for end in ("-requirements.txt", ".cdx.json"))
    shutil.copyfile(root / "requirements" / "run.txt", pins)
    listed.write_text(sbom(root, moment, {path.name: _digest(path) for path in (sdist, wheel)}), encoding="utf-8")
    made = [sdist, wheel, pins, listed]
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(f"{_digest(path)}  {path.name}\n" for path in sorted(made)), encoding="utf-8")
    return [*made, sums]


def epoch(root: Path) -> int:
    """Return SOURCE_DATE_EPOCH, or when the last commit was made, in seconds since 1970."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _git(root, "log", "-1", "--format=%ct"))


def copy_tracked(root: Path, target: Path) -> None:
    """Copy the files that git tracks, all readable by everybody and none writable by others."""
    for name in filter(None, _git(root, "ls-files", "-z").split("\0")):
        path, copied = root / name, target / name
        if not path.is_file():
            continue  # removed, and not committed yet
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
        copied.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def _git(root: Path, *words: str) -> str:
    """Ask git; `safe.directory` because CI often runs as another user than the one who cloned."""
    command = ["git", "-c", f"safe.directory={root}", *words]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def _hatch(source: Path, kind: str, folder: Path, moment: int) -> Path:
    """Make one package of the folder `source`; returns the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder.resolve())]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
    subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL, env=environment)
    (made,) = folder.glob(SDIST if kind == "sdist" else WHEEL)
    return made


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
