"""A source's adapter made anew when its settings change, without a restart."""

from functools import partial
from pathlib import Path

import pytest

from adapters.asterisk_ami import Settings
from queue_monitor import config
from queue_monitor.app.registry import adapter_kinds, settings_of
from queue_monitor.app.renewal import Renewal
from queue_monitor.clock import ManualClock
from queue_monitor.config import Config, Source
from queue_monitor.ports import Adapter, Clock
from tests.fakes import FakeAdapter
from tests.scenario import TEN


class File:
    """A settings file with one source, and what is made of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "monitor.toml"
        self.ca = folder / "ca.pem"
        self.made: list[str] = []
        self.write("wrong")

    def write(self, secret: str, name: str = "pbx", extra: str = "") -> None:
        self.path.write_text(
            f'[[sources]]\nname = "{name}"\nkind = "asterisk_ami"\nsecret = "{secret}"\ntls_ca = "{self.ca}"\n{extra}'
        )

    def read(self) -> Config:
        return config.load(self.path, {}, settings_of, adapter_kinds())

    def build(self, source: Source, clock: Clock) -> Adapter:
        assert isinstance(source.settings, Settings)
        self.made.append(source.settings.secret)
        return FakeAdapter()


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_a_source_is_made_anew_once_for_each_change_of_the_file(file: File):
    renewed = Renewal(file.path, file.read, file.build).of(file.read().sources[0], ManualClock(TEN))

    assert renewed() is None
    file.write("right one")
    assert renewed() is not None
    assert renewed() is None
    assert file.made == ["right one"]


def test_a_file_that_the_settings_name_counts_too(file: File):
    renewed = Renewal(file.path, file.read, file.build).of(file.read().sources[0], ManualClock(TEN))
    file.ca.write_text("a certificate")

    assert renewed() is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (partial(File.write, secret="x", extra='port = "no"'), "sources[0].port"),
        (partial(File.write, secret="x", name="other"), "have no such source any more"),
    ],
)
def test_a_change_that_cannot_be_used_is_told_and_changes_nothing(
    file: File, change: "partial[None]", told: str, caplog: pytest.LogCaptureFixture
):
    renewed = Renewal(file.path, file.read, file.build).of(file.read().sources[0], ManualClock(TEN))
    change(file)

    assert renewed() is None
    assert renewed() is None
    assert caplog.text.count(told) == 1
    file.write("right")
    assert renewed() is not None
