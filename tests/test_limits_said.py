"""The days on which other limits held are the same wherever the past is shown, also where a limit came back."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from httpx import AsyncClient
from msgspec import structs

from queue_monitor.config import Config
from queue_monitor.model import DefinitionId
from tests.reports.looked import plain
from tests.runtime.lasting import Call
from tests.runtime.test_lasting import at, tell
from tests.test_dated_rules import client_of, started
from tests.test_rebuilding import config_of

OCTOBER: Final = {"period": "month", "day": "2026-10-01"}
CHANGES: Final = (date(2026, 9, 1), date(2026, 10, 8), date(2026, 10, 21))
"""The days of three starts, each with its own target."""


def with_limits(config: Config, limit: int, short: int = 20) -> Config:
    return structs.replace(
        config, target=structs.replace(config.target, limit_seconds=limit, short_abandon_seconds=short)
    )


@asynccontextmanager
async def asked(path: Path, limits: Sequence[tuple[int, int]]) -> AsyncIterator[AsyncClient]:
    """The pages on 12 November, after three starts with these limits and short limits, and a call on some days."""
    config = config_of(path)
    for first, (limit, short) in zip(CHANGES, limits, strict=True):
        async with started(path, with_limits(config, limit, short), first, 7) as run:
            for day in (date(2026, 10, 2), date(2026, 10, 12), date(2026, 10, 23), date(2026, 11, 9)):
                later = [each for each in CHANGES if each > first]
                if first <= day and all(day < each for each in later):
                    run.clock.advance_to(at(day, 18))
                    await tell(run, [Call(str(day), "kundcenter", at(day, 9), "answered", 100_000)])
    async with started(path, with_limits(config, *limits[-1]), date(2026, 11, 12), 12) as run:
        run.pipeline.publish()
        async with client_of(run) as client:
            yield client


async def said(client: AsyncClient) -> dict[str, str]:
    """Return the words of October by the place where they stand."""
    whole = {"from": "2026-10-01", "to": "2026-11-01", "step": "month", "format": "csv", "headings": "words"}
    report = {"period": "2026-10"}
    found = {
        "page": await client.get("/history", params=OCTOBER),
        "file": await client.get("/history/file", params=OCTOBER | {"format": "csv"}),
        "intervals": await client.get("/api/v1/intervals", params=whole),
        "report": await client.get("/history/report", params=report),
        "report csv": await client.get("/history/report", params=report | {"format": "csv"}),
        "public": await client.get("/public"),
        "public csv": await client.get("/api/v1/public", params={"format": "csv"}),
    }
    words = {name: plain(answer.text) for name, answer in found.items()}
    return words | {"public json": plain(json.dumps((await client.get("/api/v1/public")).json(), ensure_ascii=False))}


@pytest.mark.parametrize(
    ("limits", "sentences", "never"),
    [
        (
            ((300, 20), (60, 20), (60, 20)),
            ["Samtal till och med 2026-10-07 är bedömda efter gränsen 5 min, som gällde då."],
            "till och med 2026-10-02",
        ),
        (
            ((300, 20), (60, 20), (300, 20)),
            ["Samtal från 2026-10-08 till och med 2026-10-20 är bedömda efter gränsen 1 min, som gällde då."],
            "Samtal till och med",
        ),
        (
            ((300, 20), (60, 20), (120, 20)),
            [
                "Samtal till och med 2026-10-07 är bedömda efter gränsen 5 min, som gällde då.",
                "Samtal från 2026-10-08 till och med 2026-10-20 är bedömda efter gränsen 1 min, som gällde då.",
            ],
            "Samtal till och med 2026-10-20",
        ),
        (
            ((300, 20), (300, 10), (300, 20)),
            ["Samtal från 2026-10-08 till och med 2026-10-20 räknas som tappade tidigt inom 10 s, som gällde då."],
            "bedömda efter gränsen",
        ),
    ],
)
async def test_every_place_names_the_days_on_which_another_limit_held(
    tmp_path: Path, limits: Sequence[tuple[int, int]], sentences: Sequence[str], never: str
):
    async with asked(tmp_path / "calls.db", limits) as client:
        words = await said(client)

    for place, text in words.items():
        text = text.partition("Underlag för granskning")[0]
        for sentence in sentences:
            assert sentence in text, place
        if "public" not in place and "csv" not in place and place != "file":
            assert never not in text, place


async def test_a_report_sealed_with_no_change_of_limits_has_the_same_bytes_as_ever(tmp_path: Path):
    async with asked(tmp_path / "calls.db", ((300, 20),) * 3) as client:
        report = await client.get("/history/report", params={"period": "2026-10", "format": "json"})

    assert '"earlier_targets"' not in report.text


async def test_a_year_says_which_targets_held_before_the_one_that_its_days_are_held_against(tmp_path: Path):
    """The share that is aimed at changes twice, the formula once, and the limit never."""
    config = config_of(tmp_path / "calls.db")
    targets = (
        structs.replace(config.target, ratio=0.85, definition=DefinitionId.D3),
        structs.replace(config.target, ratio=0.8),
        structs.replace(config.target, ratio=0.9),
    )
    for first, target in zip(CHANGES, targets, strict=True):
        async with started(tmp_path / "calls.db", structs.replace(config, target=target), first, 7) as run:
            run.clock.advance_to(at(first, 18))
            await tell(run, [Call(str(first), "kundcenter", at(first, 9), "answered", 100_000)])
    asked_for = {"period": "year", "day": "2026-01-01"}
    last = structs.replace(config, target=targets[-1])
    async with started(tmp_path / "calls.db", last, date(2027, 1, 12), 12) as run:
        run.pipeline.publish()
        async with client_of(run) as client:
            places = {
                "page": await client.get("/history", params=asked_for),
                "another formula": await client.get("/history", params=asked_for | {"definition": "D1"}),
                "file": await client.get("/history/file", params=asked_for | {"format": "csv"}),
                "report": await client.get("/history/report", params={"period": "2026"}),
                "november": await client.get("/history", params={"period": "month", "day": "2026-11-01"}),
                "in English": await client.get("/history", params=asked_for | {"lang": "en"}),
            }

    words = {name: plain(answer.text) for name, answer in places.items()}
    for place in ("page", "another formula", "file", "report"):
        text = words[place]
        assert "Till och med 2026-10-07 var målet 85 %; här jämförs alla dagar med 90 %." in text, place
        assert "Från 2026-10-08 till och med 2026-10-20 var målet 80 %; här jämförs alla dagar med 90 %." in text, place
        assert "Till och med 2026-10-07 gällde räknesättet D3." in text, place
        assert "bedömda efter gränsen" not in text.partition("Underlag för granskning")[0], place
    assert "var målet" not in words["november"]
    said_so = "From 2026-10-08 to 2026-10-20 the target was 80%; here all days are held against 90%."
    assert said_so in words["in English"]
