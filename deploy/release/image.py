"""`python -m release.image` builds the image, prints its sizes and tries it; exit code 1 where something is wrong.

It needs the standard library only. IMAGE_OPTIONS are words for the build, such as `-v /etc/pip.conf:/etc/pip.conf:ro`
behind an index of your own; IMAGE_FOLDER is where buildah keeps its base and its images.
"""

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.release.engines import ROOT, Engine, Running, chosen

LIMIT: Final = 220
LIMIT_WITH_PDF: Final = 300
"""How many MB (10^6 bytes) the image may be above its base."""

READY_SECONDS: Final = 120
PDF: Final = "import pikepdf, weasyprint; weasyprint.HTML(string='<p lang=sv>å').write_pdf('/tmp/tried.pdf')"
CONFINED: Final = {
    "NoNewPrivs": "1",
    "CapInh": "0000000000000000",
    "CapPrm": "0000000000000000",
    "CapEff": "0000000000000000",
    "CapBnd": "0000000000000000",
    "CapAmb": "0000000000000000",
}
"""What the kernel says of a process without rights of its own."""


def main() -> int:
    """Build, measure, look, run; returns 1 where something is wrong."""
    engine = chosen(Path(os.environ.get("IMAGE_FOLDER", ROOT / "build" / "image")))
    with timed("built"):
        engine.build(shlex.split(os.environ.get("IMAGE_OPTIONS", "")))
    wrong = [*too_large(engine), *(f"the image holds {found}" for found in engine.unwanted().split())]
    with engine.started() as running:
        wrong += tried(running)
    print(*(f"Wrong: {each}" for each in wrong), sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


@contextmanager
def timed(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    print(f"{what} in {time.monotonic() - begun:.1f} s", flush=True)


def with_pdf() -> bool:
    """Tell whether the pinned packages make PDF files too."""
    return "\nweasyprint==" in (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")


def too_large(engine: Engine) -> list[str]:
    """Print the sizes and return what is wrong with them."""
    base, size = (count / 1e6 for count in engine.sizes())
    limit = LIMIT_WITH_PDF if with_pdf() else LIMIT
    print(f"image {size:.0f} MB = base {base:.0f} MB + {size - base:.0f} MB (at most {limit})", flush=True)
    return [f"{size - base:.0f} MB above the base"] if size - base > limit else []


def tried(running: Running) -> list[str]:
    """Wait for the healthcheck, and ask the kernel what the monitor may do. Returns what is wrong."""
    begun = time.monotonic()
    while (health := running.inside("queue-monitor", "healthcheck")).returncode:
        if time.monotonic() - begun > READY_SECONDS:
            return [f"not well after {READY_SECONDS} s: {health.stderr}\n{running.log()}"]
        time.sleep(0.2)
    print(f"{health.stdout.strip()} after {time.monotonic() - begun:.1f} s", flush=True)
    status = dict(
        line.split(":", 1) for line in running.inside("cat", "/proc/1/status").stdout.splitlines() if ":" in line
    )
    wrong = [f"{name} is {given}" for name in CONFINED if (given := status.get(name, "?").strip()) != CONFINED[name]]
    if "10001" not in status.get("Uid", ""):
        wrong.append(f"it runs as {status.get('Uid', '?').split()}")
    mounts = [line.split() for line in running.inside("cat", "/proc/mounts").stdout.splitlines()]
    if not [kind for _, place, kind, options, *_ in mounts if place == "/" and "ro" in options.split(",")]:
        wrong.append("its root can be written")
    if with_pdf() and (pdf := running.inside("python", "-c", PDF)).returncode:
        wrong.append(f"it makes no PDF: {pdf.stderr}")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
