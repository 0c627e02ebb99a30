"""Bytes for another program leave whole, also where Python has no buffer of its own."""

import io
from types import SimpleNamespace

import pytest

from queue_monitor.whole_output import whole_output


class Piecemeal(io.RawIOBase):
    """An output that takes a part, as a pipe does when its writer is stopped and goes on."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, given: "bytes | memoryview") -> int:  # type: ignore[override]
        part = bytes(given[: max(1, len(given) // 2)])
        self.taken += part
        return len(part)


def test_an_output_that_takes_a_part_gets_the_rest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out, content = Piecemeal(), bytes(range(256)) * 1_000
    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=out))

    with whole_output() as whole:
        whole.write(b"head")
        whole.write(content)

    assert out.taken == b"head" + content
    assert not out.closed


def test_an_output_with_a_buffer_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    own = io.BufferedWriter(out)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=own))

    with whole_output() as whole:
        whole.write(b"content")

    assert out.getvalue() == b"content"
