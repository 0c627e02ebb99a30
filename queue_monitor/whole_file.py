"""Files that only their owner may read, and that a power cut leaves either as they were or as they were to be."""

import os
from pathlib import Path

import msgspec


def write_whole(path: Path, content: object) -> None:
    """Write content as JSON beside the file, then put it in its place; returns when the disk has it. Raises `OSError`,
    and then nothing has changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
