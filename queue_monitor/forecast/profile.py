"""The usual figures of a pool, learned from closed days: arrivals and agents by weekday and half hour, handle time,
patience.

A profile is a plain struct that msgspec can write and read; `learn` gives the next one. Without history it is empty,
and the forecast uses today alone, with wider errors.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct, field, structs
from numpy.typing import NDArray

from queue_monitor.forecast import bias_correction as bias_correction
from queue_monitor.forecast.bias_correction import NO_VERIFICATION, BiasCorrections, DayVerification, OwnWait
from queue_monitor.forecast.calls import Array
from queue_monitor.forecast.day import MINUTE, SLOT_MINUTES, SLOTS, DayState, QueueState, half_hour
from queue_monitor.forecast.erlang import in_time_chance
from queue_monitor.queues import queue_key

LAST_CALLER_SECONDS: Final = 3600.0
DAYS_OF_A_KIND: Final = 12
"""The number of days of one weekday that are remembered (docs/at-risk.md, step 2)."""
DAYS_OF_SERVICE: Final = 60
"""The number of days of handle time and patience that are remembered (step 4)."""

WAIT_CVS: Final = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4)
"""Candidates for the spread of waits about their prediction, as a share of it, beyond the queue's own chance."""
BLOCK_SLOTS: Final = 6

_SPEED_PRIOR_CALLS: Final = 100.0
_SLOT_PRIOR_CALLS: Final = 100.0
_SPEED_BOUNDS: Final = (0.5, 1.6)
_OWN_PRIOR_CALLS: Final = 30.0
_OWN_BOUNDS: Final = (0.4, 2.5)
_TRIM: Final = 0.2
_WEEKDAY_COUNTS_AS: Final = 2.0
"""On a special day, the usual figures of its weekday count as this number of days like it."""
_BORROWED_DAYS: Final = 1.0
"""The pattern of all weekdays counts as this number of days of the weekday asked for."""


class BaselineDay(Struct, frozen=True):
    """One closed day by half hours of the local day: calls that entered, agents on the phone and logged in.

    It has no NaN: a half hour outside opening hours is -1.
    """

    calls: tuple[float, ...]
    on_duty: tuple[float, ...]
    logged_in: tuple[float, ...]


class ServiceDay(Struct, frozen=True):
    """One closed day's sums.

    `handled`, `handle_seconds`, `handle_squares`: handle times: number, s and s2, each call at most an hour.
    `gave_up`: callers who gave up.
    `waited_seconds`: seconds waited by all.
    `wait_cv`: the log likelihood, under each of `WAIT_CVS`, of what its callers met.
    `from_line`: callers answered out of a line.
    `from_line_expected`: the number that the agents there should have answered.
    `by_queue`: of callers who stood in line: their number, the seconds they waited, and the seconds that their place in
        the pool's line promised.
    `busy`, `freed`: by half hour, the seconds that agents spent in calls, and the calls done.
    `verification`: the day's forecasts compared with what came.
    """

    handled: int
    handle_seconds: float
    handle_squares: float
    gave_up: int
    waited_seconds: float
    wait_cv: tuple[float, ...] = field(default=(0.0,) * len(WAIT_CVS), name="scatter")
    from_line: int = 0
    from_line_expected: float = 0.0
    by_queue: dict[str, tuple[int, float, float]] = {}
    busy: tuple[float, ...] = (0.0,) * SLOTS
    freed: tuple[float, ...] = (0.0,) * SLOTS
    verification: DayVerification = field(default=NO_VERIFICATION, name="lesson")


class Profile(Struct, frozen=True):
    """The usual figures of a pool, oldest days first.

    `days`: by kind of day (`kind_of`: the weekday, or the kind of a special day).
    `service`: over all days.
    """

    days: dict[str, tuple[BaselineDay, ...]] = {}
    service: tuple[ServiceDay, ...] = ()

    def learn(self, day: DayState, special: str = "", verification: DayVerification = NO_VERIFICATION) -> "Profile":
        """Return the profile after one more day, which is closed and whose last caller is gone.

        A special day adds to the days of its kind, not to its weekday.
        """
        closed = day.state(day.closes + LAST_CALLER_SECONDS)
        kind = special or kind_of(closed)
        kept = (*self.days.get(kind, ()), _baseline_day(closed))[-DAYS_OF_A_KIND:]
        served = structs.replace(_service_day(closed, day, self.speed_by_slot()), verification=verification)
        service = (*self.service, served)[-DAYS_OF_SERVICE:]
        return Profile(days={**self.days, kind: kept}, service=service)

    def calls(self, weekday: str, special: str = "") -> Array | None:
        """Return the usual calls in each half hour of the day: trimmed mean over days of the kind; None without any
        day.
        """
        return self._usual(weekday, special, "calls", _trimmed_mean)

    def on_duty(self, weekday: str, special: str = "") -> Array | None:
        """Return the agents usually on the phone in each half hour: median over days of the kind."""
        return self._usual(weekday, special, "on_duty", _median)

    def logged_in(self, weekday: str, special: str = "") -> Array | None:
        return self._usual(weekday, special, "logged_in", _median)

    def _usual(self, weekday: str, special: str, what: str, centre: Callable[[Array], Array]) -> Array | None:
        """Return the usual figures; for a special day those of days like it, and while these are few, mostly those of
        its weekday.
        """
        usual = self._blend(weekday, what, centre)
        alike = self.days.get(special, ()) if special else ()
        if usual is None or not alike:
            return usual
        weight = len(alike) / (len(alike) + _WEEKDAY_COUNTS_AS)
        return weight * centre(np.array([getattr(day, what) for day in alike])) + (1.0 - weight) * usual

    def _blend(self, kind: str, what: str, centre: Callable[[Array], Array]) -> Array | None:
        everything = [day for days in self.days.values() for day in days]
        if not everything:
            return None
        own = self.days.get(kind, ())
        overall = centre(np.array([getattr(day, what) for day in everything]))
        if not own:
            return overall
        weight = len(own) / (len(own) + _BORROWED_DAYS) if len(own) < 4 else 1.0
        return weight * centre(np.array([getattr(day, what) for day in own])) + (1.0 - weight) * overall

    def handle(self) -> tuple[float, float] | None:
        """Return mean (s) and squared coefficient of variation of the handle time; None without history."""
        count = sum(day.handled for day in self.service)
        if count < 20:
            return None
        mean = sum(day.handle_seconds for day in self.service) / count
        return mean, max(0.05, sum(day.handle_squares for day in self.service) / count / mean**2 - 1.0)

    def speed_by_slot(self) -> Array:
        """Return the speed of calls in each half hour compared with the day as a whole; 1.2 is a fifth faster.

        The agents there and the callers' questions differ between morning and evening.
        """
        busy = np.array([day.busy for day in self.service]).reshape(-1, SLOTS).sum(axis=0)
        freed = np.array([day.freed for day in self.service]).reshape(-1, SLOTS).sum(axis=0)
        expected = busy * freed.sum() / max(float(busy.sum()), 1.0)
        speed_by_slot: Array = (freed + _SLOT_PRIOR_CALLS) / (expected + _SLOT_PRIOR_CALLS)
        return speed_by_slot

    def abandonment_rate(self) -> float | None:
        """Return the callers who give up per second waited; None without history.

        It is the maximum-likelihood rate of exponential patience, with waits censored by answers (Brown et al. 2005,
        section 5).
        """
        waited = sum(day.waited_seconds for day in self.service)
        return sum(day.gave_up for day in self.service) / waited if waited > 600.0 else None

    def service_speed(self) -> float:
        """Return the speed of lines compared with the one that agents on duty and handle time promise; 1 is as
        promised.

        It includes everything that makes lines move otherwise: agents who are about to leave, skills, inferred staff.
        """
        served = sum(day.from_line for day in self.service)
        expected = sum(day.from_line_expected for day in self.service)
        service_speed = (served + _SPEED_PRIOR_CALLS) / (expected + _SPEED_PRIOR_CALLS)
        return min(max(service_speed, _SPEED_BOUNDS[0]), _SPEED_BOUNDS[1])

    def queue_wait_cv(self, queue: str | None = None) -> float:
        """Return the coefficient of variation of waits about their forecast, in the pool or in one of its queues."""
        return bias_correction.queue_wait_cv([day.verification for day in self.service], queue)

    def own_wait(self, queue: str) -> OwnWait:
        """Return how waits in this queue compare with those in its pool's line as a whole."""
        return OwnWait(self._own_factor(queue), self.queue_wait_cv(queue))

    def _own_factor(self, queue: str) -> float:
        """Return the ratio of waits in this queue to those of its pool; 1 is equal.

        Some skills are scarcer than others, and some queues go first.
        """
        own, everybody = (np.zeros(3), np.zeros(3))
        for day in self.service:
            for name, sums in day.by_queue.items():
                everybody += sums
                own += sums if name == queue_key(queue) else 0.0
        if not own[0] or not everybody[1] or not everybody[2]:
            return 1.0
        prior = _OWN_PRIOR_CALLS * everybody[1:] / everybody[0]
        ratio = (own[1] + prior[0]) / (own[2] + prior[1]) * everybody[2] / everybody[1]
        return float(min(max(ratio, _OWN_BOUNDS[0]), _OWN_BOUNDS[1]))

    def bias_corrections(self) -> BiasCorrections | None:
        """Return the correction of forecast misses by hour of the day; None without history."""
        return bias_correction.learned([day.verification for day in self.service])

    def wait_cv(self) -> float | None:
        """Return the likeliest of `WAIT_CVS` for what the callers of the remembered days met."""
        if not self.service:
            return None
        return WAIT_CVS[int(np.argmax(np.sum([day.wait_cv for day in self.service], axis=0)))]

    def calls_sd(self) -> float | None:
        """Return the spread of the change of calls, relative to the usual, from three hours to the next three, beyond
        chance.

        It is on the log scale and robust. None with too little history.
        """
        changes, calls = self._changes("calls")
        if len(changes) < 20:
            return None
        chance = float(np.mean(2.0 / np.maximum(calls * BLOCK_SLOTS, 1.0)))
        return float(np.sqrt(max(0.0, _robust_sd(changes) ** 2 - chance)))

    def agents_sd(self) -> float | None:
        """Return the spread of the change of agents on the phone, computed as `calls_sd` but with chance included."""
        changes, _ = self._changes("on_duty")
        return _robust_sd(changes) if len(changes) >= 20 else None

    def _changes(self, what: str) -> tuple[Array, Array]:
        """Return the changes of the log ratio to the usual from one block of slots to the next, over all days and
        kinds.

        The second result is the usual level of each.
        """
        changes, levels = [np.empty(0)], [np.empty(0)]
        for days in self.days.values():
            if len(days) < 4:
                continue
            usual = _blocks(_median(np.array([getattr(day, what) for day in days])))
            for day in days:
                ratio = np.log((_blocks(np.maximum(np.array(getattr(day, what)), 0.0)) + 0.1) / (usual + 0.1))
                used = (usual[1:] > 0.5) & (usual[:-1] > 0.5)
                changes.append(np.diff(ratio)[used])
                levels.append(usual[1:][used])
        return np.concatenate(changes), np.concatenate(levels)


def _blocks(slots: Array) -> Array:
    means: Array = slots.reshape(-1, BLOCK_SLOTS).mean(axis=1)
    return means


def _robust_sd(values: Array) -> float:
    """Return the standard deviation by the median absolute deviation: incidents do not widen it."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def kind_of(state: QueueState) -> str:
    """Return the weekday; Monday is 0."""
    return str(state.day.weekday())


def by_minute(slots: Array, opens: float, closes: float) -> Array:
    """Return the half hours of a day minute by minute from opening to closing."""
    laid: Array = slots[half_hour(opens + MINUTE * np.arange((closes - opens) // MINUTE))]
    return laid


def _baseline_day(closed: QueueState) -> BaselineDay:
    """Return the means by half hour; a half hour of which less than half was heard has none."""
    minutes, slot = closed.minutes, _slots(closed)
    length = np.bincount(slot, minlength=SLOTS)
    heard = np.bincount(slot, weights=closed.heard_by_minute, minlength=SLOTS)
    is_known = (length > 0) & (heard >= length / 2)

    def means(values: Array, times: float) -> tuple[float, ...]:
        sums = np.bincount(slot, weights=values[:minutes] * closed.heard_by_minute, minlength=SLOTS)
        return tuple(np.where(is_known, sums / np.maximum(heard, 1e-9) * times, -1.0).round(3).tolist())

    return BaselineDay(
        calls=means(closed.entered_by_minute, SLOT_MINUTES),
        on_duty=means(closed.agents_by_minute, 1),
        logged_in=means(closed.logged_in_by_minute, 1),
    )


def _service_day(closed: QueueState, day: DayState, speed_by_slot: Array) -> ServiceDay:
    handles = np.minimum(closed.handle_seconds, 3600.0)
    from_line, expected, wait_cv = 0, 0.0, (0.0,) * len(WAIT_CVS)
    if len(handles):
        by_slot = float(handles.mean()) / speed_by_slot
        from_line, expected = day.from_line(by_slot)
        service_speed = (from_line + _SPEED_PRIOR_CALLS) / (expected + _SPEED_PRIOR_CALLS)
        wait_cv = _wait_cv(day, by_slot, service_speed, _giving_up(closed))
    return ServiceDay(
        handled=len(handles),
        handle_seconds=round(float(handles.sum()), 1),
        handle_squares=round(float((handles**2).sum()), 1),
        gave_up=closed.gave_up,
        waited_seconds=round(closed.waited_seconds, 1),
        wait_cv=wait_cv,
        from_line=from_line,
        from_line_expected=round(expected, 2),
        by_queue=_by_queue(day, closed),
        busy=_by_slot(closed.busy_by_minute, closed),
        freed=_by_slot(closed.freed_by_minute, closed),
    )


def _by_slot(minutes: Array, closed: QueueState) -> tuple[float, ...]:
    """Return the sums by half hour of the day of values given by minute from opening."""
    sums = np.bincount(_slots(closed), weights=minutes[: closed.minutes], minlength=SLOTS)
    return tuple(sums.round(1).tolist())


def _slots(closed: QueueState) -> NDArray[np.int64]:
    """Return the half hour of the day that each minute from opening lies in."""
    return half_hour(closed.opens + MINUTE * np.arange(float(closed.minutes)))


def _by_queue(day: DayState, closed: QueueState) -> dict[str, tuple[int, float, float]]:
    """Return by queue the sums of the waits and of those that the place in line promised;
    empty for a queue by itself.
    """
    waits = day.waits_by_queue()
    if len(waits) < 2 or not len(closed.handle_seconds):
        return {}
    abandonment_rate, handle = _giving_up(closed), float(closed.handle_seconds.mean())
    found = {}
    for queue, (waited, place, agents) in waits.items():
        promised = np.log1p(abandonment_rate * place * handle / agents) / abandonment_rate
        found[queue] = (len(waited), round(float(waited.sum()), 1), round(float(promised.sum()), 1))
    return found


def _giving_up(closed: QueueState) -> float:
    """Return the callers who gave up per second waited, of one day."""
    return max((closed.gave_up + 1.0) / (closed.waited_seconds + 600.0), 1e-5)


def _wait_cv(day: DayState, handle_seconds: Array, service_speed: float, abandonment_rate: float) -> tuple[float, ...]:
    """Return the log likelihood of each candidate, from the callers who met a line: answered in time, or past the
    limit.
    """
    met = day.met()
    queued = (met.place > 0.0) & (met.agents > 0.0)
    if not queued.any():
        return (0.0,) * len(WAIT_CVS)
    capacity = service_speed * met.agents[queued] / handle_seconds[half_hour(met.entered[queued])]
    found, limit = [], day.target.limit_seconds
    for wait_cv in WAIT_CVS:
        wait, makes_it = in_time_chance(
            met.place[queued], capacity, abandonment_rate, day.target.limit_seconds, wait_cv
        )
        in_time = makes_it * np.exp(-abandonment_rate * np.minimum(wait, limit))
        late = (1.0 - makes_it) * np.exp(-abandonment_rate * limit)
        likely = np.where(met.late[queued], late, in_time) / (late + in_time)
        found.append(round(float(np.log(np.maximum(likely, 0.005)).sum()), 2))
    return tuple(found)


def _trimmed_mean(days: Array) -> Array:
    """Return the mean by half hour of the days that were open then, without the lowest and highest fifth."""
    result = np.zeros(days.shape[1])
    for slot in range(days.shape[1]):
        seen = np.sort(days[:, slot][days[:, slot] >= 0.0])
        cut = int(len(seen) * _TRIM)
        kept = seen[cut : len(seen) - cut]
        result[slot] = kept.mean() if len(kept) else 0.0
    return result


def _median(days: Array) -> Array:
    open_then = np.where(days >= 0.0, days, np.nan)
    result: Array = np.zeros(days.shape[1])
    seen = ~np.all(np.isnan(open_then), axis=0)
    result[seen] = np.nanmedian(open_then[:, seen], axis=0)
    return result
