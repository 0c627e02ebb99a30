"""What holds for every test. In CI a skipped test is a failure: what was not tried is not known to work."""

import os
from typing import cast

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

# A machine that is busy with the other tests is slow, not wrong. In CI the same examples are tried each time.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the tests wait for a server, a browser or a database rather than for the processor."""
    return min(16, 2 * (os.cpu_count() or 1))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if count := _skipped(terminalreporter.config):
        terminalreporter.write_line(f"{count} skipped: in CI that is a failure", red=True)


def _skipped(config: pytest.Config) -> int:
    """How many tests were skipped, if that matters here."""
    if not os.environ.get("CI"):
        return 0
    reporter = cast("TerminalReporter | None", config.pluginmanager.get_plugin("terminalreporter"))
    return len(reporter.stats.get("skipped", ())) if reporter else 0
