"""Out of the settings: one set of levels for the status, the advice and the alerts."""

from pathlib import Path

from queue_monitor.alerting import settings_of
from queue_monitor.bootstrap import live_of
from queue_monitor.bootstrap import settings_of as adapter_settings
from queue_monitor.config import load
from queue_monitor.model import RiskLevels


def test_the_levels_are_set_once_for_status_advice_and_alerts(tmp_path: Path) -> None:
    file = tmp_path / "monitor.toml"
    levels = "[alerts]\nwarning_chance = 0.6\nalarm_chance = 0.7\nmonth_chance = 0.8\n"
    file.write_text(levels + '[[sources]]\nname = "s"\nkind = "simulator"\n')
    config = load(file, {}, adapter_settings)
    live = live_of(config)

    assert live.foresight is not None
    wanted = RiskLevels(warning=0.6, alarm=0.7, month=0.8)
    assert settings_of(config).levels == live.rules.levels == live.foresight.levels == wanted
