"""A day at a simulated kundcenter, call by call: callers, agents, trouble, and the events of the switch.

Pure and seeded: the same `Config` gives the same day to the byte. The numbers are a municipal kundcenter's as assumed
for the at-risk experiment: open 08-17 on weekdays, about 720 to 1050 calls, talk lognormal with mean 260 s, patience
exponential with mean 10 min, 6 to 16 agents, and a mix of normal and difficult days (`MIX`). No number of them is
measured at a real switchboard.

Calibration, 800 weekdays of the mix with default settings (seeds 7 and 1007, from 2025-01-06): mean share 91.5 %, 26 %
of the days end under 90 %, 12 % between 88 and 92 %. Under 90 % by kind: normal 12 %, mini 17 %, burst 98 %, shortfall
91 %, slow 83 %, outage 71 %. Share = contacts answered within 300 s / all that entered, hang-ups under 10 s left out:
`Day.share`.
"""

from queue_monitor.simulation.callers import callers_of, incident_of
from queue_monitor.simulation.crew import crew_of
from queue_monitor.simulation.day import (
    MIX,
    QUEUES,
    ZONE,
    CallTruth,
    ClockOffset,
    Config,
    Day,
    Duplicates,
    Fault,
    Kind,
    Losses,
    QueuePlan,
    Shuffle,
    SourceOutage,
    SwitchRestart,
)
from queue_monitor.simulation.delivery import delivered
from queue_monitor.simulation.switchboard import Switchboard

__all__ = [
    "MIX",
    "QUEUES",
    "ZONE",
    "CallTruth",
    "ClockOffset",
    "Config",
    "Day",
    "Duplicates",
    "Fault",
    "Kind",
    "Losses",
    "QueuePlan",
    "Shuffle",
    "SourceOutage",
    "SwitchRestart",
    "simulate",
]


def simulate(config: Config) -> Day:
    """Simulate one day. On a Saturday, a Sunday and a day of kind `closed` nothing happens."""
    if config.kind is Kind.CLOSED or config.date.weekday() > 4:
        return Day(config=config, kind=Kind.CLOSED, incident_at=None, incident_until=None, events=[], calls=[])
    incident = incident_of(config)
    switchboard = Switchboard(config, incident, callers_of(config, incident), crew_of(config, incident))
    switchboard.run()
    at = switchboard.moment
    return Day(
        config=config,
        kind=incident.kind,
        incident_at=None if incident.kind is Kind.NORMAL else at(incident.start),
        incident_until=None if incident.kind is Kind.NORMAL else at(incident.end),
        events=delivered(switchboard.events, config),
        calls=[visit.truth(at) for visit in switchboard.visits],
    )
