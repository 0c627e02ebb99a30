"""The sources that a monitor watches follow from its settings, as far as those can say."""

from pathlib import Path

import pytest

from queue_monitor import config
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.wiring import publishers_of, watched_switches

BROKER = '[[sources]]\nname = "buss"\nkind = "mqtt"\nswitch = "buss"\n'


def understood(folder: Path, text: str) -> config.Config:
    path = folder / "queue-monitor.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, {}, settings_of, adapter_kinds())


def test_behind_a_broker_whose_publishers_are_named_these_are_watched_alone(tmp_path: Path) -> None:
    """One that was renamed there, or taken out, made everything blind for ever."""
    found = understood(tmp_path, BROKER + 'sources = ["urn:kc:freeswitch:pbx", "reserv"]\n')

    assert watched_switches(found) == {"urn:kc:mqtt:buss": "buss"}
    assert publishers_of(found) == {"urn:kc:freeswitch:pbx", "reserv"}


@pytest.mark.parametrize(
    "more", ["", '[[sources]]\nname = "andra"\nkind = "mqtt"\nswitch = "andra"\nsources = ["pbx"]\n']
)
def test_behind_a_broker_from_which_everybody_is_taken_whoever_was_heard_is_watched(more: str, tmp_path: Path) -> None:
    """However long ago that was: nobody can tell a renamed publisher from a dead one."""
    assert watched_switches(understood(tmp_path, BROKER + more)) == {}


def test_one_that_is_switched_off_names_nobody(tmp_path: Path) -> None:
    found = understood(tmp_path, BROKER + 'enabled = false\nsources = ["pbx"]\n')

    assert (watched_switches(found), publishers_of(found)) == ({}, set())
