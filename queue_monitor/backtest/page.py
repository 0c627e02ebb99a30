"""The result of a backtest as one page that stands by itself: the score, and each judged day with its alerts."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from typing import Final

import numpy as np

from queue_monitor import texts
from queue_monitor.backtest.baseline_rules import Unit, ticks
from queue_monitor.backtest.hours import hours_in_words
from queue_monitor.backtest.pool_scores import ALARM, WARNING, JudgedPool, SetRule
from queue_monitor.backtest.report import NONE, Summary
from queue_monitor.backtest.runner import AlertEvent, BacktestDay
from queue_monitor.backtest.scoring import CLEAR_POINTS, Figures, reliability
from queue_monitor.backtest.waits import PREDICTORS, coverage, figures
from queue_monitor.config import Config
from queue_monitor.model import AlertChange, AlertLevel

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 190, 34, 8, 10, 22
STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--quiet:#59636e;--line:#d1d9e0;--risk:#b42318;--share:#1a5fb4;
--warn:#9a6700;--good:#1a7f37}
@media(prefers-color-scheme:dark){:root{--paper:#12161b;--ink:#e6eaef;--quiet:#9aa6b2;--line:#333c46;--risk:#ff8a7d;
--share:#7db4ff;--warn:#e3b341;--good:#5bc873}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:120rem;font:1rem/1.45 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
h1,h2,h3{line-height:1.2;margin:1.2em 0 .4em}h3{font-size:1.05rem;margin:0 0 .2em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0}dt{color:var(--quiet)}dd{margin:0}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.4rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left}th{font-weight:600}thead th{max-width:9rem}
tbody th{min-width:min(18rem,40vw)}
small,.quiet{color:var(--quiet)}td small,th small{display:block;white-space:nowrap}
.days{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:1rem}
.day{border:1px solid var(--line);border-radius:.5rem;padding:.7rem;min-width:0}
.day.lost{border-left:.4rem solid var(--risk)}.day.kept{border-left:.4rem solid var(--good)}
.day p,.day ol{margin:.3rem 0}.day ol{padding-left:1.2rem;font-size:.9rem}
svg{display:block;width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--quiet)}
.grid{stroke:var(--line);stroke-width:1}.target{stroke:var(--quiet);stroke-dasharray:2 3}
.chance{fill:none;stroke:var(--risk);stroke-width:2}.share{fill:none;stroke:var(--share);stroke-width:2;
stroke-dasharray:6 3}.gone{stroke:var(--ink);stroke-width:2}
.alarm{fill:var(--risk)}.warning{fill:var(--warn)}.eased{fill:none;stroke:var(--warn);stroke-width:2}
.cleared{fill:none;stroke:var(--good);stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:.4rem 1.4rem}.legend span{display:flex;align-items:center;gap:.4rem}
.legend svg{width:26px}
"""


def page(summary: Summary, config: Config) -> str:
    """Return the whole page, in the organisation's language. It loads nothing from outside, and has no script."""
    language = config.organisation.language
    title = f"{config.organisation.name}: {texts.say('past.title', language)}"
    body = "".join(
        (
            f"<h1>{escape(title)}</h1>",
            _head(summary, hours_in_words(config.hours, config.queue_hours, language), language),
            *(_pool(summary, pool, language) for pool in summary.pools),
            _few(summary, language),
        )
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _head(summary: Summary, hours: list[str], language: str) -> str:
    target = summary.target
    limit = texts.span(target.limit_seconds, language)
    question = texts.say(
        "past.asked_words",
        language,
        target=texts.plain_percent(target.ratio, language),
        limit=limit,
        name=target.definition.value,
        definition=texts.definition_words(
            target.definition,
            limit_seconds=target.limit_seconds,
            short_abandon_seconds=target.short_abandon_seconds,
            language=language,
        ),
        warning=texts.plain_percent(summary.warning_chance, language),
        alarm=texts.plain_percent(summary.alarm_chance, language),
    )
    rows = {
        "past.source": [summary.source],
        "past.asked": [question],
        "past.hours": hours,
        "past.taught": [_span(summary.taught, language)],
        "past.judged": [_span(summary.judged, language)],
        "past.notes": [note.in_words(language) for note in summary.notes],
    }
    told = "".join(
        f"<dt>{escape(texts.say(key, language))}</dt><dd>{'<br>'.join(map(escape, said))}</dd>"
        for key, said in rows.items()
        if said
    )
    return f"<dl>{told}</dl>"


def _span(days: tuple[date, ...], language: str) -> str:
    if not days:
        return texts.say("past.no_days", language)
    return texts.say("past.span", language, first=days[0], last=days[-1], days=len(days))


def _few(summary: Summary, language: str) -> str:
    if not summary.few:
        return ""
    return f'<p class="quiet">{escape(texts.say("past.few", language, names=", ".join(summary.few)))}</p>'


def _pool(summary: Summary, pool: JudgedPool, language: str) -> str:
    calls = sum(day.of for day in pool.days) / len(pool.days)
    said = texts.say(
        "past.pool",
        language,
        days=len(pool.days),
        lost=pool.lost,
        calls=texts.count(round(calls), language),
    )
    newest_first = reversed(pool.run)
    return "".join(
        (
            f"<h2>{escape(pool.name)}</h2><p>{escape(said)}</p>",
            _rules(summary, pool, language),
            _chances(pool, language),
            _waits(pool, language),
            f"<h2>{escape(texts.say('past.days', language))}</h2>",
            _legend(language),
            '<div class="days">',
            *(_day(day, summary.target.ratio, language) for day in newest_first),
            "</div>",
        )
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table. Cells are HTML already; the first of each row names it."""
    heading = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{cell}</td>" if at else f'<th scope="row">{cell}</th>' for at, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table></div>'


def _rules(summary: Summary, pool: JudgedPool, language: str) -> str:
    far = texts.plain_percent(summary.target.ratio + CLEAR_POINTS, language)
    chances = {ALARM: summary.alarm_chance, WARNING: summary.warning_chance}
    columns = ("rule", "recall_10", "recall_5", "lead", "precision", "false", "false_far", "per_day", "often")
    head = (escape(texts.say(f"past.{column}", language, far=far)) for column in columns)

    def name(rule: str) -> str:
        if rule not in chances:
            return _plain_rule(pool.plain[rule], summary.target.limit_seconds, language)
        return texts.say(f"past.{rule}", language, chance=texts.plain_percent(chances[rule], language))

    rows = (
        (
            escape(name(rule)),
            *(
                f"{here}<small>{low}–{high}</small>" if low != NONE else here
                for here, low, high in zip(
                    *(_cells(of, language) for of in (found.figures, found.low, found.high)), strict=True
                )
            ),
        )
        for rule, found in pool.rules
    )
    heading = f"<h3>{escape(texts.say('past.rules', language))}</h3>"
    note = f'<p class="quiet">{escape(texts.say("past.interval", language))}</p>'
    return heading + _table(head, rows) + note


def _plain_rule(one: SetRule, limit_seconds: int, language: str) -> str:
    match one.rule.unit:
        case Unit.MISSED_SHARE:
            level = texts.plain_percent(1 - one.level, language)
        case Unit.OF_LIMIT:
            level = texts.span(round(one.level * limit_seconds), language)
        case Unit.TIMES:
            level = f"{one.level:g}".replace(".", texts.words(language)["decimal"])
    rule = texts.say(f"past.plain.{one.rule.name}", language, level=level)
    return texts.say("past.tuned" if one.tuned else "past.usual", language, rule=rule)


def _cells(of: Figures, language: str) -> tuple[str, ...]:
    return (
        _whole(of.recall_10, language),
        _whole(of.recall_5, language),
        _decimal(of.lead_minutes, 0, language),
        _whole(of.precision, language),
        _decimal(of.false_a_month, 1, language),
        _decimal(of.false_far_a_month, 1, language),
        _decimal(of.per_alert_day, 2, language),
        _whole(of.often, language),
    )


def _whole(share: float, language: str) -> str:
    return NONE if math.isnan(share) else texts.plain_percent(round(share, 2), language)


def _decimal(value: float, decimals: int, language: str) -> str:
    if math.isnan(value):
        return NONE
    return f"{value:.{decimals}f}".replace(".", texts.words(language)["decimal"])


def _chances(pool: JudgedPool, language: str) -> str:
    head = (escape(texts.say(f"past.{column}", language)) for column in ("told", "moments", "came"))
    rows = (
        (
            f"{100 * one.low:.0f}–{texts.plain_percent(one.high, language)}",
            texts.count(one.moments, language),
            _whole(one.lost, language),
        )
        for one in reliability(pool.days, pool.times)
    )
    return f"<h3>{escape(texts.say('past.chance', language))}</h3>" + _table(head, rows)


def _waits(pool: JudgedPool, language: str) -> str:
    if not pool.met:
        return ""
    queues = sorted({one.queue for one in pool.met})
    groups = [(pool.name, pool.met)]
    if len(queues) > 1:
        groups += [(queue, tuple(one for one in pool.met if one.queue == queue)) for queue in queues]
    head = (
        "",
        *(escape(texts.say(f"past.predictor.{at}", language)) for at in range(len(PREDICTORS))),
        escape(texts.say("past.range", language)),
    )
    rows = []
    for name, callers in groups:
        cells = [f"{escape(name)}<small>{texts.say('past.wait_row', language, callers=len(callers))}</small>"]
        for at in range(len(PREDICTORS)):
            errors = figures(callers, at)
            bias = NONE if math.isnan(errors.bias) else f"{errors.bias:+.0f}".replace("-", "−")
            mean = _decimal(errors.mae, 0, language)
            cells.append(escape(texts.say("past.errors", language, mae=mean, bias=bias)))
        rows.append((*cells, _whole(coverage(callers), language)))
    return f"<h3>{escape(texts.say('past.waits', language))}</h3>" + _table(head, rows)


# ---- one day


def _day(day: BacktestDay, target: float, language: str) -> str:
    lost = day.gone is not None
    result = texts.say(
        "past.day_lost" if lost else "past.day_kept",
        language,
        share=texts.percent(day.share, target, language),
        target=texts.plain_percent(target, language),
    )
    if day.gone is not None:
        result += ", " + texts.say("past.gone", language, time=_clock(day.gone, language))
    noon = datetime.combine(day.day, time(12), UTC)
    said = "".join(f"<li>{escape(one.text)}</li>" for one in day.said)
    words = f"<ol>{said}</ol>" if said else f'<p class="quiet">{escape(texts.say("past.quiet", language))}</p>'
    title = f"{texts.date_words(noon, 'UTC', language)} {day.day.year}"
    return (
        f'<section class="day {"lost" if lost else "kept"}"><h3>{escape(title)}</h3>'
        f"<p>{escape(result)}</p>{_curves(day, target, f'{title}: {result}', language)}{words}</section>"
    )


def _clock(at: float, language: str) -> str:
    return texts.clock(datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=at), "UTC", language)


def _curves(day: BacktestDay, target: float, title: str, language: str) -> str:
    opens, closes = day.past.opens, day.past.closes

    def x(at: float) -> str:
        within = min(max(at, opens), closes)
        return f"{LEFT + (within - opens) / (closes - opens) * (WIDTH - LEFT - RIGHT):.1f}"

    def y(share: float) -> str:
        return f"{TOP + (1 - share) * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(share)}" y2="{y(share)}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y(share)}" dy="4" text-anchor="end">{100 * share:.0f}</text>')
    parts += [
        f'<text x="{x(at)}" y="{HEIGHT - 6}" text-anchor="middle">{int(at // 3600)}</text>'
        for at in _hours(opens, closes)
    ]
    parts.append(f'<line class="target" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(target)}" y2="{y(target)}"/>')
    if day.gone is not None:
        parts.append(f'<line class="gone" x1="{x(day.gone)}" x2="{x(day.gone)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for name, points in (("share", _shares(day)), ("chance", [(c.at, c.p_miss) for c in day.chances])):
        line = " ".join(f"{x(at)},{y(value)}" for at, value in points)
        parts.append(f'<polyline class="{name}" points="{line}"/>')
    parts += [_mark(one, float(x(one.at)), TOP + 8) for one in day.said]
    return "".join((*parts, "</svg>"))


def _hours(opens: float, closes: float) -> Iterator[float]:
    step = 3600.0 if closes - opens <= 10 * 3600 else 7200.0
    at = math.ceil(opens / 3600) * 3600.0
    while at <= closes:
        yield at
        at += step


def _shares(day: BacktestDay) -> Iterator[tuple[float, float]]:
    """Return the running share by the calls settled at each moment."""
    counted = [call for call in day.past.calls if call.counted]
    settled = np.sort([call.settled for call in counted])
    missed = np.sort([call.settled for call in counted if call.missed])
    for at in ticks(day.past).tolist():
        if of := int(np.searchsorted(settled, at, side="right")):
            yield at, 1.0 - int(np.searchsorted(missed, at, side="right")) / of


def _mark(one: AlertEvent, x: float, y: float) -> str:
    """Return the mark of a change: shape and colour both show its kind."""
    if one.change is AlertChange.CLEARED:
        shape = f'<circle class="cleared" cx="{x:.1f}" cy="{y:.1f}" r="5">'
        return f"{shape}<title>{escape(one.text)}</title></circle>"
    if one.change is AlertChange.EASED:
        shape = f'<path class="eased" d="M{x - 5:.1f},{y - 4:.1f}h10l-5,9z">'
    elif one.level is AlertLevel.ALARM:
        shape = f'<path class="alarm" d="M{x - 5:.1f},{y - 5:.1f}h10v10h-10z">'
    else:
        shape = f'<path class="warning" d="M{x - 6:.1f},{y + 5:.1f}h12l-6,-11z">'
    return f"{shape}<title>{escape(one.text)}</title></path>"


def _legend(language: str) -> str:
    shapes = {
        "line_chance": '<line class="chance" x1="0" x2="26" y1="8" y2="8"/>',
        "line_share": '<line class="share" x1="0" x2="26" y1="8" y2="8"/>',
        "line_target": '<line class="target" x1="0" x2="26" y1="8" y2="8"/>',
        "line_gone": '<line class="gone" x1="13" x2="13" y1="0" y2="16"/>',
        "mark_warning": '<path class="warning" d="M7,13h12l-6,-11z"/>',
        "mark_alarm": '<path class="alarm" d="M8,3h10v10h-10z"/>',
        "mark_eased": '<path class="eased" d="M8,4h10l-5,9z"/>',
        "mark_cleared": '<circle class="cleared" cx="13" cy="8" r="5"/>',
    }
    shown = (
        f'<span><svg viewBox="0 0 26 16" aria-hidden="true">{shape}</svg>{escape(said)}</span>'
        for key, shape in shapes.items()
        for said in (texts.say(f"past.{key}", language),)
    )
    return f'<p class="legend">{"".join(shown)}</p>'
