"""The forecast in words, for the board and the lead's page: margin and what would help. All of it is an estimate."""

import math
from collections.abc import Iterator

from queue_monitor import texts
from queue_monitor.model import QueueNow, RiskFigures, Snapshot


def forecast_faces(snapshot: Snapshot) -> tuple[QueueNow, ...]:
    """Return the pools and queues with a forecast of their own: a queue that shares its agents has its pool's.

    One that holds every queue is replaced by the total.
    """
    pooled = {queue for pool in snapshot.pools for queue in pool.queues}
    found = (*snapshot.pools, *(queue for queue in snapshot.queues if queue.name not in pooled))
    return (snapshot.total,) if len(found) == 1 else found


def margin_base(risk: RiskFigures, ratio: float) -> int | None:
    """Return all the late and lost calls that the day's expected calls can bear; the rest of it is the margin."""
    return None if risk.expected_calls is None else math.floor((1 - ratio) * risk.expected_calls + 1e-9)


def margin_words(face: QueueNow, snapshot: Snapshot, language: str, period: str = "day") -> str:
    """Return `14 av ca 90 för hela dagen` or `15 för många`; empty where there is no forecast."""
    risk = face.risk if period == "day" else face.month_risk
    left = face.margins.get(period)
    if risk is None or left is None:
        return ""
    if left < 0:
        return texts.say("margin.too_many", language, number=texts.count(-left, language))
    base = texts.count(margin_base(risk, snapshot.target.ratio), language)
    return texts.say(f"margin.{period}", language, number=texts.count(left, language), base=base)


def help_words(risk: RiskFigures, zone: str, language: str) -> Iterator[str]:
    """Return what would help, a sentence each: for the queue now, and for the day."""
    if risk.agents_for_queue:
        yield texts.say("help.queue", language, number=risk.agents_for_queue)
    if not risk.reachable:
        yield texts.say("help.out_of_reach", language)
    elif risk.agents_for_day and risk.until is not None:
        until = texts.help_until(risk.until, zone, language)
        yield texts.say("help.day_until", language, number=risk.agents_for_day, until=until)
    elif risk.agents_for_day:
        yield texts.say("help.day", language, number=risk.agents_for_day)


def advice(snapshot: Snapshot, language: str) -> str:
    """Return one line for a wall: what would help where the day is in most danger, and the margin; empty if none."""
    faces = [face for face in forecast_faces(snapshot) if face.risk is not None]
    worst = max(faces, key=lambda face: face.risk.p_miss if face.risk else 0.0, default=None)
    if worst is None or worst.risk is None:
        return ""
    found = [*help_words(worst.risk, snapshot.time_zone, language)]
    if margin := margin_words(worst, snapshot, language):
        found.append(texts.say("margin.line", language, margin=margin))
    line = " ".join(found)
    return f"{texts.label(worst, language)}: {line}" if line and len(faces) > 1 else line
