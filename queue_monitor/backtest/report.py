"""The result of a backtest as text of at most 120 columns."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from msgspec import Struct

from queue_monitor import texts
from queue_monitor.backtest.pool_scores import ALARM, WARNING, JudgedPool
from queue_monitor.backtest.scoring import CLEAR_POINTS, MINUTE, Figures, Scored, brier, brier_bounds, reliability
from queue_monitor.backtest.waits import PREDICTORS, Met, coverage, figures
from queue_monitor.model import HAD_TO_WAIT_SECONDS, DefinitionId, Target

NONE = "–"
WIDE = 30
COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("recall", ">= 10 min", 11),
    ("recall", ">= 5 min", 10),
    ("lead", "min", 10),
    ("precision", "by day", 11),
    ("false per", "21 days", 11),
    ("on days", "{far}", 10),
    ("alerts per", "alert day", 11),
    ("days with", "3 or more", 10),
)
DEFINED = {
    DefinitionId.D1: "of those answered",
    DefinitionId.D2: "of all who entered",
    DefinitionId.D3: "hang-ups under {short} s left out",
    DefinitionId.D4: "hang-ups within {limit} s left out",
    DefinitionId.D5: "hang-ups within {limit} s counted as served",
}


class Note(Struct, frozen=True):
    """A note that a reader needs to trust the figures: its kind, its number, and `what` where it differs."""

    key: str
    count: int
    what: str = ""

    def in_words(self, language: str) -> str:
        return texts.say(f"past.note.{self.key}", language, count=self.count, what=self.what)


class Summary(Struct, frozen=True, kw_only=True):
    """The summary of a backtest: its question, its data, and each pool's score.

    `few` are pools with too few calls to judge.
    """

    source: str
    target: Target
    warning_chance: float
    alarm_chance: float
    hours: str
    taught: tuple[date, ...]
    judged: tuple[date, ...]
    pools: tuple[JudgedPool, ...]
    few: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def text(summary: Summary) -> str:
    lines = [*_heading(summary), *(f"Note:       {note.in_words('en')}" for note in summary.notes)]
    for pool in summary.pools:
        lines += ["", *pool_text(pool, summary.target, summary.warning_chance, summary.alarm_chance)]
    if summary.few:
        lines += ["", f"Too few calls a day to judge: {', '.join(summary.few)}"]
    return "\n".join(lines)


def _heading(summary: Summary) -> Iterator[str]:
    yield f"Past calls: {summary.source}"
    yield f"Asked:      {asked(summary.target, summary.warning_chance, summary.alarm_chance)}"
    yield f"Hours:      {summary.hours}"
    yield f"Taught by:  {_span(summary.taught)}, of which nothing is judged"
    yield f"Judged:     {_span(summary.judged)}"


def asked(target: Target, warning: float, alarm: float) -> str:
    """Return the question of the backtest."""
    how = DEFINED[target.definition].format(short=target.short_abandon_seconds, limit=target.limit_seconds)
    return (
        f"at least {100 * target.ratio:g} % answered within {target.limit_seconds} s by {target.definition} ({how}); "
        f"warning at {100 * warning:g} %, alarm at {100 * alarm:g} %"
    )


def _span(days: Sequence[date]) -> str:
    return f"{days[0]} to {days[-1]}, {len(days)} open days" if days else "no day"


def pool_text(pool: JudgedPool, target: Target, warning: float, alarm: float) -> list[str]:
    """Return one pool's tables."""
    near = sum(day.near and not day.lost for day in pool.days)
    calls = sum(day.of for day in pool.days) / len(pool.days)
    far = f">= {100 * (target.ratio + CLEAR_POINTS):g} %"
    called = {ALARM: f"alarm, P >= {100 * alarm:g} %", WARNING: f"warning, P >= {100 * warning:g} %"}
    return [
        f"{pool.name}: {len(pool.days)} days, {pool.lost} lost, {near} within 2 points over the target; "
        f"{calls:.0f} counted calls a day",
        "",
        *rules_text(((called.get(name, name), found) for name, found in pool.rules), far),
        "",
        *_calibration(pool),
        "",
        *_waits(pool.met),
    ]


def rules_text(rules: Iterable[tuple[str, Scored]], far: str) -> Iterator[str]:
    """Return a table of rules, each with the bounds that hold 95 % under it."""
    yield f"{'rule':{WIDE}}" + "".join(f"{above:>{width}}" for above, _, width in COLUMNS)
    yield f"{'[95 % by days]':{WIDE}}" + "".join(f"{under.format(far=far):>{width}}" for _, under, width in COLUMNS)
    for name, found in rules:
        yield f"{name:{WIDE}}" + "".join(_cells(found.figures))
        bounds = (
            f"{a.strip()}-{b.strip()}".replace(" %", "").replace(f"{NONE}-{NONE}", "")
            for a, b in zip(_cells(found.low), _cells(found.high), strict=True)
        )
        yield f"{'':{WIDE}}" + "".join(f"{bound:>{column[2]}}" for bound, column in zip(bounds, COLUMNS, strict=True))


def _cells(of: Figures) -> list[str]:
    shown = (
        percent(of.recall_10),
        percent(of.recall_5),
        number(of.lead_minutes, 0),
        percent(of.precision),
        number(of.false_a_month, 1),
        number(of.false_far_a_month, 1),
        number(of.per_alert_day, 2),
        percent(of.often, 1),
    )
    return [f"{cell:>{column[2]}}" for cell, column in zip(shown, COLUMNS, strict=True)]


def percent(share: float, decimals: int = 0) -> str:
    return NONE if math.isnan(share) else f"{100 * share:.{decimals}f} %"


def number(value: float, decimals: int) -> str:
    return NONE if math.isnan(value) else f"{value:.{decimals}f}"


def _calibration(pool: JudgedPool) -> Iterator[str]:
    yield "The chance of a lost day, as told, held against what came"
    yield f"{'at':>8}{'days':>7}{'Brier':>8}{'[95 %]':>14}{'knowing nothing':>17}"
    for at in pool.times:
        days, found, nothing = brier(pool.days, at)
        low, high = brier_bounds(pool.days, at)
        if days:
            yield f"{clock(at):>8}{days:>7}{found:>8.3f}{f'{low:.3f}-{high:.3f}':>14}{nothing:>17.3f}"
    yield f"{'told':>12}{'moments':>10}{'mean told':>11}{'lost':>7}    (all of those times together)"
    for one in reliability(pool.days, pool.times):
        band = f"{100 * one.low:.0f}-{100 * one.high:.0f} %"
        yield f"{band:>12}{one.moments:>10}{percent(one.told):>11}{percent(one.lost):>7}"


def clock(at: float) -> str:
    return f"{int(at // 3600):02}:{int(at % 3600 // MINUTE):02}"


def _waits(found: Sequence[Met]) -> Iterator[str]:
    yield (
        f"Expected wait, callers who waited over {HAD_TO_WAIT_SECONDS:g} s: RMSE/MAE/bias in seconds, "
        "and the share in the 80 % range"
    )
    yield f"{'':16}{'callers':>8}" + "".join(f"{name:>15}" for name in PREDICTORS) + f"{'range':>6}"
    queues = sorted({one.queue for one in found})
    rows = [("all", list(found))]
    if len(queues) > 1:
        rows += [(queue, [one for one in found if one.queue == queue]) for queue in queues]
    for name, callers in rows:
        cells = (figures(callers, predictor) for predictor in range(len(PREDICTORS)))
        shown = "".join(f"{_errors(cell.rmse, cell.mae, cell.bias):>15}" for cell in cells)
        yield f"{name[:15]:16}{len(callers):>8}{shown}{percent(coverage(callers)):>6}"


def _errors(rmse: float, mae: float, bias: float) -> str:
    return NONE if math.isnan(rmse) else f"{rmse:.0f}/{mae:.0f}/{bias:+.0f}"
