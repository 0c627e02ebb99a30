"""How fast the manager interface is read: messages a second, cut only and wholly understood.

Run: `python benchmarks/bench_ami.py`. Uses the busiest recording in tests/recordings/asterisk.
"""

# ruff: noqa: T201
import csv
import gzip
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from adapters.asterisk_ami import Settings, Translator
from adapters.asterisk_ami.messages import Cutter
from queue_monitor.ports import Connection

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings" / "asterisk"
ROUNDS = 9
AT = datetime(2026, 11, 23, tzinfo=UTC)
Pieces = list[bytes]


def read(name: str) -> Pieces:
    """The recording in the pieces in which it arrived."""
    recording = gzip.decompress((RECORDINGS / f"{name}.raw.gz").read_bytes())
    index = gzip.decompress((RECORDINGS / f"{name}.index.csv.gz").read_bytes()).decode().splitlines()
    places = [(int(row["offset"]), int(row["length"])) for row in csv.DictReader(index)]
    return [recording[start : start + length] for start, length in places]


def cut(pieces: Pieces) -> int:
    cutter = Cutter()
    return sum(1 for piece in pieces for _ in cutter.cut(piece))


def understand(pieces: Pieces) -> int:
    translator = Translator(Connection(source="urn:kc:asterisk_ami:bench", switch="bench"), Settings())
    return sum(1 for piece in pieces for _ in translator.feed(piece, AT))


def measure(what: Callable[[Pieces], int], pieces: Pieces, messages: int) -> str:
    rates = []
    found = 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = what(pieces)
        rates.append(messages / (time.perf_counter() - began))
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    return f"{middle:>10,.0f} messages/s (from {low:,.0f} to {high:,.0f} in {ROUNDS} rounds; {found} came out)"


def main() -> None:
    print(f"{platform.platform()}, {os.cpu_count()} CPUs")
    print(f"Python {platform.python_version()}, msgspec {msgspec.__version__}")
    for name in ("ami-00-small", "ami-02"):
        pieces = read(name)
        size = sum(map(len, pieces))
        messages = b"".join(pieces).count(b"\r\n\r\n")
        print(f"{name}: {messages} messages, {size / 1e6:.1f} MB in {len(pieces)} pieces")
        print(f"  cut and sorted  {measure(cut, pieces, messages)}")
        print(f"  understood      {measure(understand, pieces, messages)}")


if __name__ == "__main__":
    main()
