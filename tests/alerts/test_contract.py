"""The contract of every kind of channel that is found in `alerts/notifiers`: a file and a row, and how it fails."""

import importlib
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import structs

from queue_monitor.app.alerting import channel_mistakes, notifier_kinds, send_tests
from queue_monitor.app.registry import settings_of
from queue_monitor.config import AlertChannel, Config, load

ROOM = Path(__file__).parents[2] / "alerts"
KINDS = notifier_kinds()

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at first use


def module_of(kind: str) -> ModuleType:
    return importlib.import_module(f"alerts.notifiers.{kind}")


def with_channel(kind: str, url: str = "nonsense") -> Config:
    config = load(None, {}, settings_of)
    channel = AlertChannel(name="jouren", kind=kind, url=url)
    return structs.replace(config, alerts=structs.replace(config.alerts, channels=(channel,)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_docstring_its_row_and_its_test_against_a_receiver(kind: str) -> None:
    assert module_of(kind).__doc__
    assert f"| `{kind}` |" in (ROOM / "README.md").read_text(encoding="utf-8")
    assert f"alerts.notifiers import {kind}" in (Path(__file__).parent / "test_real_delivery.py").read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_a_kind_cannot_use_is_a_mistake_in_the_settings(kind: str) -> None:
    [mistake] = channel_mistakes(with_channel(kind))

    assert mistake.key == "alerts.channels"
    assert "jouren" in mistake.found


@pytest.mark.parametrize("kind", KINDS)
async def test_a_kind_says_that_nobody_takes_what_it_sends(kind: str) -> None:
    config = with_channel(kind, module_of(kind).EXAMPLE)

    assert channel_mistakes(config) == []
    [(where, no_data_reason)] = await send_tests(config, datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert where == "jouren"
    assert no_data_reason
    assert not no_data_reason.startswith("jouren"), "it stands behind the name"


def test_a_kind_that_there_is_not_is_a_mistake_that_lists_those_there_are() -> None:
    [mistake] = channel_mistakes(with_channel("pigeon"))

    assert (mistake.key, mistake.found) == ("alerts.channels", '"pigeon" as the kind of jouren')
    assert mistake.expected == f"one of {', '.join(KINDS)}"
