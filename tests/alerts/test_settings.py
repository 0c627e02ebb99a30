"""Out of the settings: one set of levels for status, advice and alerts; and channels that can be tried."""

from pathlib import Path

import pytest

from queue_monitor.__main__ import main
from queue_monitor.app.alerting import settings_of
from queue_monitor.app.registry import settings_of as adapter_settings
from queue_monitor.app.rules_from_config import live_of
from queue_monitor.config import load
from queue_monitor.model import RiskLevels
from tests.alerts.receivers import free_port, mail_sink, receiver


def test_the_levels_are_set_once_for_status_advice_and_alerts(tmp_path: Path) -> None:
    file = tmp_path / "monitor.toml"
    levels = "[alerts]\nwarning_chance = 0.6\nalarm_chance = 0.7\nmonth_chance = 0.8\n"
    file.write_text(levels + '[[sources]]\nname = "s"\nkind = "simulator"\n')
    config = load(file, {}, adapter_settings)
    live = live_of(config)

    assert live.forecaster is not None
    wanted = RiskLevels(warning=0.6, alarm=0.7, month=0.8)
    assert settings_of(config).levels == live.rules.levels == live.forecaster.levels == wanted


pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise, at first use


def channels(folder: Path, **urls: str) -> list[str]:
    """The arguments that name a file with these channels, and one recipient of the first."""
    written = [f'[[alerts.channels]]\nname = "{name}"\nurl = "{url}"\n' for name, url in urls.items()]
    person = f'[[alerts.recipients]]\nname = "lead"\nchannel = "{next(iter(urls))}"\n'
    file = folder / "monitor.toml"
    file.write_text("".join(written) + person + '[[sources]]\nname = "s"\nkind = "simulator"\n')
    return ["--config", str(file)]


def test_a_test_alarm_goes_to_every_address_and_says_what_went_wrong_with_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mail_sink() as sink, receiver() as hook:
        sink.answers = {"fel@example.se": "550 5.1.1 User unknown"}
        settings = channels(tmp_path, mejl=sink.url + ",fel@example.se", krok=f"json://{hook.address}/larm")
        all_of_them = main(["test-alarm", *settings])
        said = capsys.readouterr().out
        only_one = main(["test-alarm", "krok", *settings])

    assert (all_of_them, only_one) == (1, 0)
    assert said.splitlines()[0] == "mejl, address 1: sent"
    assert said.splitlines()[1].startswith("mejl, address 2: the server refuses the address")
    assert said.splitlines()[2:] == ["krok: sent"]
    assert capsys.readouterr().out == "krok: sent\n"
    assert sink.mails[0]["Subject"].endswith("Kundcenter: provlarm.")
    assert len(hook.got) == 2


def test_a_test_alarm_without_channels_or_through_an_unknown_one_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = channels(tmp_path, krok=f"json://127.0.0.1:{free_port()}/")

    assert main(["test-alarm", "kork", *settings]) == 2
    assert 'no channel "kork"; expected krok' in capsys.readouterr().err
    assert main(["test-alarm"]) == 2
