"""The agents of a day: the roster of a weekday, and of it those who come, with their breaks."""

import random
from functools import lru_cache
from operator import attrgetter
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from queue_monitor.events import AgentActivity
from queue_monitor.simulation.callers import PROFILE, TALK_SECONDS, WRAPUP_SECONDS, Incident
from queue_monitor.simulation.day import CLOSES, HOUR, MINUTE, OPENS, Config, Kind, QueuePlan, generator

RING_SECONDS: Final = (2.0, 6.0)
"""The shortest and longest time from the first ring at an agent to the answer, in seconds."""

_SICK_SHARE: Final = 0.05
_SHORTFALL: Final = 0.30

_LOAD_MARGIN: Final = 1.0
_ROOT_MARGIN: Final = 1.27
"""Agents wanted on the phone = load x first + sqrt(load) x second, load in erlang at the expected number of calls.

Fitted so that about a quarter of the days of the mix end under 90 %.
"""


class Break(Struct):
    start: int
    length: int
    reason: str


class Agent(Struct):
    """One person at a phone, and his or her present state."""

    agent_id: str
    queues: tuple[str, ...]
    arrives: int
    goes_home: int
    breaks: list[Break]
    stays_on: bool = False
    state: AgentActivity = AgentActivity.LOGGED_OUT
    reason: str | None = None
    since: int = 0
    turn: int = 0

    @property
    def on_duty(self) -> bool:
        return self.state is not AgentActivity.LOGGED_OUT


_SHIFTS: Final = tuple(
    # start, end and lunch, in half hours after 08:00; -1 is no lunch
    (start, end, lunch)
    for start, end, lunches in (
        (0, 17, (6, 7, 8, 9)),
        (0, 18, (6, 7, 8, 9, 10)),
        (1, 18, (7, 8, 9, 10)),
        (2, 18, (8, 9, 10, 11)),
        (0, 16, (6, 7, 8, 9)),
        (0, 8, (-1,)),
        (1, 9, (-1,)),
        (2, 10, (-1,)),
        (10, 18, (-1,)),
        (9, 17, (-1,)),
    )
    for lunch in lunches
)


@lru_cache(maxsize=64)
def _roster(calls: int, staff_factor: float) -> tuple[tuple[int, int, int], ...]:
    """Return shifts for the load of a day's calls: each next one lessens the squared lack the most per hour."""
    handle = TALK_SECONDS + WRAPUP_SECONDS + sum(RING_SECONDS) / 2
    load = calls * np.array(PROFILE) / sum(PROFILE) * handle / 1800
    lacking = (_LOAD_MARGIN * load + _ROOT_MARGIN * np.sqrt(load)) * staff_factor
    chosen: list[tuple[int, int, int]] = []
    while True:
        gains = [float((work := _at_work(shift)) @ (2 * lacking - 1) / work.sum() ** 0.7) for shift in _SHIFTS]
        best = int(np.argmax(gains))
        if gains[best] <= 0.0:
            return tuple(chosen)
        chosen.append(_SHIFTS[best])
        lacking = lacking - _at_work(_SHIFTS[best])


def _at_work(shift: tuple[int, int, int]) -> NDArray[np.float64]:
    start, end, lunch = shift
    slots = np.arange(len(PROFILE))
    present: NDArray[np.float64] = ((slots >= start) & (slots < end) & (slots != lunch)).astype(np.float64)
    return present


def crew_of(config: Config, incident: Incident) -> list[Agent]:
    """Return those who come to work today: the roster less the sick, and on a day of shortfall less three in ten."""
    chance = random.Random(int(generator(config, 3).integers(2**62)))
    roster = _roster(config.calls_by_weekday[config.date.weekday()], config.staff_factor)
    crew = [_agent(config, chance, number, shift) for number, shift in enumerate(roster)]
    missing = {i for i in range(len(crew)) if chance.random() < _SICK_SHARE}
    away = chance.sample(range(len(crew)), round(_SHORTFALL * len(crew)))
    if incident.kind is Kind.SHORTFALL:
        missing |= set(away)
    present = [agent for i, agent in enumerate(crew) if i not in missing]
    for plan in config.queues:
        present += [_expert(config, chance, plan, number) for number in range(1, plan.experts + 1)]
    return present


def _agent(config: Config, chance: random.Random, number: int, shift: tuple[int, int, int]) -> Agent:
    start, end, lunch = (OPENS + half_hours * 30 * MINUTE for half_hours in shift)
    breaks = [Break(lunch, 30 * MINUTE, "lunch")] if shift[2] >= 0 else []
    halves = ((start, lunch), (lunch + 30 * MINUTE, end)) if breaks else ((start, end),)
    for begin, finish in halves:
        if finish - begin >= 150 * MINUTE:
            middle = chance.uniform(begin + 60 * MINUTE, finish - 60 * MINUTE)
            breaks.append(Break(int(middle), 15 * MINUTE, "rast"))
    moment = start + chance.expovariate(1 / (4 * HOUR))
    while moment < end - 30 * MINUTE:
        length = int(chance.uniform(2, 8) * MINUTE)
        breaks.append(Break(int(moment), length, chance.choice(("ärende", "möte", "kort paus"))))
        moment += chance.expovariate(1 / (4 * HOUR))
    return Agent(
        agent_id=f"{config.switch}:agent {number + 1}",
        queues=tuple(p.name for p in config.queues if int((number + 1) * p.skill) > int(number * p.skill)),
        arrives=start - int(chance.uniform(0.2, 6) * MINUTE),
        goes_home=end + int(chance.uniform(0, 2) * MINUTE),
        breaks=sorted(breaks, key=attrgetter("start")),
        stays_on=end == CLOSES and chance.random() < 0.6,
    )


def _expert(config: Config, chance: random.Random, plan: QueuePlan, number: int) -> Agent:
    """Return an agent with other work, who is on the phone about half of the time."""
    breaks, moment = [], OPENS + chance.uniform(10, 60) * MINUTE
    while moment < CLOSES - 30 * MINUTE:
        length = chance.uniform(15, 45) * MINUTE
        breaks.append(Break(int(moment), int(length), "eget arbete"))
        moment += length + chance.uniform(20, 60) * MINUTE
    return Agent(
        agent_id=f"{config.switch}:expert {number}",
        queues=(plan.name,),
        arrives=OPENS - int(chance.uniform(0.2, 6) * MINUTE),
        goes_home=CLOSES,
        breaks=breaks,
        stays_on=True,
    )
