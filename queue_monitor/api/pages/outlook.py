"""The forecast in words, for the board and the lead's page: margin and what would help. All of it is an estimate."""

import math
from collections.abc import Iterator
from typing import Final

from queue_monitor import texts
from queue_monitor.model import UNHEARD, QueueNow, RiskFigures, Snapshot, Status, StatusReason
from queue_monitor.queues import keys_of

_FORETOLD: Final = frozenset(
    {
        StatusReason.EXPECTED_WITHIN,
        StatusReason.LIKELY_MISSED,
        StatusReason.FORECAST_UNDER,
        StatusReason.CANNOT_BE_REACHED,
    }
)
"""The reasons that tell a forecast."""

_SAYS_UNDER: Final = frozenset({StatusReason.UNDER_TARGET_SO_FAR, StatusReason.PERIOD_LOST})
"""The reasons whose own sentence says that the share is under the target, so that no other need say it."""


def forecast_faces(snapshot: Snapshot) -> tuple[QueueNow, ...]:
    """Return the pools and queues with a forecast of their own: a queue that shares its agents has its pool's.

    One that holds exactly the queues of the total is replaced by it.
    """
    found = pools_and_lone_queues(snapshot)
    return (snapshot.total,) if len(found) == 1 and _same_queues(found[0], snapshot.total) else found


def pools_and_lone_queues(snapshot: Snapshot) -> tuple[QueueNow, ...]:
    """Return the pools, and the queues that are in none."""
    pooled = {queue for pool in snapshot.pools for queue in pool.queues}
    return (*snapshot.pools, *(queue for queue in snapshot.queues if queue.name not in pooled))


def _same_queues(one: QueueNow, other: QueueNow) -> bool:
    return keys_of(one.queues) == keys_of(other.queues)


def margin_base(risk: RiskFigures, ratio: float) -> int | None:
    """Return all the late and lost calls that the day's expected calls can bear; the rest of it is the margin."""
    return None if risk.expected_calls is None else math.floor((1 - ratio) * risk.expected_calls + 1e-9)


def margin_words(face: QueueNow, snapshot: Snapshot, language: str, period: str = "day") -> str:
    """Return `14 av ca 90 för hela dagen` or `15 för många`; empty where there is no forecast, and where so few calls
    are expected that not one may be late: that is no margin used up.
    """
    risk = face.risk if period == "day" else face.month_risk
    left = face.margins.get(period)
    if risk is None or left is None:
        return ""
    if left < 0:
        return texts.say("margin.too_many", language, number=texts.count(-left, language))
    base = margin_base(risk, snapshot.target.ratio)
    if base == 0:
        return ""
    numbers = {"number": texts.count(left, language), "base": texts.count(base, language)}
    return texts.say(f"margin.{period}", language, **numbers)


def is_too_early(face: QueueNow) -> bool:
    """Return whether nothing is said yet of how the day may end: its chance is left out, and what would help it."""
    return face.verdict.status is Status.TOO_EARLY


def help_words(face: QueueNow, zone: str, language: str) -> Iterator[str]:
    """Return what would help a queue or a pool with a forecast, a sentence each: for its line now, and for the day."""
    risk = face.risk
    if risk is None:
        return
    if risk.agents_for_queue and face.waiting_count:
        yield texts.say("help.queue", language, number=risk.agents_for_queue)
    if is_too_early(face):
        return
    if not risk.reachable:
        yield texts.say("help.out_of_reach", language)
    elif risk.agents_for_day and risk.until is not None:
        until = texts.clock(risk.until, zone, language)
        yield texts.say("help.day_until", language, number=risk.agents_for_day, until=until)
    elif risk.agents_for_day:
        yield texts.say("help.day", language, number=risk.agents_for_day)


def speaks_for(face: QueueNow, snapshot: Snapshot) -> QueueNow | None:
    """Return the pool or queue whose forecast a face shows: that of its pool, of several the one with the most calls.

    None without a forecast.
    """
    if face.risk is None:
        return None
    return next((found for found in pools_and_lone_queues(snapshot) if found.risk == face.risk), None)


def reason(face: QueueNow, snapshot: Snapshot, language: str) -> str:
    """Return why a face has its status, as a sentence; with the pool whose forecast it tells, where that is another."""
    day, why = face.periods.get("day"), face.verdict.reason
    said = texts.reason_words(
        why,
        target=snapshot.target,
        share=day.headline if day else None,
        including_refused=day.including_refused if day else None,
        risk=face.risk,
        language=language,
    )
    speaks = _another_that_speaks(face, snapshot)
    return said if speaks is None else f"{texts.label(speaks, language)}: {said}"


def _another_that_speaks(face: QueueNow, snapshot: Snapshot) -> QueueNow | None:
    """Return the pool or queue whose forecast is told as the reason for a face's status, where that is not the face."""
    speaks = speaks_for(face, snapshot) if face.verdict.reason in _FORETOLD else None
    return None if speaks is None or _same_queues(speaks, face) else speaks


def fact_beside(face: QueueNow, snapshot: Snapshot, language: str) -> str:
    """Return that a face is under its target now; empty where it is not, where nobody knows, and where the reason for
    its status says so.

    Beside another's forecast it says of whom it is.
    """
    verdict = face.verdict
    if not verdict.under_target_now or verdict.reason in _SAYS_UNDER | UNHEARD:
        return ""
    if _another_that_speaks(face, snapshot) is None:
        return texts.say("target_not_met", language)
    return texts.say(f"target_not_met.{'queue' if face.name and len(face.queues) == 1 else 'together'}", language)


def advice(snapshot: Snapshot, language: str) -> str:
    """Return one line for a wall: what would help the pool whose forecast it shows, and the margin; empty if none."""
    worst = speaks_for(snapshot.total, snapshot)
    if worst is None:
        return ""
    found = [*help_words(worst, snapshot.time_zone, language)]
    if margin := margin_words(worst, snapshot, language):
        found.append(texts.say("margin.line", language, margin=margin))
    line = " ".join(found)
    return line if not line or _same_queues(worst, snapshot.total) else f"{texts.label(worst, language)}: {line}"
