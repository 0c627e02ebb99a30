"""A real Prometheus scrapes the monitor with a token, by the settings that stand in the document."""

from pathlib import Path

from queue_monitor.model import Role
from tests.api.centre import TOKENS, centre, with_tokens
from tests.commands import ROOT, blocks
from tests.grafana import prometheus
from tests.grafana.prometheus import SETTINGS, promtool

CLOSED = "\n[http]\nread_without_token = false\n"


def test_prometheus_scrapes_with_its_own_token_and_not_without(tmp_path: Path):
    (written,) = (block.text for block in blocks(ROOT / "docs" / "prometheus.md", "yaml"))
    token, settings = tmp_path / "token", tmp_path / "prometheus.yml"
    token.write_text(TOKENS[Role.METRICS] + "\n", encoding="ascii")
    with centre(tmp_path, with_tokens() + CLOSED) as told:
        target = told.address.removeprefix("http://")
        scraped = written.replace("127.0.0.1:8080", target).replace("rules/*.yml", f"{SETTINGS}/rules/*.yml")
        scraped = scraped.replace("/etc/prometheus/queue-monitor.token", str(token))
        settings.write_text(f"global:\n  scrape_interval: 1s\n{scraped}", encoding="utf-8")
        checked = promtool("check", "config", str(settings))
        with prometheus.running(tmp_path, settings) as running:
            running.wait_for("a scrape with the token", lambda: running.targets() == {target: "up"})
            running.wait_for("a sample", lambda: running.query("callqueue_target_ratio") != [])
            token.write_text("another\n", encoding="ascii")
            running.wait_for("a scrape without it", lambda: running.targets() == {target: "down"})

    assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()
