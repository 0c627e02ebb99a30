"""What is to come: the next caller's wait, the rest of the day, the chance of missing the target, agents needed.

Pure: time is an argument, and chance comes from pool and day, so that the same day gives the same numbers. Once a
day `usual_day` lays the profile out; then, each minute and pool: `DayState.state`, `outlook`, `project`.
"""

from queue_monitor.forecast.advice import AgentsNeeded, agents_needed
from queue_monitor.forecast.day import DayState, QueueState, Tally
from queue_monitor.forecast.hindsight import OwnWait
from queue_monitor.forecast.lesson import lesson_of
from queue_monitor.forecast.outlook import Outlook, Settings, Usual, outlook, usual_day
from queue_monitor.forecast.profile import Profile
from queue_monitor.forecast.projection import Projection, generator, project
from queue_monitor.forecast.wait import ServiceSpeed, expected_wait, service_speed

__all__ = [
    "AgentsNeeded",
    "DayState",
    "Outlook",
    "OwnWait",
    "Profile",
    "Projection",
    "QueueState",
    "ServiceSpeed",
    "Settings",
    "Tally",
    "Usual",
    "agents_needed",
    "expected_wait",
    "generator",
    "lesson_of",
    "outlook",
    "project",
    "service_speed",
    "usual_day",
]
