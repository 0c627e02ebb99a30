"""A real Prometheus with the shipped settings, on a free loopback port and a folder of its own."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.grafana.boards import FOLDER
from tests.patience import PATIENCE

SETTINGS = FOLDER / "prometheus"
Labels = Mapping[str, str]
Series = tuple[Labels, list[tuple[float, float]]]


def tool(name: str) -> str:
    """Where `prometheus` or `promtool` lies."""
    found = shutil.which(name)
    assert found, f"boards and rules are tested with the real {name}: install the Debian package `prometheus`"
    return found


def promtool(*arguments: str, folder: Path = SETTINGS, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [tool("promtool"), *arguments], cwd=folder, input=stdin, capture_output=True, check=False, timeout=PATIENCE
    )


def quickened(folder: Path, targets: Iterable[str]) -> Path:
    """A copy of the shipped settings and rules with other targets, every second, and alerts that fire at once."""
    shutil.copytree(SETTINGS, folder)
    settings = folder / "prometheus.yml"
    _replace(settings, r"_interval: 15s", "_interval: 1s", times=2)
    _replace(settings, r"targets: \[\"127\.0\.0\.1:8080\"\]", f"targets: {json.dumps(list(targets))}", times=1)
    _replace(folder / "rules" / "shares.yml", r"interval: 5m", "interval: 1s", times=1)
    _replace(folder / "rules" / "weekday-hour.yml", r"interval: 5m", "interval: 1s", times=1)
    _replace(folder / "rules" / "dead-man.yml", r"for: \d+m", "for: 0s", times=14)
    return settings


def _replace(file: Path, pattern: str, by: str, times: int) -> None:
    text, found = re.subn(pattern, by, file.read_text(encoding="utf-8"))
    assert found == times, f"{file.name}: {pattern} stands there {found} times, not {times}"
    file.write_text(text, encoding="utf-8")


class Prometheus:
    """Started with a config file; asked over its HTTP API."""

    def __init__(self, folder: Path, settings: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    tool("prometheus"),
                    f"--config.file={settings}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    "--storage.tsdb.retention.time=3650d",
                    f"--web.listen-address=127.0.0.1:{port}",
                    # what is written into the store by promtool has no mark where a series ends
                    "--query.lookback-delta=14s",
                    "--log.level=warn",
                ],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer. A query that Prometheus refuses is a failure with its words."""
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                    raise urllib.error.URLError("it is still starting") from error
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert said["status"] == "success", said
        return said["data"]

    def query(self, expr: str, at: float | None = None) -> list[tuple[Labels, float]]:
        moment = {} if at is None else {"time": str(at)}
        found = self.ask("query", query=expr, **moment)
        assert found["resultType"] == "vector", expr
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def now(self) -> float:
        return self.query("vector(time())")[0][1]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        found = self.ask("query_range", query=expr, start=str(start), end=str(end), step=str(step))
        return [(one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in found["result"]]

    def choices(self, series: str, label: str, start: float, end: float) -> list[str]:
        """Grafana's `label_values(series, label)`."""
        values: list[str] = self.ask(f"label/{label}/values", **{"match[]": series}, start=str(start), end=str(end))
        return values

    def wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            assert self._process.poll() is None, self._log.read_text()
            try:
                if holds():
                    return
            except urllib.error.URLError:
                pass  # it does not listen yet
            time.sleep(0.1)
        raise AssertionError(f"{what} in vain; {self._log.read_text()}")

    def targets(self) -> dict[str, str]:
        return {one["labels"]["instance"]: one["health"] for one in self.ask("targets")["activeTargets"]}

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(folder: Path, settings: Path) -> Iterator[Prometheus]:
    prometheus = Prometheus(folder, settings)
    try:
        yield prometheus
    finally:
        prometheus.stop()
