"""Writes small files for their owner only, which a power cut leaves either old or new, never half."""

import os
from pathlib import Path

import msgspec


def write_json(path: Path, content: object) -> None:
    """Write content as JSON for people, as `write_whole` does."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def write_whole(path: Path, content: bytes, *, anew: bool = False) -> None:
    """Write content beside the file, then put it in its place; return when it is on disk.

    Raises `OSError`, and then nothing has changed; with `anew` also where there is such a file already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new" if anew else path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if anew:
        try:
            path.hardlink_to(beside)
        finally:
            beside.unlink()
    else:
        beside.replace(path)
