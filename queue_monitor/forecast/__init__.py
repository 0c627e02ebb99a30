"""The forecast: the next caller's wait, the rest of the day, the chance of missing the target, the agents needed.

It is pure: time is an argument, and random numbers are seeded by pool and day, so that one day always gives the same
numbers. Once a day `baseline_of` makes the day's baseline from the profile; each minute `DayState.state`, `day_inputs`
and `project` compute the forecast of each pool.
"""

from queue_monitor.forecast.advice import AgentsNeeded, agents_needed
from queue_monitor.forecast.bias_correction import OwnWait
from queue_monitor.forecast.day import DayState, OutcomeCounts, QueueState
from queue_monitor.forecast.day_inputs import Baseline, DayInputs, Settings, baseline_of, day_inputs
from queue_monitor.forecast.profile import Profile
from queue_monitor.forecast.projection import Projection, generator, project
from queue_monitor.forecast.verification import verify_day
from queue_monitor.forecast.wait import ServiceSpeed, expected_wait, service_speed

__all__ = [
    "AgentsNeeded",
    "Baseline",
    "DayInputs",
    "DayState",
    "OutcomeCounts",
    "OwnWait",
    "Profile",
    "Projection",
    "QueueState",
    "ServiceSpeed",
    "Settings",
    "agents_needed",
    "baseline_of",
    "day_inputs",
    "expected_wait",
    "generator",
    "project",
    "service_speed",
    "verify_day",
]
