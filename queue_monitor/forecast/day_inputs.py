"""The rest of the day as expected now: the calls to come, the agents on duty, the length of a call.

Each estimate joins the usual figures (`profile`) with today's so far: docs/at-risk.md, steps 2 to 4. Figures are per
minute unless a name says seconds.
"""

from typing import Final

import numpy as np
from msgspec import Struct, structs

from queue_monitor.forecast.bias_correction import BiasCorrection, BiasCorrections
from queue_monitor.forecast.calls import Array
from queue_monitor.forecast.day import MINUTE, SLOT_MINUTES, QueueState
from queue_monitor.forecast.level_filter import LevelFilter, filtered, mean_level
from queue_monitor.forecast.profile import Profile, by_minute, kind_of


class Settings(Struct, frozen=True, kw_only=True):
    """The forecast's assumptions before today's figures outweigh them. Chosen on tuning days.

    Times are in minutes. `_calls` and `_minutes` of a prior are the evidence that outweighs it; `_sd` are lasting
    errors of a simulated path on the log scale.
    """

    slow_memory: float = 120.0
    slow_prior_calls: float = 70.0
    calls_drift: LevelFilter = LevelFilter(day_sd=0.1, walk_sd=0.15, jumps=0.06, jump_sd=0.6)
    fast_fades: float = 40.0
    staff_slow_memory: float = 120.0
    staff_slow_prior: float = 10.0
    staff_fast_memory: float = 10.0
    staff_fast_prior: float = 2.0
    staff_fades: float = 40.0
    staff_now_fades: float = 8.0
    phones_down_minutes: float = 40.0
    few_left: float = 0.5
    least_usual: float = 2.0
    handle_step: int = 5
    handle_drift: LevelFilter = LevelFilter()
    rate_sd: float = 0.08
    capacity_sd: float = 0.05
    day_sds: float = 0.5
    default_scatter: float = 0.2
    default_handle_seconds: float = 300.0
    default_theta: float = 1.0 / 600.0


SETTINGS: Final = Settings()
PASSING_MINUTES: Final = 90
BLOCK_MINUTES: Final = 15
MAX_OF_USUAL: Final = 1.5
"""The most, as a multiple of the usual calls and with three times chance added, that a quarter of an hour counts for as
a lasting change.
"""


class Baseline(Struct, frozen=True, kw_only=True):
    """The usual figures of this day, minute by minute from opening to closing; None where not known."""

    calls: Array | None
    on_duty: Array | None
    logged_in: Array | None
    handle: tuple[float, float] | None
    speed_by_slot: Array
    abandonment_rate: float | None
    service_speed: float
    wait_cv: float | None
    queue_wait_cv: float
    calls_sd: float | None
    agents_sd: float | None
    bias_corrections: BiasCorrections | None = None


def baseline_of(profile: Profile, state: QueueState, special: str = "") -> Baseline:
    """Return the profile's figures for one day, which may be a special one; made once a day, used at every tick."""
    weekday = kind_of(state)

    def laid(slots: Array | None) -> Array | None:
        return None if slots is None else by_minute(slots, state.opens, state.closes)

    calls = profile.calls(weekday, special)

    return Baseline(
        calls=laid(None if calls is None else calls / SLOT_MINUTES),
        on_duty=laid(profile.on_duty(weekday, special)),
        logged_in=laid(profile.logged_in(weekday, special)),
        handle=profile.handle(),
        speed_by_slot=by_minute(profile.speed_by_slot(), state.opens, state.closes),
        abandonment_rate=profile.abandonment_rate(),
        service_speed=profile.service_speed(),
        wait_cv=profile.wait_cv(),
        queue_wait_cv=profile.queue_wait_cv(),
        calls_sd=profile.calls_sd(),
        agents_sd=profile.agents_sd(),
        bias_corrections=profile.bias_corrections(),
    )


class DayInputs(Struct, frozen=True, kw_only=True):
    """The rest of the day, minute by minute.

    `calls`: usual arrivals a minute. Today's are these times two factors: a lasting one, gamma with `slow` (shape,
        rate), and a passing one with the chances `passing` of its levels, which fades in `fast_fades` minutes.
    `agents`: expected on duty.
    `typical`: usual on duty at that time.
    `handle_seconds`: usual handle time.
    `handle_cv2`: its squared coefficient of variation.
    `speed_by_slot`: the usual speed of calls at that time compared with the day as a whole.
    `speeds`: the chances of today's speed compared with all that.
    `service_speed`: the speed of lines compared with the one that the figures above give.
    `abandonment_rate`: callers who give up per second of waiting.
    `bias_correction`: the correction of forecast misses at this time of day.
    `rate_sd`, `capacity_sd`: lasting errors of a simulated path.
    `rate_ratio`, `agents_ratio`, `handle_ratio`: today compared with the usual, to find the main cause.
    """

    calls: Array
    slow: tuple[float, float]
    passing: Array
    fast_fades: float
    agents: Array
    typical: Array
    handle_seconds: float
    handle_cv2: float
    speed_by_slot: Array
    speeds: Array
    abandonment_rate: float
    service_speed: float
    rate_sd: float
    capacity_sd: float
    wait_cv: float
    queue_wait_cv: float
    rate_ratio: float
    agents_ratio: float
    handle_ratio: float
    staff_known: bool
    bias_correction: BiasCorrection = BiasCorrection()


def day_inputs(state: QueueState, usual: Baseline, settings: Settings = SETTINGS) -> DayInputs:
    """Return the inputs of the projection of the rest of the day."""
    length = int((state.closes - state.opens) // MINUTE)
    calls = usual.calls if usual.calls is not None else np.full(length, _flat_rate(state))
    slow, passing = _rates(state, calls, settings)
    agents, agents_ratio = _agents(state, usual, length, settings)
    handle, cv2, speeds = _handle(state, usual, settings)
    m_slow = slow[0] / slow[1]
    m_fast = m_slow * mean_level(passing)
    return DayInputs(
        calls=calls[state.minutes :],
        slow=slow,
        passing=passing,
        fast_fades=settings.fast_fades,
        agents=agents[state.minutes :],
        typical=(usual.on_duty if usual.on_duty is not None else agents)[state.minutes :],
        handle_seconds=handle,
        handle_cv2=cv2,
        speed_by_slot=usual.speed_by_slot[state.minutes :],
        speeds=speeds,
        abandonment_rate=_theta(state, usual, settings),
        service_speed=usual.service_speed,
        rate_sd=max(settings.rate_sd, settings.day_sds * _or(usual.calls_sd, 0.2)),
        capacity_sd=max(settings.capacity_sd, settings.day_sds * _or(usual.agents_sd, 0.2)),
        wait_cv=_or(usual.wait_cv, settings.default_scatter),
        queue_wait_cv=usual.queue_wait_cv,
        rate_ratio=m_slow if abs(m_slow - 1) > abs(m_fast - 1) else m_fast,
        agents_ratio=agents_ratio,
        handle_ratio=1.0 / mean_level(speeds),
        staff_known=state.agents_known,
        bias_correction=BiasCorrection() if usual.bias_corrections is None else usual.bias_corrections.at(state.at),
    )


def _or(learned: float | None, otherwise: float) -> float:
    return otherwise if learned is None else learned


def _flat_rate(state: QueueState) -> float:
    return float((state.entered_by_minute.sum() + 1.0) / (state.heard_by_minute.sum() + 1.0))


def _weights(state: QueueState, memory: float, count: int | None = None) -> Array:
    """Return the weight of each past minute: the latest about 1, a minute `memory` old 1/e."""
    count = state.minutes if count is None else count
    weights: Array = np.exp(-np.arange(count)[::-1] / memory)
    return weights


def _rates(state: QueueState, calls: Array, settings: Settings) -> tuple[tuple[float, float], Array]:
    """Return the gamma (shape, rate) of the lasting factor on the usual calls, and the chances of the passing level.

    The first is for Poisson counts with a gamma prior, old minutes fading (docs/at-risk.md, step 2); the passing level
    is relative to it. Minutes in which nothing was heard say nothing of either.
    """
    came, expected = state.entered_by_minute, calls[: state.minutes] * state.heard_by_minute
    weights = _weights(state, settings.slow_memory)
    prior = settings.slow_prior_calls
    slow = (prior + float(weights @ _without_rushes(came, expected)), prior + float(weights @ expected))
    usual = expected[-PASSING_MINUTES:] * slow[0] / slow[1]
    return slow, filtered(came[-PASSING_MINUTES:], usual, 1.0 / 60.0, settings.calls_drift)


def _without_rushes(came: Array, expected: Array) -> Array:
    """Return the calls by minute, with a quarter of an hour far over the usual cut down to `MAX_OF_USUAL`.

    A rush says much of the next half hour, which the passing level follows, and little of the evening.
    """
    came_then, usual_then = _binned(came, BLOCK_MINUTES), _binned(expected, BLOCK_MINUTES)
    most = MAX_OF_USUAL * usual_then + 3.0 * np.sqrt(usual_then)
    kept = np.minimum(1.0, most / np.maximum(came_then, 1e-9))
    evened: Array = came * np.repeat(kept, BLOCK_MINUTES)[len(kept) * BLOCK_MINUTES - len(came) :]
    return evened


def _agents(state: QueueState, usual: Baseline, length: int, settings: Settings) -> tuple[Array, float]:
    """Return the agents on duty in each minute of the day from now on, and the share of the usual who are here."""
    past = state.minutes
    ahead = np.maximum(np.arange(length) - past, 0.0)
    down = phones_down(state)
    now = float(state.agents) * (1.0 - down)

    def fades(usually: float) -> float:
        """Return the minutes for which the present number lasts: a few, but longer where most are suddenly gone."""
        gone = 1.0 - now / (settings.few_left * usually) if usually >= settings.least_usual else 0.0
        return settings.staff_now_fades + max(down, gone, 0.0) * settings.phones_down_minutes

    if usual.on_duty is None or usual.logged_in is None:
        lately = state.agents_by_minute[-30:]
        mean = float(lately.mean())
        return mean + (now - mean) * np.exp(-ahead / fades(0.0)), 1.0
    typical = np.maximum(usual.on_duty, 0.3)
    at_work = np.maximum(usual.logged_in, 0.3)
    on_duty, logged_in = _seen(state, state.agents_by_minute, typical), _seen(state, state.logged_in_by_minute, at_work)
    slow = _ratio(state, logged_in, at_work, settings.staff_slow_memory, settings.staff_slow_prior)
    fast = _ratio(state, on_duty, typical, settings.staff_fast_memory, settings.staff_fast_prior, slow)
    here = float(typical[min(past, length - 1)])
    if not state.agents_known and not len(state.waiting):
        now = max(now, here * fast)
    agents = typical * (slow + (fast - slow) * np.exp(-ahead / settings.staff_fades))
    agents = agents + (now - here * fast) * np.exp(-ahead / fades(here * slow))
    return np.maximum(agents, 0.0), min(slow, fast, now / here)


def _seen(state: QueueState, there: Array, typical: Array) -> Array:
    """Return the agents by minute. Where they are inferred, those of the minutes before the first service are not seen.

    The usual ones are taken to be there while nobody waits in vain.
    """
    served = np.nonzero(there > 0.0)[0]
    unseen = int(served[0]) if len(served) else 0 if len(state.waiting) else len(there)
    if state.agents_known or not unseen:
        return there
    return np.concatenate([typical[:unseen], there[min(unseen, len(typical)) :]])


def phones_down(state: QueueState) -> float:
    """Return the share of agents without a caller whose phones cannot be reached, from two on.

    An agent who finishes a call will find the same, so this share of the capacity is gone before the count of agents
    shows it.
    """
    if state.unreachable < 2:
        return 0.0
    return state.unreachable / (state.unreachable + max(0, state.agents - state.serving))


def _ratio(state: QueueState, there: Array, typical: Array, memory: float, prior: float, centre: float = 1.0) -> float:
    """Return the agents there as a ratio to the usual, over the last minutes; the prior counts as `prior` minutes at
    `centre`.
    """
    count = min(len(there), len(typical))
    weights = _weights(state, memory, count)
    return float(
        (weights @ there[:count] + prior * typical[count - 1] * centre)
        / (weights @ typical[:count] + prior * typical[count - 1])
    )


def _handle(state: QueueState, usual: Baseline, settings: Settings) -> tuple[float, float, Array]:
    """Return the usual handle time (s), its squared variation, and the chances of today's speed.

    The speed compares calls finished with those expected from the time spent in calls, calls going on included
    (censored exponential likelihood, in which one call of lower variation counts for more).
    """
    mean, cv2 = usual.handle or (settings.default_handle_seconds, 0.8)
    level_filter = settings.handle_drift
    if usual.handle is None:
        level_filter = structs.replace(level_filter, day_sd=0.5)
    finished = _binned(state.freed_by_minute, settings.handle_step)
    busy = state.busy_by_minute * usual.speed_by_slot[: state.minutes]
    expected = _binned(busy, settings.handle_step) / mean
    return mean, cv2, filtered(finished, expected, settings.handle_step / 60.0, level_filter, 1.0 / max(cv2, 0.2))


def _binned(by_minute: Array, step: int) -> Array:
    """Return sums over `step` minutes, the last step ending now."""
    padded = np.concatenate([np.zeros(-len(by_minute) % step), by_minute])
    sums: Array = padded.reshape(-1, step).sum(axis=1)
    return sums


def _theta(state: QueueState, usual: Baseline, settings: Settings) -> float:
    """Return the hang-ups per second of waiting: the usual, or today's with a prior worth ten hang-ups."""
    if usual.abandonment_rate is not None:
        return max(usual.abandonment_rate, 1e-5)
    return (10.0 + state.gave_up) / (10.0 / settings.default_theta + state.waited_seconds)
