"""The report of findings, for a person or a program."""

import platform
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

import msgspec
from msgspec import Struct

from queue_monitor import __version__, texts
from queue_monitor.doctor.finding import Finding, State, said

WIDTH = 100


class Report(Struct, frozen=True, kw_only=True):
    """The findings, in the order of the checks. `settings`: the file, "" for none."""

    organisation: str
    settings: str
    at: datetime
    language: str
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The worst state of all."""
        found = {finding.state for finding in self.findings}
        return next(state for state in (State.WRONG, State.WATCH, State.OK) if state in found or state is State.OK)


def as_json(report: Report) -> bytes:
    """Return the report for programs: `state`, `findings` with `area`, `key`, `state`, `words` and `advice`."""
    shown = {
        "version": __version__,
        "organisation": report.organisation,
        "settings": report.settings,
        "at": report.at,
        "language": report.language,
        "state": report.state,
        "findings": report.findings,
    }
    return msgspec.json.format(msgspec.json.encode(shown), indent=2)


def as_text(report: Report, at: str) -> str:
    """Return the report for people, in lines of at most `WIDTH` where words allow; `at` is the time in their words."""
    language = report.language
    lines = [texts.say("doctor.title", language, organisation=report.organisation, at=at)]
    for area, found in groupby(_by_area(report.findings), key=lambda finding: finding.area):
        lines += ["", texts.say(f"doctor.area.{area}", language)]
        lines += [line for finding in found for line in _lines(finding, language)]
    count = Counter(finding.state for finding in report.findings)
    numbers = {state.value: count[state] for state in State}
    return "\n".join([*lines, "", texts.say("doctor.summary", language, **numbers)])


def _by_area(findings: Sequence[Finding]) -> list[Finding]:
    """Group the findings by area, the areas in the order in which they first came."""
    order = list(dict.fromkeys(finding.area for finding in findings))
    return sorted(findings, key=lambda finding: order.index(finding.area))


def _lines(finding: Finding, language: str) -> Iterator[str]:
    width = max(len(texts.say(f"doctor.state.{state.value}", language)) for state in State) + 2
    head = f"  {texts.say(f'doctor.state.{finding.state.value}', language):{width}}"
    yield from _wrapped(finding.words, head)
    if finding.advice:
        yield from _wrapped(f"{texts.say('doctor.do', language)} {finding.advice}", " " * len(head))


def _wrapped(words: str, head: str) -> list[str]:
    indent = " " * len(head)
    return textwrap.wrap(
        words, WIDTH, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def version(language: str) -> Finding:
    """Return the version that runs here."""
    gaps = {"version": __version__, "python": platform.python_version()}
    return said(language, "version", "version", State.OK, **gaps)
