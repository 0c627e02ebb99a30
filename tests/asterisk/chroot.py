"""A small Debian with Asterisk in it, made once and kept outside the repository.

`python -m tests.asterisk.chroot` makes it, or says where it is. Where Debian's packages come from is read from this
machine's own apt settings, so that a mirror or proxy that works for apt works here.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

SUITE = "sid"
"""Debian's stable releases of these years have no Asterisk; sid has, and every debootstrap knows that name."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STAMP = "asterisk-version"
_PASSED_ON = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::AllowReleaseInfoChange")


class CannotBuild(Exception):
    """What stands in the way, and what to do about it."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "queue-monitor" / "asterisk"


def chroot() -> Path:
    """The folder of the Debian with Asterisk. Made now if need be: a minute or two. Raises `CannotBuild`."""
    if os.geteuid() != 0:
        raise CannotBuild("The run against a live Asterisk needs root (for chroot): sudo make asterisk")
    root = cache() / SUITE
    with _alone(cache()):
        if not (root / STAMP).exists():
            _build(root)
    return root


def version(root: Path) -> str:
    return (root / STAMP).read_text().strip()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(root: Path) -> None:
    tool = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool is None:
        raise CannotBuild("debootstrap is missing. On Debian: apt-get install debootstrap")
    if root.exists():
        shutil.rmtree(root)
    environ = os.environ | _proxies() | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    half = root.with_name(f"{root.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    with (cache() / "build.log").open("wb") as log:

        def run(*command: str) -> None:
            if subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode:
                raise CannotBuild(f"{command[0]} failed: see {log.name}")

        keyring = [f"--keyring={KEYRING}"] if KEYRING.exists() else []
        run(tool, "--variant=minbase", *keyring, SUITE, str(half), mirror())
        (half / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (half / "usr/sbin/policy-rc.d").chmod(0o755)
        (half / "etc/apt/apt.conf.d/99as-outside").write_text("\n".join(_apt_settings()) + "\n")
        run("chroot", str(half), "apt-get", "update", "-q")
        run("chroot", str(half), "apt-get", "install", "-q", "-y", "--no-install-recommends", "asterisk")
        run("chroot", str(half), "apt-get", "clean")
    said = subprocess.run(["chroot", str(half), "asterisk", "-V"], capture_output=True, text=True, check=True).stdout
    (half / STAMP).write_text(said.strip() + "\n")
    half.rename(root)


def mirror() -> str:
    """The Debian archive that apt uses here, as apt itself has understood its settings. Raises `CannotBuild`."""
    form = "$(REPO_URI) $(COMPONENT) $(RELEASE)"
    told = _ask("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    for line in told.splitlines():
        address, component, release = ([*line.split(), "", "", ""])[:3]
        secure = "security" in release or "security" in address
        if component == "main" and not secure and urlsplit(address).path.rstrip("/").rpartition("/")[2] == "debian":
            return address
    raise CannotBuild("apt knows no Debian archive here; a sources.list with an address ending in /debian is needed")


def _proxies() -> dict[str, str]:
    found = {}
    for name in ("http", "https"):
        said = _ask("apt-config", "shell", "proxy", f"Acquire::{name}::Proxy").strip()
        if said:
            found[f"{name}_proxy"] = said.partition("=")[2].strip("'")
    return found


def _apt_settings() -> list[str]:
    return [line for line in _ask("apt-config", "dump").splitlines() if line.startswith(_PASSED_ON)]


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBuild(f"apt cannot be asked where Debian's packages come from: {error}") from error


def main() -> int:
    try:
        root = chroot()
    except CannotBuild as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{version(root)} in {root}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
