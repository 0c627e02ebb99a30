"""How fast queue_log is read: lines a second, understood, nothing stored.

Run: `python benchmarks/bench_queuelog.py`. Repeats the long recording in tests/recordings/asterisk, each copy later.
"""

# ruff: noqa: T201
import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from adapters.asterisk_queuelog import Settings, Translator
from queue_monitor.ports import Connection

RECORDING = Path(__file__).parent.parent / "tests" / "recordings" / "asterisk" / "queue_log"
COPIES = 60
ROUNDS = 7
PIECE = 256 * 1024
AT = datetime(2026, 11, 23, tzinfo=UTC)


def long_log() -> bytes:
    """The recording again and again, ten minutes apart, as a long day would be."""
    lines = RECORDING.read_bytes().splitlines()
    copies = []
    for copy in range(COPIES):
        for line in lines:
            second, _, rest = line.partition(b"|")
            copies.append(b"%d|%s\n" % (int(second) + 600 * copy, rest))
    return b"".join(copies)


def understand(log: bytes) -> int:
    translator = Translator(Connection(source="urn:kc:asterisk_queuelog:bench", switch="bench"), Settings())
    starts = range(0, len(log), PIECE)
    return sum(1 for start in starts for _ in translator.feed(log[start : start + PIECE], AT))


def main() -> None:
    log = long_log()
    count = log.count(b"\n")
    rates = []
    found = 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = understand(log)
        rates.append(count / (time.perf_counter() - began))
    print(f"{platform.platform()}, {os.cpu_count()} CPUs")
    print(f"Python {platform.python_version()}, msgspec {msgspec.__version__}")
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    print(f"{count} lines: {middle:,.0f} lines/s (from {low:,.0f} to {high:,.0f} in {ROUNDS} rounds; {found} came out)")


if __name__ == "__main__":
    main()
