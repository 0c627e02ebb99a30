"""A bug of ours in a translator costs the line or message that it was reading."""

from datetime import UTC, datetime

import pytest

from adapters.asterisk_queuelog import Settings, Translator
from queue_monitor.events import CallEntered
from queue_monitor.ports import Connection, Rejected
from queue_monitor.translating import FAULT, translated

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CONNECTION = Connection(source="urn:kc:asterisk_queuelog:pbx", switch="pbx", epoch="1")


def test_a_fault_is_one_rejection_and_the_log_says_where_but_not_what(caplog: pytest.LogCaptureFixture):
    def broken() -> None:
        raise KeyError("0700000000")

    [rejected] = translated("urn:kc:mqtt:a", broken)

    assert isinstance(rejected, Rejected)
    assert (rejected.source, rejected.reason) == ("urn:kc:mqtt:a", FAULT)
    assert rejected.detail.startswith("KeyError in broken, line ")
    assert "own code failed" in caplog.text
    assert "0700000000" not in caplog.text + rejected.detail


def test_a_line_on_which_our_code_fails_costs_that_line_only(monkeypatch: pytest.MonkeyPatch):
    translator = Translator(CONNECTION, Settings(path=""))

    def broken(self: Translator, *what: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Translator, "_refused", broken)
    lines = [f"{1795507200 + n}|17955072{n:02}.1|q|NONE|ENTERQUEUE|||1" for n in range(3)]
    lines.insert(1, "1795507200|1795507250.1|q|NONE|FULL|")
    found = list(translator.feed("".join(f"{line}\n" for line in lines).encode(), NOW))
    found += translator.close(NOW)

    assert sum(isinstance(item, CallEntered) for item in found) == 3
    assert [item.reason for item in found if isinstance(item, Rejected)] == [FAULT]
