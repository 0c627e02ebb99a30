"""Builds and runs images: by Docker or Podman where one answers, else by buildah on a base made by debootstrap."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parents[2]
SAMPLE: Final = ROOT / "deploy" / "release" / "sample.toml"
SETTINGS: Final = "/etc/queue-monitor/queue-monitor.toml"
NAME: Final = "queue-monitor"
BASE: Final = "localhost/queue-monitor-base:bookworm"
PACKAGES: Final = "python3,python3-venv,ca-certificates"
KEEP_NOTHING: Final = (
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n'
    'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
)
"""Makes apt keep no packages and no index of them, as it is in the images that the Dockerfile begins with elsewhere."""

UNWANTED: Final = (
    "dpkg-query --show --showformat '${Package}\\n' | grep -E -e '-dev$|^(gcc|g[+][+])(-[0-9]+)?$|^make$';"
    " ls -d /var/lib/apt/lists/*_Packages* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin"
    " /opt/queue-monitor/lib/python3*/site-packages/pip 2>/dev/null; true"
)
"""Prints what an image should not hold: compilers, headers, lists of packages, an installer."""


class Running(Protocol):
    """A container that runs on the sample's settings."""

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        ...

    def log(self) -> str:
        """Return what the monitor has written."""
        ...


class Engine(Protocol):
    """Builds the image and runs it; sizes are in bytes, all files added up."""

    def build(self, options: list[str]) -> None: ...

    def sizes(self) -> tuple[int, int]:
        """Return the sizes of the base and of the image."""
        ...

    def unwanted(self) -> str:
        """Return what the image holds and should not, a line each."""
        ...

    def started(self) -> AbstractContextManager[Running]:
        """Run the image read-only and without capabilities, and stop it at the end by SIGTERM."""
        ...


def chosen(folder: Path) -> Engine:
    """Return the engine that answers here; buildah keeps its images in `folder`. Raises `SystemExit` if none is."""
    for program in ("docker", "podman"):
        if shutil.which(program) and not subprocess.run([program, "info"], capture_output=True, check=False).returncode:
            return Docker(program)
    if shutil.which("buildah") and shutil.which("debootstrap") and os.geteuid() == 0:
        return Buildah(folder)
    raise SystemExit("No Docker or Podman answers. As root on Debian: apt-get install buildah debootstrap")


def output(*command: str | Path, **environment: str) -> str:
    made = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **environment}
    )
    return made.stdout.strip()


class Container:
    """A container of Docker or Podman."""

    def __init__(self, program: str, name: str) -> None:
        self._program = program
        self._name = name

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, "exec", self._name, *command], capture_output=True, text=True, check=False
        )

    def log(self) -> str:
        written = subprocess.run([self._program, "logs", self._name], capture_output=True, text=True, check=False)
        return written.stdout + written.stderr


class Docker:
    """Docker, or Podman, which takes the same words."""

    def __init__(self, program: str) -> None:
        self._program = program

    def build(self, options: list[str]) -> None:
        subprocess.run([self._program, "pull", "--quiet", self._base()], check=True)
        form = ["--format", "docker"] if self._program == "podman" else []  # else it leaves HEALTHCHECK out
        subprocess.run([self._program, "build", *form, *options, "-t", NAME, "."], check=True, cwd=ROOT)

    def _base(self) -> str:
        return output("sed", "-n", "s/^ARG BASE=//p", "Dockerfile")

    def sizes(self) -> tuple[int, int]:
        asked = (self._program, "image", "inspect", "--format", "{{.Size}}")
        return int(output(*asked, self._base())), int(output(*asked, NAME))

    def unwanted(self) -> str:
        return output(self._program, "run", "--rm", "--entrypoint", "sh", NAME, "-c", UNWANTED)

    @contextmanager
    def started(self) -> Iterator[Running]:
        home = output(self._program, "image", "inspect", "--format", "{{.Config.WorkingDir}}", NAME)
        confined = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]
        places = ["--volume", f"{SAMPLE}:{SETTINGS}:ro", "--volume", home]
        name = output(self._program, "run", "--detach", *confined, *places, NAME)
        try:
            yield Container(self._program, name)
        finally:
            output(self._program, "stop", "-t", "30", name)
            output(self._program, "rm", "--volumes", name)


class Process:
    """The image's command as a process of this machine, in the image's root."""

    def __init__(self, process: subprocess.Popen[bytes], environment: list[str], log: Path) -> None:
        self._process = process
        self._environment = environment
        self._log = log

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Enter the namespaces and the root of the monitor, as its user, without capabilities."""
        first = self._inner()
        if not first:
            return subprocess.CompletedProcess(command, 1, "", "it does not run")
        entered = ["nsenter", f"--target={first}", "--mount", "--pid", "--root", "--wdns=/"]
        user = Path(f"/proc/{first}").stat().st_uid
        plain = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        plain += ["--bounding-set=-all", "--inh-caps=-all", "env", "--ignore-environment", *self._environment]
        return subprocess.run([*entered, *plain, *command], capture_output=True, text=True, check=False)

    def _inner(self) -> str:
        """The number of the first process in the namespace: the child of `unshare`."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return next(iter(children.read_text().split()), "") if children.exists() else ""

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Send SIGTERM to the monitor, and wait for its end."""
        first = self._inner()
        if first:
            os.kill(int(first), 15)
        self._process.wait(timeout=60)


class Buildah:
    """Buildah with chroot isolation and a storage of its own; it runs the image by `confined.sh`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        storage = self._folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self._folder}/storage"\nrunroot = "{self._folder}/run"\n'
        )
        self._environment = {
            "CONTAINERS_STORAGE_CONF": str(storage),
            "STORAGE_DRIVER": "overlay",
            "BUILDAH_ISOLATION": "chroot",
        }

    def _buildah(self, *words: str | Path) -> str:
        return output("buildah", *words, **self._environment)

    def build(self, options: list[str]) -> None:
        if BASE.split(":")[0] not in self._buildah("images", "--format", "{{.Name}}"):
            self._make_base()
        words = ["--pull-never", "--format", "docker", "--network", "host", "--build-arg", f"BASE={BASE}"]
        subprocess.run(
            ["buildah", "bud", *words, *options, "-t", NAME, "."],
            check=True,
            cwd=ROOT,
            env={**os.environ, **self._environment},
        )

    def _make_base(self) -> None:
        base = self._folder / "base"
        shutil.rmtree(base, ignore_errors=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", base],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (base / "usr/bin/python").symlink_to("python3")
        (base / "etc/apt/apt.conf.d/keep-nothing").write_text(KEEP_NOTHING)
        for kept in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(base / kept)
            (base / kept).mkdir()
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, base, "/")
        self._buildah("config", "--cmd", "bash", container)
        self._buildah("commit", "--quiet", container, BASE)
        self._buildah("rm", container)
        shutil.rmtree(base)

    @contextmanager
    def _mounted(self, image: str) -> Iterator[Path]:
        container = self._buildah("from", "--pull-never", image)
        try:
            yield Path(self._buildah("mount", container))
        finally:
            self._buildah("rm", container)

    def sizes(self) -> tuple[int, int]:
        found = []
        for image in (BASE, f"localhost/{NAME}"):
            with self._mounted(image) as root:
                found.append(int(output("du", "-sxb", root).split()[0]))
        return found[0], found[1]

    def unwanted(self) -> str:
        with self._mounted(f"localhost/{NAME}") as root:
            return output("chroot", root, "sh", "-c", UNWANTED)

    @contextmanager
    def started(self) -> Iterator[Running]:
        described = json.loads(self._buildah("inspect", "--type", "image", f"localhost/{NAME}"))["Docker"]["config"]
        command = [*described["Entrypoint"], *described["Cmd"]]
        log = self._folder / "run.log"
        with self._mounted(f"localhost/{NAME}") as root:
            place = root / SETTINGS.lstrip("/")
            place.parent.mkdir(parents=True)
            place.touch()
            started = ROOT / "deploy" / "release" / "confined.sh"
            words = [started, root, SAMPLE, described["User"], described["WorkingDir"], *described["Env"], *command]
            with log.open("wb") as written:
                process = subprocess.Popen(words, stdout=written, stderr=written)
            running = Process(process, described["Env"], log)
            try:
                yield running
            finally:
                running.stop()
