"""The callers of a day: when each calls, how long each would wait and talk, and the incidents of the day."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.simulation.day import CLOSES, HOUR, MINUTE, MIX, OPENS, SECOND, Config, Kind, generator

PROFILE: Final = (0.85, 1.1, 1.35, 1.42, 1.4, 1.3, 1.1, 0.92, 0.8, 0.82, 1.0, 1.05, 1.0, 0.95, 0.9, 0.8, 0.68, 0.55)
"""The weight of each half hour from 08:00, with the peak at 9 to 11."""

_CLOSED_WEIGHT: Final = 0.12
"""The weight of the half hours before opening and after closing: those callers are refused."""

_DAY_CV: Final = 0.09
_DAY_BOUND: Final = 2.5
_WOBBLE_CV: Final = 0.10
_WOBBLE_MEMORY: Final = 0.6
TALK_SECONDS: Final = 260.0
_TALK_CV: Final = 0.9
WRAPUP_SECONDS: Final = 30.0
_REDIAL_SHARE: Final = 0.25
_REDIAL_MEAN_SECONDS: Final = 240.0
_RETURN_MEAN_SECONDS: Final = 3600.0
_KEY_SHARE: Final = 0.02
_WITHHELD_SHARE: Final = 0.05
_INCIDENTS: Final = {
    # kind: earliest start, latest start, length, calls times
    Kind.MINI: (8 * HOUR + 30 * MINUTE, 15 * HOUR + 30 * MINUTE, 15 * MINUTE, 1.8),
    Kind.BURST: (8 * HOUR + 30 * MINUTE, 15 * HOUR, 40 * MINUTE, 3.0),
    Kind.SHORTFALL: (OPENS, OPENS, CLOSES - OPENS, 1.0),
    Kind.SLOW: (8 * HOUR + 30 * MINUTE, 11 * HOUR, CLOSES, 1.0),
    Kind.OUTAGE: (8 * HOUR + 30 * MINUTE, 15 * HOUR + 30 * MINUTE, 25 * MINUTE, 1.0),
}


class Incident(Struct, frozen=True):
    kind: Kind
    start: int
    end: int
    calls_times: float

    def covers(self, moment: int) -> bool:
        return self.start <= moment < self.end


def incident_of(config: Config) -> Incident:
    chance = generator(config, 0)
    drawn = list(MIX)[int(chance.choice(len(MIX), p=list(MIX.values())))]
    where = chance.random()
    kind = config.kind or drawn
    if kind not in _INCIDENTS:
        return Incident(Kind.NORMAL, 0, 0, 1.0)
    earliest, latest, length, calls_times = _INCIDENTS[kind]
    start = earliest + int(where * (latest - earliest))
    return Incident(kind, start, min(start + length, CLOSES), calls_times)


class Person(Struct):
    """One try to get through: how long this person would wait and talk, all drawn beforehand."""

    person: int
    attempt: int
    rings_at: int
    queue: str
    patience: int
    talk: int
    wrapup: int
    menu: int
    redials_after: int | None
    presses_key: bool
    passed_on: float
    hangs_up_first: bool
    withheld: bool
    again: "Person | None" = None
    back: "Person | None" = None
    returns_after: int = 0
    redial_of: str | None = None


def callers_of(config: Config, incident: Incident) -> list[Person]:
    """Return all callers of today, in order.

    `again` is the same person's second try, if the first is given up; `back` the call of one who was answered and calls
    again.
    """
    at, chance = _arrivals(config, incident), generator(config, 2)
    first = _tries(config, chance, at, attempt=1)
    second = _tries(config, chance, at, attempt=2)
    for caller, retry in zip(first, second, strict=True):
        caller.again = retry
        retry.queue = caller.queue
        retry.withheld = caller.withheld
        retry.redials_after = None
    if config.returns_ratio > 0:
        _let_return(config, first, at)
    return first


def _let_return(config: Config, first: Sequence[Person], at: Sequence[int]) -> None:
    """Let a share of the callers call again when they have been answered, at the first try or the second."""
    chance = generator(config, 6)
    later = _tries(config, chance, at, attempt=3)
    coins = chance.random(len(at)).tolist()
    after = _ms(60 + chance.exponential(_RETURN_MEAN_SECONDS - 60, len(at)))
    for number, (caller, back) in enumerate(zip(first, later, strict=True)):
        if coins[number] >= config.returns_ratio:
            continue
        back.withheld, back.redials_after = caller.withheld, None
        for each in filter(None, (caller, caller.again)):
            each.back, each.returns_after = back, after[number]


def _arrivals(config: Config, incident: Incident) -> list[int]:
    """Return Poisson arrivals by minute: weekday x half-hour profile x day factor x a wobble of about half an hour."""
    chance = generator(config, 1)
    slots = np.repeat((_CLOSED_WEIGHT, *PROFILE, _CLOSED_WEIGHT), 30) / (30 * sum(PROFILE))
    wobble = np.repeat(_wobble(chance, len(slots) // 15, _WOBBLE_CV * config.wildness), 15)
    usual = float(np.clip(chance.standard_normal(), -_DAY_BOUND, _DAY_BOUND))
    cv = _DAY_CV * config.wildness
    day = float(np.exp(cv * usual - cv**2 / 2))
    minutes = OPENS - 30 * MINUTE + MINUTE * np.arange(len(slots))
    rush = np.where((minutes >= incident.start) & (minutes < incident.end), incident.calls_times, 1.0)
    rate = config.calls_by_weekday[config.date.weekday()] * config.calls_factor * slots * wobble * day * rush
    starts = np.repeat(minutes, chance.poisson(rate))
    return sorted((starts + chance.integers(0, MINUTE, len(starts))).tolist())


def _wobble(chance: np.random.Generator, quarters: int, cv: float) -> NDArray[np.float64]:
    levels, level = [], cv * float(chance.standard_normal())
    for step in chance.standard_normal(quarters).tolist():
        level = _WOBBLE_MEMORY * level + cv * (1 - _WOBBLE_MEMORY**2) ** 0.5 * step
        levels.append(level)
    factors: NDArray[np.float64] = np.exp(np.array(levels) - cv**2 / 2)
    return factors


def _tries(config: Config, chance: np.random.Generator, rings_at: Sequence[int], attempt: int) -> list[Person]:
    n = len(rings_at)
    shares = np.array([plan.share for plan in config.queues])
    sigma = float(np.log(1 + _TALK_CV**2)) ** 0.5
    queue = chance.choice(len(shares), n, p=shares / shares.sum())
    patience = _ms(chance.exponential(config.patience_seconds, n))
    talk = _ms(chance.lognormal(np.log(TALK_SECONDS) - sigma**2 / 2, sigma, n))
    wrapup = _ms(chance.exponential(WRAPUP_SECONDS, n))
    menu = _ms(chance.uniform(8, 35, n))
    redials_after = _ms(30 + chance.exponential(_REDIAL_MEAN_SECONDS - 30, n))
    coins = chance.random((5, n)).tolist()
    return [
        Person(
            person=i,
            attempt=attempt,
            rings_at=rings_at[i],
            queue=config.queues[int(queue[i])].name,
            patience=patience[i],
            talk=max(SECOND, talk[i]),
            wrapup=wrapup[i],
            menu=menu[i],
            redials_after=redials_after[i] if coins[0][i] < _REDIAL_SHARE else None,
            presses_key=coins[1][i] < _KEY_SHARE,
            passed_on=coins[2][i],
            hangs_up_first=coins[3][i] < 0.7,
            withheld=coins[4][i] < _WITHHELD_SHARE,
        )
        for i in range(n)
    ]


def _ms(seconds: NDArray[np.float64]) -> list[int]:
    rounded: list[int] = np.rint(seconds * SECOND).astype(np.int64).tolist()
    return rounded
