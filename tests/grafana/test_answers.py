"""Every question of every board and rule, answered by a real Prometheus; the numbers held against the status API.

It holds three monitors: `hour`, a scripted hour told to the engine; `exact`, a made-up snapshot served and scraped over
HTTP; and a live one, the program itself on a simulated day at sixty times the speed.
"""

import json
import math
import urllib.error
import urllib.request
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from queue_monitor.core.windows import EDGES
from queue_monitor.metrics import OLDEST_SECONDS
from tests.api.serving import Server, serving
from tests.grafana import prometheus
from tests.grafana.boards import Question, boards, choices, question, questions
from tests.grafana.exact import exact
from tests.grafana.hour import CALLS, DAY, END, ENDINGS, INSTANCE, OTHER, START, Hour, entered_at, queue_of
from tests.grafana.prometheus import SETTINGS, Labels, Prometheus, promtool
from tests.grafana.test_prometheus_files import RULES, alerts, read
from tests.test_service import Monitor
from tests.test_service import running as monitor_running

LIVE, DAY_MONTH, WATCH = "Kö – Live", "Kö – Dag och månad", "Kö – Vakta vakten"
FORENOON = {"QUEUE_MONITOR_CLOCK__START": "2026-03-02T10:00:00"}
"""The simulated hour begins here, whatever time it is outside."""

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}

Answer = Callable[[dict[str, Any]], float | None]


class Stage(NamedTuple):
    """Everything that runs."""

    prometheus: Prometheus
    hour: Hour
    exact: Server
    live: Monitor

    @property
    def exact_instance(self) -> str:
        return self.exact.address.removeprefix("http://")

    @property
    def live_instance(self) -> str:
        return self.live.address.removeprefix("http://").rstrip("/")

    def number(self, where: tuple[str, str, str], instance: str = INSTANCE, at: datetime | None = END) -> float | None:
        """The one number of a panel's question, None where there is none."""
        found = self.numbers(question(*where), instance, at)
        assert len(found) <= 1, (where, found)
        return found[0][1] if found else None

    def numbers(
        self, asked: Question, instance: str = INSTANCE, at: datetime | None = END
    ) -> list[tuple[Labels, float]]:
        return self.prometheus.query(asked.asked(instance), at.timestamp() if at else None)

    def by(self, label: str, where: tuple[str, str, str], instance: str = INSTANCE, at: datetime | None = END) -> Any:
        found = [(labels[label], value) for labels, value in self.numbers(question(*where), instance, at)]
        assert len(found) == len(dict(found)), found
        return dict(found)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("grafana")
    hour = Hour()
    with serving(exact()) as server, monitor_running(folder, "--speed", "60", **FORENOON) as live:
        targets = [address.removeprefix("http://").rstrip("/") for address in (server.address, live.address)]
        settings = prometheus.quickened(folder / "settings", targets)
        _write_down(hour, folder)
        with prometheus.running(folder, settings) as running:
            stage = Stage(running, hour, server, live)
            everyone = dict.fromkeys(targets, "up")
            running.wait_for("both monitors scraped", lambda: running.targets() == everyone)
            running.wait_for("a recorded share", lambda: bool(running.query("callqueue_target_visits_met:ratio28d")))
            week = (f"weekday_hour:callqueue_{name}:increase5m" for name in ("entered", "target_visits"))
            of_the_live = [f'{name}{{instance="{stage.live_instance}"}}' for name in week]
            running.wait_for("recorded hours of the week", lambda: all(map(running.query, of_the_live)))
            yield stage


def _write_down(hour: Hour, folder: Path) -> None:
    """The hour's samples into Prometheus' own store, by its own tool."""
    file = folder / "hour.txt"
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(hour.openmetrics())
    written = promtool("tsdb", "create-blocks-from", "openmetrics", str(file), str(folder / "data"))
    assert written.returncode == 0, written.stderr.decode()


# ---- everything is answered


def answers_of_the_hour(stage: Stage, asked: Question) -> list[Any]:
    """As the panel asks when the hour is looked at; one that counts hours or days asks for the hour or the day."""
    expr = asked.asked(INSTANCE)
    if asked.instant:
        return stage.prometheus.query(expr, END.timestamp())
    first, last = {"1h": (START, START), "1d": (DAY, DAY)}.get(asked.interval, (START, END))
    return stage.prometheus.query_range(expr, first.timestamp(), last.timestamp(), 60)


def answers_now(stage: Stage, asked: Question, instance: str) -> list[Any]:
    back = {"1h": "3600", "1d": "86400"}.get(asked.interval, "0")
    now = stage.prometheus.now()
    return stage.prometheus.query(asked.asked(instance), now - float(back))


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_every_question_of_a_board_is_answered(stage: Stage, board: dict[str, Any]):
    """By three monitors; what none of them can answer with a number is a panel that stays empty."""
    empty = []
    for asked in questions(board):
        answers = [
            answers_of_the_hour(stage, asked),
            answers_now(stage, asked, stage.exact_instance),
            answers_now(stage, asked, stage.live_instance),
        ]
        if not any(answers):
            empty.append(str(asked))

    assert not empty, "\n".join(empty)


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_every_choice_can_be_made(stage: Stage, board: dict[str, Any]):
    for choice in choices(board):
        series = choice.series.replace("$instance", INSTANCE)
        found = stage.prometheus.choices(series, choice.label, START.timestamp(), END.timestamp())

        assert found == {"instance": [INSTANCE], "queue": ["kundcenter", OTHER]}[choice.name]


def test_a_chosen_queue_is_the_only_one_shown_whatever_its_name(stage: Stage):
    """Grafana escapes the chosen name for a regular expression, and that once more for the string."""
    asked = question(LIVE, "Väntande per kö").asked(INSTANCE, queue=OTHER.replace("|", "\\\\|"))

    found = stage.prometheus.query(asked, END.timestamp())
    assert [labels["queue"] for labels, _ in found] == [OTHER]


def test_every_rule_is_read_and_works(stage: Stage):
    expected = {
        rule.get("alert", rule.get("record"))
        for file in RULES
        for group in read(file)["groups"]
        for rule in group["rules"]
    }

    def all_well() -> bool:
        rules = [rule for group in stage.prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return {rule["name"] for rule in rules if rule["health"] == "ok"} == expected

    stage.prometheus.wait_for("every rule evaluated without error", all_well)


def test_every_rule_can_be_asked_of_the_past(stage: Stage):
    for file in RULES:
        for group in read(file)["groups"]:
            for rule in group["rules"]:
                stage.prometheus.query(rule["expr"], END.timestamp())


# ---- the right numbers: now, each minute of the hour


def day(status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = status["total"]["periods"]["day"]
    return found


GAUGES: dict[tuple[str, str, str], Answer] = {
    (LIVE, "Väntande samtal", "A"): lambda s: s["total"]["waiting"],
    (LIVE, "Längsta väntetid nu", "A"): lambda s: s["total"]["oldest_wait_seconds"],
    (LIVE, "Besvarade inom 5 min i dag", "A"): lambda s: day(s)["headline"],
    (LIVE, "Lägst och högst i dag", "A"): lambda s: day(s)["floor"],
    (LIVE, "Lägst och högst i dag", "B"): lambda s: day(s)["ceiling"],
    (LIVE, "Missar i dag", "A"): lambda s: day(s)["misses"],
    (LIVE, "Avvisade i dag", "A"): lambda s: day(s)["refused_total"],
    (LIVE, "Avvisade i dag", "B"): lambda s: day(s)["refused_ratio"],
    (LIVE, "Med avvisade som missar", "A"): lambda s: day(s)["including_refused"],
    (LIVE, "Samtal pågår", "A"): lambda s: s["total"]["talking"],
    (LIVE, "Samtal pågår", "B"): lambda s: s["total"]["ringing"],
    (LIVE, "Dagsmålet", "A"): lambda s: (
        ["ok", "at_risk", "out_of_reach", "no_data", "too_early"].index(s["total"]["status"]["status"]) + 1
    ),
    (DAY_MONTH, "Besvarade inom 5 min denna månad", "A"): lambda s: s["total"]["periods"]["month"]["headline"],
    (DAY_MONTH, "Lägst och högst denna månad", "A"): lambda s: s["total"]["periods"]["month"]["floor"],
    (DAY_MONTH, "Lägst och högst denna månad", "B"): lambda s: s["total"]["periods"]["month"]["ceiling"],
    (DAY_MONTH, "Missar denna månad", "A"): lambda s: s["total"]["periods"]["month"]["misses"],
    (DAY_MONTH, "Tertialet hittills", "A"): lambda s: s["total"]["periods"]["tertial"]["headline"],
    (DAY_MONTH, "Avvisade denna månad", "A"): lambda s: s["total"]["periods"]["month"]["refused_total"],
    (DAY_MONTH, "Avvisade denna månad", "B"): lambda s: s["total"]["periods"]["month"]["refused_ratio"],
    (DAY_MONTH, "Med avvisade som missar", "A"): lambda s: s["total"]["periods"]["month"]["including_refused"],
    (DAY_MONTH, "Uppmätt tid denna månad", "A"): lambda s: s["total"]["periods"]["month"]["coverage"]["ratio"],
    (WATCH, "Uppmätt tid i dag", "A"): lambda s: day(s)["coverage"]["ratio"],
    (WATCH, "Händelser sparas", "A"): lambda s: s["journal"]["up"],
    (WATCH, "Journalen: eftersläpning", "A"): lambda s: s["journal"]["lag_seconds"],
    (WATCH, "Journalen: väntar på att sparas", "A"): lambda s: s["journal"]["pending"],
    (WATCH, "Öppettid", "A"): lambda s: s["hours"]["open"],
}
FORETOLD: dict[tuple[str, str, str], Answer] = {
    (LIVE, "Risk att dagsmålet missas", "A"): lambda s: s["total"]["risk"]["day"]["miss_probability"],
    (LIVE, "Marginal i dag (samtal)", "A"): lambda s: s["total"]["risk"]["day"]["margin_calls"],
    (DAY_MONTH, "Risk att månadsmålet missas", "A"): lambda s: s["total"]["risk"]["month"]["miss_probability"],
    (DAY_MONTH, "Marginal denna månad (samtal)", "A"): lambda s: s["total"]["risk"]["month"]["margin_calls"],
}
NOT_WITHOUT_CONTACT = {
    "Väntande samtal",
    "Längsta väntetid nu",
    "Samtal pågår",
}


@pytest.mark.parametrize("where", GAUGES, ids=lambda where: " ".join(where[1:]))
def test_a_board_and_the_status_api_say_the_same_at_every_minute_of_the_hour(stage: Stage, where: tuple[str, str, str]):
    asked = question(*where).asked(INSTANCE)
    series = stage.prometheus.query_range(asked, START.timestamp(), END.timestamp(), 60)
    shown = dict(series[0][1]) if series else {}
    assert len(series) <= 1

    for minute in range(61):
        moment = START + timedelta(minutes=minute)
        status = stage.hour.status(moment)
        said = GAUGES[where](status)
        if where[1] in NOT_WITHOUT_CONTACT and not all(source["up"] for source in status["sources"]):
            said = None
        assert shown.get(moment.timestamp()) == said, moment


@pytest.mark.parametrize("where", GAUGES | FORETOLD, ids=lambda where: " ".join(where[1:]))
def test_a_board_and_the_status_api_say_the_same_over_the_network(stage: Stage, where: tuple[str, str, str]):
    with urllib.request.urlopen(f"{stage.exact.address}/api/v1/status") as answer:
        status = json.load(answer)

    assert stage.number(where, stage.exact_instance, at=None) == (GAUGES | FORETOLD)[where](status)


def test_the_expected_wait_is_told_with_its_range(stage: Stage):
    with urllib.request.urlopen(f"{stage.exact.address}/api/v1/status") as answer:
        status = json.load(answer)

    shown = stage.by("bound", (LIVE, "Beräknad väntetid", "A"), stage.exact_instance, at=None)
    assert shown == {"low": 180, "expected": status["total"]["expected_wait_seconds"], "high": 420}


def test_the_definitions_beside_the_headline_and_the_windows_agree(stage: Stage):
    status = stage.hour.status(END)
    periods = status["total"]["periods"]

    for where, period in (
        ((LIVE, "Bredvid: D1 och D3 i dag", "A"), "day"),
        ((DAY_MONTH, "Bredvid: D1 och D3 denna månad", "A"), "month"),
    ):
        expected = {name: periods[period]["service_level"][name] for name in ("D1", "D3")}
        assert stage.by("definition", where) == expected
    rolling = stage.by("window", (LIVE, "Besvarade inom 5 min, senaste 15, 30 och 60 min", "A"))
    assert rolling == {name: periods[name]["headline"] for name in ("15min", "30min", "60min")}
    assert stage.number((LIVE, "Besvarade inom 5 min, senaste 15, 30 och 60 min", "B")) == status["target"]["ratio"]
    assert stage.by("definition", (LIVE, "Besvarade inom 5 min i dag", "A")).keys() == {"D2"}


def test_the_headline_follows_the_definition_that_is_set(stage: Stage):
    """Another definition is chosen in the settings; no board needs to be changed."""
    question_now = question(LIVE, "Besvarade inom 5 min i dag").asked(stage.exact_instance)

    assert [labels["definition"] for labels, _ in stage.prometheus.query(question_now)] == ["D2"]
    assert 'definition="D2"' not in "".join(one.expr for board in boards() for one in questions(board))


def test_each_queue_has_its_row(stage: Stage):
    status = stage.hour.status(END)
    faces = {face["name"]: face for face in status["queues"]}
    columns: dict[str, Answer] = {
        "A": lambda q: q["waiting"],
        "B": lambda q: q["oldest_wait_seconds"],
        "C": lambda q: q["staff"]["available"],
        "D": lambda q: q["staff"]["staffed"],
        "E": lambda q: q["periods"]["day"]["headline"],
        "F": lambda q: q["periods"]["day"]["floor"],
        "G": lambda q: q["periods"]["day"]["coverage"]["ratio"],
    }

    for ref, said in columns.items():
        expected = {name: said(face) for name, face in faces.items() if said(face) is not None}
        assert stage.by("queue", (LIVE, "Köerna nu", ref)) == expected, ref
    assert stage.by("queue", (LIVE, "Väntande per kö", "A")) == {name: face["waiting"] for name, face in faces.items()}
    assert stage.by("queue", (DAY_MONTH, "Månaden per kö", "A")) == {
        name: face["periods"]["month"]["headline"] for name, face in faces.items()
    }


def test_people_are_counted_by_what_they_do(stage: Stage):
    shown = stage.by("state", (LIVE, "Medarbetare efter läge", "A"))
    staff = stage.hour.status(END)["agents"]

    assert shown == {state: staff[state] for state in shown}
    assert sum(shown.values()) == 2


# ---- the right numbers: counted over the hour


def settled(ending: str) -> list[tuple[str, float]]:
    """Queue and wait of the calls that ended so within the hour."""
    return [
        (queue_of(call), wait)
        for call in range(CALLS)
        for how, wait in [ENDINGS[call % len(ENDINGS)]]
        if how == ending and entered_at(call) + wait <= 3600
    ]


def test_the_hours_calls_are_those_that_were_told(stage: Stage):
    def bar(ref: str) -> float | None:
        return stage.number((DAY_MONTH, "Samtal per timme", ref), at=START)

    ended = len(settled("answered")) + len(settled("abandoned")) + len(settled("timeout"))
    assert bar("A") == pytest.approx(ended)  # of those who had settled; two wait yet
    assert bar("B") == pytest.approx(len(settled("answered")))
    assert bar("C") == pytest.approx(len(settled("abandoned")))
    assert bar("D") == pytest.approx(len(settled("timeout")))
    assert bar("E") == pytest.approx(5)


def test_the_hours_share_is_of_whole_calls(stage: Stage):
    answered = [wait for _, wait in settled("answered")]
    in_time = sum(wait <= 300 for wait in answered)
    ended = len(answered) + len(settled("abandoned")) + len(settled("timeout"))

    assert 300.0 in answered and 300.001 in answered
    hourly = (DAY_MONTH, "Besvarade inom 5 min per timme (vistelser)", "A")
    assert stage.number(hourly, at=START) == pytest.approx(in_time / ended)
    within = (DAY_MONTH, "Besvarade inom 300 s, vald tid", "A")
    assert stage.number(within) == pytest.approx(in_time / len(answered))
    mean = (DAY_MONTH, "Medelväntan, vald tid", "A")
    assert stage.number(mean) == pytest.approx(sum(answered) / len(answered))


def test_the_heat_map_holds_every_answered_wait_in_its_bucket(stage: Stage):
    answered = [wait for _, wait in settled("answered")]
    shown = stage.by("le", (DAY_MONTH, "Väntetidens fördelning (besvarade)", "A"), at=START)

    assert "300.0" in shown
    for edge, count in shown.items():
        assert count == pytest.approx(sum(wait <= float(edge) for wait in answered)), edge


def test_the_week_by_weekday_and_hour_is_of_the_hour_that_is_now_in_local_time(stage: Stage):
    """The rules count from when Prometheus began, so the cells are those of the last moments."""
    shares = question(DAY_MONTH, "Besvarade inom 5 min efter veckodag och timme, 28 dagar (vistelser)")
    calls = question(DAY_MONTH, "Samtal efter veckodag och timme, 28 dagar")
    now = datetime.fromtimestamp(stage.prometheus.now(), timezone(timedelta(hours=1)))  # of the simulated day, in March
    cells = {f"{at.isoweekday()} {at:%H}" for at in (now - timedelta(minutes=10), now - timedelta(minutes=2.5))}
    found = stage.prometheus.query(calls.asked(stage.live_instance))
    assert {f"{labels['weekday']} {labels['hour']}" for labels, _ in found} <= cells
    assert all(value > 0 for _, value in found)
    assert all(0 <= value <= 1 for _, value in stage.prometheus.query(shares.asked(stage.live_instance)))


def test_percentiles_lie_in_the_right_bucket(stage: Stage):
    """A histogram knows no more; the status API has them within 1 %."""
    answered = sorted(wait for _, wait in settled("answered"))

    def bucket(share: float) -> tuple[float, float]:
        wait = answered[math.ceil(share * len(answered)) - 1]
        upto = bisect_left(EDGES, wait)
        return ((0.0, *EDGES)[upto], EDGES[upto])

    for share, where, at in (
        (0.9, (DAY_MONTH, "Nio av tio väntade högst", "A"), END),
        (0.5, (DAY_MONTH, "Väntetid per timme", "A"), START),
        (0.9, (DAY_MONTH, "Väntetid per timme", "B"), START),
        (0.99, (DAY_MONTH, "Väntetid per timme", "C"), START),
    ):
        shown = stage.number(where, at=at)
        low, high = bucket(share)
        assert shown is not None and low < shown <= high, (where, shown)


def test_how_calls_left_and_were_turned_away(stage: Stage):
    left = stage.by("outcome", (DAY_MONTH, "Lämnat kön, på vilket sätt", "A"), at=START)
    refused = stage.by("reason", (DAY_MONTH, "Avvisade, av vilken orsak", "A"), at=START)
    result = stage.by("result", (DAY_MONTH, "Månadens samtal efter utfall", "A"))
    month = stage.hour.status(END)["total"]["periods"]["month"]

    assert left == pytest.approx({"abandoned": len(settled("abandoned")), "timeout": len(settled("timeout"))})
    assert refused == pytest.approx({"full": 3, "closed": 2})
    for name in ("answered_in_time", "answered_late", "abandoned", "left_otherwise", "unknown", "excluded"):
        assert result[name] == month[name], name
    assert result["refused"] == month["refused_total"]


def test_a_day_is_judged_by_its_last_word(stage: Stage):
    last = day(stage.hour.status(END))

    assert stage.number((DAY_MONTH, "Besvarade inom 5 min per dag", "A"), at=DAY) == last["headline"]
    assert stage.number((DAY_MONTH, "Missar per dag", "A"), at=DAY) == last["misses"]


def test_the_recorded_shares_are_of_all_monitors_together(stage: Stage):
    """The rule asked at the end of the hour, where only its samples are."""
    rules = {
        rule["record"]: rule["expr"]
        for group in read(SETTINGS / "rules" / "shares.yml")["groups"]
        for rule in group["rules"]
    }

    def of(record: str) -> dict[str, float]:
        return {labels["queue"]: value for labels, value in stage.prometheus.query(rules[record], END.timestamp())}

    met, judged = of("queue:callqueue_target_visits_met:increase1h"), of("queue:callqueue_target_visits:increase1h")
    expected = Counter(queue for queue, wait in settled("answered") if wait <= 300)
    assert met == pytest.approx(dict(expected))
    every = Counter(queue for ending in ("answered", "abandoned", "timeout") for queue, _ in settled(ending))
    assert judged == pytest.approx(dict(every))


# ---- watching the watcher


def test_silence_age_and_gaps_are_told(stage: Stage):
    moment = START + timedelta(minutes=42)
    source = stage.hour.status(moment)["sources"][0]
    silence = (moment - datetime.fromisoformat(source["last_event_at"])).total_seconds()

    assert stage.number((WATCH, "Tystnad", "A"), at=moment) == pytest.approx(silence, abs=0.001)
    assert stage.number((WATCH, "Siffrornas ålder", "A"), at=moment) == 0
    assert stage.number((WATCH, "Siffrornas ålder", "A"), at=moment + timedelta(seconds=7)) == 7
    assert stage.number((WATCH, "Glapp per timme", "A"), at=START) == pytest.approx(75)
    assert stage.number((WATCH, "Källor anslutna", "A"), at=START + timedelta(seconds=2445)) == 0
    assert stage.number((WATCH, "Växeln hörs", "A"), at=START + timedelta(seconds=2445)) == 0
    assert stage.number((LIVE, "Kontakt med växeln", "A"), at=START + timedelta(seconds=2505)) == 1


def test_what_the_sums_and_the_clock_differ_by(stage: Stage):
    with urllib.request.urlopen(f"{stage.exact.address}/api/v1/status") as answer:
        status = json.load(answer)
    here = stage.exact_instance

    difference = stage.number((WATCH, "Avstämning mot växelns egna tal", "A"), here, at=None)
    assert difference == status["reconciliation"][0]["difference"] == -3
    assert stage.number((WATCH, "Klockskillnad", "A"), here, at=None) == -0.0125
    assert stage.by("source", (WATCH, "Källor anslutna", "A"), here, at=None) == {
        source["name"]: source["up"] for source in status["sources"]
    }
    assert stage.by("alert", (LIVE, "Larm om kön över tid", "A"), here, at=None) == {"target_at_risk": 1}
    version = stage.numbers(question(WATCH, "Version och formel"), here, at=None)
    assert [(labels["definition"], labels["version"]) for labels, _ in version] == [("D2", "0.2.0")]


def test_requests_turned_away_are_counted_by_why(stage: Stage):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{stage.exact.address}/api/v1/status", b"", CROSS_SITE))
    refused.value.close()
    counted = f'callqueue_http_refused_total{{reason="cross_site", instance="{stage.exact_instance}"}}'

    stage.prometheus.wait_for("the refusal counted", lambda: [v for _, v in stage.prometheus.query(counted)] == [1.0])


def test_a_change_of_the_targets_status_is_marked_when_it_happens(stage: Stage):
    asked = question(LIVE, "Målets status ändrad", "").asked(INSTANCE)
    found = stage.prometheus.query_range(asked, START.timestamp(), END.timestamp(), 60)
    marked = {(labels["status"], at) for labels, points in found for at, _ in points}

    def status(moment: datetime) -> str:
        return stage.hour.snapshots[moment].total.verdict.status.value

    changed = set()
    for minute in range(1, 61):
        end = START + timedelta(minutes=minute)
        seen = [status(end - timedelta(seconds=15 * back)) for back in range(5)]
        if any(seen[0] != one for one in seen[1:]):
            changed.add((seen[0], end.timestamp()))
    assert {what for what, _ in changed} >= {"at_risk", "no_data"}
    assert marked == changed


def test_what_is_wrong_raises_its_alert_and_what_is_well_none(stage: Stage):
    """At one and the same moment, so that a busy machine which delays the live monitor for once does not matter."""
    wrong = {
        "CallQueueSourceDown",
        "CallQueueJournalDown",
        "CallQueueJournalLagging",
        "CallQueueSnapshotStale",
        "CallQueueRejected",
        "CallQueueNoCalls",
        "CallQueueNotificationFailed",
    }
    expected = {(name, stage.exact_instance) for name in wrong}
    marked = question(WATCH, "Larm", "")
    moments: list[datetime] = []

    def all_fire() -> bool:
        moments.append(datetime.fromtimestamp(stage.prometheus.now() - 1, UTC))
        fired = stage.numbers(marked, at=moments[-1])
        return {(labels["alertname"], labels["instance"]) for labels, _ in fired} == expected

    stage.prometheus.wait_for("the alerts of what is wrong, and none beside", all_fire)

    assert wrong <= {alert["alert"] for alert in alerts()}
    assert stage.number((WATCH, "Larm just nu", "A"), at=moments[-1]) == len(wrong)
    assert stage.number((WATCH, "Larmkedjans livstecken", "A"), at=moments[-1]) == 1


def test_the_program_itself_is_scraped_and_says_what_its_status_says(stage: Stage):
    """Its clock runs on, so Prometheus' number must lie between two looks at the status API."""
    entered = question(DAY_MONTH, "Månadens samtal efter utfall").asked(stage.live_instance)

    before = day(stage.live.status())["answered_in_time"]
    moment = stage.prometheus.now()

    def scraped_since() -> bool:
        up = f'timestamp(up{{instance="{stage.live_instance}"}})'
        return stage.prometheus.query(up)[0][1] > moment + OLDEST_SECONDS  # its figures may be as old as that

    stage.prometheus.wait_for("a newer scrape", scraped_since)
    shown = {labels["result"]: value for labels, value in stage.prometheus.query(entered)}
    after = day(stage.live.status())["answered_in_time"]

    assert 0 < before <= shown["answered_in_time"] <= after


def test_without_prometheus_the_tests_fail_and_say_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    for name in ("prometheus", "promtool"):
        with pytest.raises(AssertionError, match="install the Debian package `prometheus`"):
            prometheus.tool(name)
