"""Two commands start the monitor and its tests on a fresh machine: what Debian keeps apart from Python is installed."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_VENV = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac\n'
NOTED = '#!/bin/sh\necho "$0 $*" >>"$NOTES"\n'


def looked_over(folder: Path, *, user: int, sudo: bool, apt: bool = True) -> tuple[int, str, list[str]]:
    """The exit code of `.ci/machine run` on a machine whose Python has no venv, what it said, and what it ran."""
    programs = {"python3": WITHOUT_VENV, "id": f"#!/bin/sh\necho {user}\n", "env": '#!/bin/sh\nshift; exec "$@"\n'}
    programs["sudo"] = '#!/bin/sh\n[ "$1" = -n ] && exit 0\nexec "$@"\n' if sudo else "#!/bin/sh\nexit 1\n"
    if apt:
        programs["apt-get"] = NOTED
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    notes = folder / "notes"
    ran = subprocess.run(
        ["/bin/sh", ROOT / ".ci" / "machine", "run", folder / "python3"],
        env=os.environ | {"PATH": str(folder), "NOTES": str(notes)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr, notes.read_text().splitlines() if notes.exists() else []


@pytest.mark.parametrize(("user", "sudo"), [(0, False), (1000, True)])
def test_what_is_missing_is_installed_by_whoever_may(tmp_path: Path, user: int, sudo: bool):
    code, said, ran = looked_over(tmp_path, user=user, sudo=sudo)

    assert code == 0
    assert "Installing with apt: python3-venv" in said
    assert [line.split()[1] for line in ran] == ["update", "install"]
    assert ran[1].endswith(" python3-venv")


@pytest.mark.parametrize("apt", [True, False])
def test_whoever_may_not_is_told_what_to_install(tmp_path: Path, apt: bool):
    code, said, ran = looked_over(tmp_path, user=1000, sudo=False, apt=apt)

    assert (code, ran) == (1, [])
    assert "python3-venv" in said
