"""What a person is told about the settings: what was understood, or everything that is wrong."""

import datetime as dt
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Meta, Struct, structs

from queue_monitor import config
from queue_monitor.app import checks, registry
from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.config import Config, ConfigError, Secret
from queue_monitor.model import DefinitionId, ExitPolicy, Outcome, Target
from queue_monitor.simulation.day import Fault, SourceOutage


class AmiSettings(Struct, frozen=True, kw_only=True):
    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 5038
    username: str = "monitor"
    secret: str = ""
    events: tuple[str, ...] = ()


class SimulatorSettings(Struct, frozen=True, kw_only=True):
    seed: int = 1
    speed: float = 1.0
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.speed < 0:
            raise ValueError("a speed of 0 or more")


class HttpSettings(Struct, frozen=True, kw_only=True):
    tokens: dict[str, str] = {}
    secrets: tuple[str, ...] = ()


KINDS: dict[str, type[Struct]] = {
    "asterisk_ami": AmiSettings,
    "http": HttpSettings,
    "simulator": SimulatorSettings,
}
ROOT = Path(__file__).parent.parent
SIMULATOR = '[[sources]]\nname = "sim"\nkind = "simulator"\n'
AMI = '[[sources]]\nname = "main"\nkind = "asterisk_ami"\nhost = "pbx.example"\n'


class Settings:
    """A file and an environment, read as the program reads them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "monitor.toml"

    def read(self, text: str, environ: Mapping[str, str] | None = None) -> Config:
        self.path.write_text(text, encoding="utf-8")
        return config.load(self.path, environ or {}, KINDS.get, list(KINDS))

    def mistakes(self, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.read(text, environ)
        return [str(mistake).replace(str(self.path), self.path.name) for mistake in caught.value.mistakes]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path)


def embedded(environ: Mapping[str, str] | None = None) -> Config:
    return config.load(None, environ or {}, KINDS.get, list(KINDS))


def test_without_a_file_one_simulated_switchboard_is_watched_on_loopback() -> None:
    understood = embedded()

    assert [(source.name, source.kind, source.switch) for source in understood.sources] == [
        ("simulator", "simulator", "simulator")
    ]
    assert (understood.http.host, understood.http.port) == ("127.0.0.1", 8080)
    assert understood.store.url == "sqlite:///var/demo.db"
    assert understood.target == Target()


def test_everything_that_can_be_set_is_understood(settings: Settings) -> None:
    understood = settings.read(FULL, {"AMI_SECRET": "hemligt"})

    assert understood.organisation.name == "Luleå kommun"
    assert understood.target == Target(
        limit_seconds=240,
        ratio=0.8,
        definition=DefinitionId.D3,
        short_abandon_seconds=10,
        since=dt.date(2026, 1, 1),
        refused_limit_ratio=0.05,
    )
    assert understood.hours.weekdays[1].close == dt.time(15)
    assert understood.queue_hours["felanmälan"].weekdays[0].open == dt.time(0)
    assert understood.queue_hours["felanmälan"].exceptions == understood.hours.exceptions
    assert understood.exits.exit_policy == ExitPolicy(within_ms=1_800_000)
    assert understood.queue_exits["felanmälan"].exit_policy.excluded == {Outcome.CALLBACK}
    assert understood.queues["felanmälan"].label == "Felanmälan gata"
    assert understood.zone == ZoneInfo("Europe/Stockholm")
    ami, spare = understood.sources
    assert ami.settings == AmiSettings(host="pbx.example", secret="hemligt", events=("call", "agent"))
    assert (spare.switch, spare.enabled) == ("pbx", False)


def test_a_call_back_is_judged_within_its_time_and_a_queue_may_differ(settings: Settings) -> None:
    text = """
        [target.exits]
        callback = "judged"
        callback_within_seconds = 3600
        [target.exits.queues.bygg]
        exit_key = "judged"
        callback_within_seconds = 900
        [target.exits.queues.parkering]
        callback = "miss"
    """
    understood = settings.read(SIMULATOR + text, {})
    rules = rules_of(understood)

    assert rules.exit_policy == ExitPolicy(judged=frozenset({Outcome.CALLBACK}), within_ms=3_600_000)
    assert rules.exit_policy_by_queue["bygg"].judged == {Outcome.CALLBACK, Outcome.EXIT_KEY}
    assert rules.exit_policy_by_queue["bygg"].within_ms == 900_000
    assert not rules.exit_policy_by_queue["parkering"].judged
    assert "exit key counts as miss, callback as judged; judged: called back within 3600 s" in config.describe(
        understood
    )


def test_what_was_understood_is_described_without_secrets(settings: Settings) -> None:
    described = config.describe(settings.read(FULL, {"AMI_SECRET": "hemligt"}))

    assert described == DESCRIBED.strip()


def test_every_mistake_is_told_at_once(settings: Settings) -> None:
    assert settings.mistakes(BAD) == BAD_TOLD.strip().split("\n")


def test_the_error_says_how_many_mistakes_there_are(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"^2 mistakes in the configuration:\n  http\.") as caught:
        settings.read(SIMULATOR + "[http]\nport = -1\nhots = 3")

    assert len(caught.value.mistakes) == 2


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('[organisation]\nname = "a\\u0000b"\n', "organisation.name"),
        ('[store]\nspill = "\\u001b[2J"\n', "store.spill"),
        ('[queues."a\\u0000b"]\nlabel = "a"\n', 'queues."a\\u0000b"'),
    ],
)
def test_control_characters_in_a_text_are_refused_by_their_key(tmp_path: Path, written: str, key: str) -> None:
    file = tmp_path / "queue-monitor.toml"
    file.write_text(written + '\n[[sources]]\nname = "s"\nkind = "simulator"\n', encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        config.load(file, {}, registry.settings_of)
    assert f"{key}: a control character" in str(caught.value)


def test_a_variable_that_is_not_utf_8_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(None, {"QUEUE_MONITOR_ORGANISATION__NAME": "Lule\udce5"}, registry.settings_of)
    assert "organisation.name: a control character, or half of a character" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "sources: missing; expected at least one [[sources]] with a name and a kind"),
        ("sources = 3", "sources: a number; expected tables, each beginning with [[sources]]"),
        ('[sources]\nname = "a"', "sources: a table; expected tables, each beginning with [[sources]]"),
        (SIMULATOR + "http = 3", 'sources[0].http (source "sim"): unknown key; expected one of'),
        ("store = 3\n" + SIMULATOR, "store: 3; expected a table"),
        ("queues = 3\n" + SIMULATOR, "queues: 3; expected a table"),
        (SIMULATOR + "speed = -1", 'sources[0] (source "sim"): does not fit together; expected a speed of 0 or more'),
        ('[[sources]]\nkind = "simulator"', "sources[0].name: missing; expected a name of letters a to z"),
        ('[[sources]]\nname = "a"', 'sources[0].kind (source "a"): missing; expected one of '),
        ('[[sources]]\nname = "a"\nkind = 3', 'sources[0].kind (source "a"): 3; expected text'),
        (
            2 * (SIMULATOR + 'switch = "pbx"\n'),
            'sources: more than one named "sim"; expected a name of its own for each',
        ),
        (AMI + "[clock]\nrate = 60", "clock: simulated time; expected the machine's own clock beside the live source"),
        (
            SIMULATOR + '[queues.a]\nlabel = "  "',
            'queues.a.label: "  "; expected text on one line, not blank, of at most 200 characters',
        ),
        (
            SIMULATOR + '[[hours.closures]]\ndate = 2026-07-01\nreason = """APT\nhela dagen"""',
            'hours.closures[0].reason: "APT\\nhela dagen"; expected text on one line, not blank,',
        ),
        (
            SIMULATOR + '[[hours.periods]]\nfrom = 2026-07-01\nto = 2026-07-02\nopen = "08:00"\nclose = "12:00"\n'
            f'reason = "{201 * "x"}"',
            'hours.periods[0].reason: "xxx',
        ),
        (
            SIMULATOR + '[[alerts.channels]]\nname = "sms"\nurl = "json://localhost"\nfallback = "sms"',
            'alerts.channels[0].fallback: "sms", itself; expected another channel',
        ),
        (SIMULATOR + "[clock]\nrate = 0", "clock.rate: 0; expected a number above 0 and at most 10000"),
        (SIMULATOR + "[clock]\nstart = 2026-03-02", "clock.start: 2026-03-02; expected a date and time such as"),
        (
            SIMULATOR + '[http]\ntrusted_proxies = ["proxy"]',
            "http: does not fit together; expected trusted_proxies that",
        ),
        (
            SIMULATOR + '[http]\ntrusted_proxies = ["10.0.0.1/8"]',
            "http: does not fit together; expected trusted_proxies",
        ),
        (SIMULATOR + '[http]\nhost = "pbx.example"', 'http.host: "pbx.example"; expected an address such as 127.0.0.1'),
        (
            SIMULATOR + '[organisation]\ntime_zone = "../x"',
            'organisation.time_zone: "../x"; expected an IANA time zone',
        ),
        (SIMULATOR + "[target]\nratio = true", "target.ratio: true; expected a share above 0"),
        (SIMULATOR + "[target]\nshort_abandon_seconds = 400", "target: does not fit together; expected short_abandon"),
        (SIMULATOR + '[target]\nsince = "1/1"', 'target.since: "1/1"; expected a date such as 2026-03-31'),
        (
            SIMULATOR + '[target.exits]\nexit_key = "hit"',
            'target.exits.exit_key: "hit"; expected one of miss, excluded, judged',
        ),
        (
            SIMULATOR + "[target.exits]\ncallback_within_seconds = 30",
            "target.exits.callback_within_seconds: 30; expected a whole number from 60 to 28800",
        ),
        (SIMULATOR + '[queues."a b"]\nlabel = ""', 'queues."a b".label: ""; expected text on one line, not blank'),
        (
            SIMULATOR + '[queues."växel"]\nlabel = "x"\n[queues."Växel"]\nlabel = "y"',
            'queues: more than one named "växel"; expected a name of its own for each, by more than its case',
        ),
        (
            SIMULATOR + '[[pools]]\nname = "x"\nqueues = ["a", "b"]\n[[pools]]\nname = "y"\nqueues = ["B"]',
            'pools: "b" in two of them; expected each queue in one pool',
        ),
        (
            SIMULATOR + '[[pools]]\nname = "x"\nqueues = ["a"]\n[[pools]]\nname = " X"\nqueues = ["B"]',
            'pools: more than one named "x"; expected a name of its own for each, by more than its case',
        ),
        (
            SIMULATOR + '[[pools]]\nname = "B "\nqueues = ["a", "b"]',
            'pools[0].name: "B ", as a queue is named; expected a name that no queue has',
        ),
        (
            SIMULATOR + '[hours.queues."växel"]\nholidays = "none"\n[[pools]]\nname = "Växel"\nqueues = ["a", "b"]',
            'pools[0].name: "Växel", as a queue is named; expected a name that no queue has',
        ),
        (
            SIMULATOR + '[[pools]]\nname = "Växel"\nqueues = ["a", "b"]\n[queues.a]\nlabel = "växel"',
            'pools[0].name: "Växel", as a queue is shown; expected a name that no queue has',
        ),
        (
            SIMULATOR + '[queues.a]\nlabel = "Växel"\n[queues.b]\nlabel = "VÄXEL "',
            'queues: more than one shown as "växel"; expected a label of its own for each, that no other queue has',
        ),
        (
            SIMULATOR + '[queues.a]\nlabel = "B"\n[hours.queues.b]\nholidays = "none"',
            'queues: more than one shown as "b"; expected a label of its own for each, that no other queue has',
        ),
        (
            SIMULATOR + '[[pools]]\nname = " "\nqueues = ["a"]',
            'pools[0].name: " "; expected text on one line, not blank',
        ),
        (SIMULATOR + '[[pools]]\nname = "x"\nqueues = [""]', 'pools[0].queues: ""; expected names that are not blank'),
        (SIMULATOR + '[queues." "]\nlabel = "x"', 'queues: " "; expected names that are not blank'),
        (SIMULATOR + '[hours.queues.""]\nholidays = "none"', 'hours.queues: ""; expected names that are not blank'),
        (
            SIMULATOR + '[[wallboard.boards]]\nname = "x"\nqueues = ["a", ""]',
            'wallboard.boards[0].queues: ""; expected names that are not blank',
        ),
        (
            SIMULATOR + '[[pools]]\nname = "x"\nqueues = []',
            "pools[0]: does not fit together; expected at least one queue",
        ),
        (
            SIMULATOR + '[[hours.weekdays]]\ndays = []\nopen = "8:00"\nclose = "9:00"',
            "hours.weekdays[0]: does not fit together; expected at least one day",
        ),
        (
            SIMULATOR + '[hours.weekdays]\ndays = "mon"\nopen = "25:00"\nclose = "halv nio"',
            'hours.weekdays[0].days: "mon"; expected a list, each one of mon, tue, wed, thu, fri, sat, sun',
        ),
        (
            SIMULATOR + '[hours.weekdays]\ndays = ["mon", "mon"]\nopen = "8:00"\nclose = "9:00"',
            "hours.weekdays: mon twice; expected one opening a day",
        ),
        (
            SIMULATOR + "[hours.queues.a]\nexceptions = [{date = 2026-12-24}]",
            "hours.queues.a.exceptions[0]: does not fit together; expected closed = true, or both open and close",
        ),
        (
            SIMULATOR + 2 * "[[hours.exceptions]]\ndate = 2026-12-24\nclosed = true\n",
            "hours.exceptions: 2026-12-24 twice; expected one exception a date",
        ),
    ],
)
def test_a_mistake_names_the_key_what_stands_there_and_what_should(settings: Settings, text: str, told: str) -> None:
    first, *_ = settings.mistakes(text)

    assert first.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[http]\nport = \n", "monitor.toml, line 2, column 8: invalid value"),
        ("a = [1,", "monitor.toml, line 1, column 8: invalid value"),
        ('a = "x', "monitor.toml, line 1, column 7: unterminated string"),
        ("[a]\n[a]\n", "monitor.toml, line 2, column 3: [a] stands twice"),
        ("port 8080", "monitor.toml, line 1, column 6: expected '='"),
    ],
)
def test_what_is_not_toml_is_told_with_line_and_column(settings: Settings, text: str, told: str) -> None:
    (mistake,) = settings.mistakes(text)

    assert mistake.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = " + "[" * 20_000 + "]" * 20_000, "monitor.toml: lists or tables nested too deep; expected at most 20"),
        ("a" + ".a" * 5_000 + " = 1", "monitor.toml: lists or tables nested too deep; expected at most 20"),
        ("a" + ".a" * 21 + " = 1", "monitor.toml: lists or tables nested too deep; expected at most 20"),
        ("[target]\nlimit_seconds = " + "9" * 5_000, "monitor.toml: a number of thousands of digits; expected shorter"),
    ],
)
def test_a_file_that_only_a_machine_could_write_is_refused_in_words(settings: Settings, text: str, told: str) -> None:
    (mistake,) = settings.mistakes(text)

    assert mistake.startswith(told)


def test_a_file_that_cannot_be_read_is_a_mistake_like_any_other(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes("# Luleå".encode("latin-1"))

    for path, told in ((tmp_path / "none.toml", "no such file"), (tmp_path, "is a directory"), (latin, "not UTF-8")):
        with pytest.raises(ConfigError, match=told):
            config.load(path, {}, KINDS.get, list(KINDS))


def test_a_byte_order_mark_and_windows_lines_are_fine(settings: Settings) -> None:
    settings.path.write_bytes(b"\xef\xbb\xbf" + SIMULATOR.replace("\n", "\r\n").encode())

    assert config.load(settings.path, {}, KINDS.get).sources[0].name == "sim"


@pytest.mark.parametrize(
    ("written", "meant"), [("kundcentr", ""), ("asterisk-ami", "asterisk_ami"), ("Simulator", "simulator")]
)
def test_an_unknown_kind_of_source_lists_the_known_ones_and_guesses(
    settings: Settings, written: str, meant: str
) -> None:
    (mistake,) = settings.mistakes(f'[[sources]]\nname = "a"\nkind = "{written}"')

    assert "expected one of asterisk_ami, http, simulator" in mistake
    assert mistake.endswith(f"(did you mean {meant}?)") == bool(meant)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("seconds = 5", 'faults[0].type (source "sim"): missing; expected one of source_outage, switch_restart'),
        ('type = "loses"', 'faults[0].type (source "sim"): "loses"; expected one of source_outage'),
        (
            'type = "source_outage"\nat = 09:00:00\nsecond = 5',
            'faults[0].second (source "sim"): unknown key; expected one of at, seconds',
        ),
    ],
)
def test_a_table_of_several_kinds_names_its_key_type_and_the_kinds(settings: Settings, fault: str, said: str) -> None:
    mistakes = settings.mistakes(f"{SIMULATOR}[[sources.faults]]\n{fault}\n")

    assert said in mistakes[0]


def test_a_table_of_several_kinds_is_read(settings: Settings) -> None:
    read = settings.read(f'{SIMULATOR}[[sources.faults]]\ntype = "source_outage"\nat = 09:00:00\nseconds = 5\n')

    assert structs.asdict(read.sources[0].settings)["faults"] == (SourceOutage(at=dt.time(9), seconds=5),)


def test_the_environment_overrides_the_file_whatever_the_type(settings: Settings) -> None:
    understood = settings.read(
        AMI + '[queues.KundCenter]\nlabel = "x"',
        {
            "QUEUE_MONITOR_STORE__URL": "postgresql://db/kc",
            "QUEUE_MONITOR_HTTP__PORT": "9000",
            "QUEUE_MONITOR_TARGET__RATIO": "0.8",
            "QUEUE_MONITOR_TARGET__SINCE": "2026-01-01",
            "QUEUE_MONITOR_SOURCES__0__ENABLED": "false",
            "QUEUE_MONITOR_SOURCES__0__EVENTS": "call, agent",
            "QUEUE_MONITOR_QUEUES__KUNDCENTER__LABEL": "Kundcenter",
            "HOME": "/root",
        },
    )

    assert understood.store.url == "postgresql://db/kc"
    assert understood.http.port == 9000
    assert (understood.target.ratio, understood.target.since) == (0.8, dt.date(2026, 1, 1))
    assert not understood.sources[0].enabled
    assert understood.sources[0].settings == AmiSettings(host="pbx.example", events=("call", "agent"))
    assert understood.queues["KundCenter"].label == "Kundcenter"


def test_the_environment_alone_can_add_a_source(settings: Settings) -> None:
    names = {"NAME": "main", "KIND": "asterisk_ami", "HOST": "pbx.example"}
    understood = settings.read("", {f"QUEUE_MONITOR_SOURCES__0__{key}": value for key, value in names.items()})

    assert understood.sources[0].settings == AmiSettings(host="pbx.example")


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("QUEUE_MONITOR_HTTP__PORT", 'http.port: "x" from QUEUE_MONITOR_HTTP__PORT; expected a whole number from 0'),
        ("QUEUE_MONITOR_HTPP__PORT", "htpp: unknown key, from QUEUE_MONITOR_HTPP__PORT; expected one of"),
        ("QUEUE_MONITOR_HTTP_PORT", "QUEUE_MONITOR_HTTP_PORT: no such variable; expected two underscores"),
        ("QUEUE_MONITOR_SOURCES__7__HOST", "QUEUE_MONITOR_SOURCES__7__HOST: nothing to set at 7; expected the name"),
        ("QUEUE_MONITOR_SOURCES__²__HOST", "QUEUE_MONITOR_SOURCES__²__HOST: nothing to set at ²; expected the name"),
        (f"QUEUE_MONITOR_SOURCES__{'1' * 5_000}__HOST", f"QUEUE_MONITOR_SOURCES__{'1' * 5_000}__HOST: nothing to set"),
        (f"QUEUE_MONITOR_{'A__' * 5_000}A", f"QUEUE_MONITOR_{'A__' * 5_000}A: nothing to set at A; expected the name"),
        ("QUEUE_MONITOR_STORE__URL__X", "store.url: a table; expected text"),
        ("QUEUE_MONITOR_SOURCES__0__SEED", 'sources[0].seed (source "simulator"): "x" from QUEUE_MONITOR_SOURCES'),
    ],
)
def test_a_mistake_from_the_environment_names_the_variable(variable: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        embedded({variable: "x"})

    assert str(caught.value.mistakes[0]).startswith(told)


def test_what_kubernetes_sets_for_a_service_of_our_name_is_let_be() -> None:
    understood = embedded({"QUEUE_MONITOR_PORT": "tcp://10.0.0.1:80", "QUEUE_MONITOR_SERVICE_HOST": "10.0.0.1"})

    assert understood == embedded()


def test_a_secret_comes_from_a_variable_and_is_never_shown(settings: Settings) -> None:
    understood = settings.read(
        AMI + 'secret = "env:AMI_SECRET"\n[store]\nurl = "env:DATABASE_URL"',
        {"AMI_SECRET": "hemligt", "DATABASE_URL": "postgresql://kc:lösen@db/kc"},
    )

    (source,) = understood.sources
    assert isinstance(source.settings, AmiSettings)
    assert f"Secret: {source.settings.secret}" == "Secret: hemligt"
    for shown in (repr(understood), str(understood), config.describe(understood)):
        assert "hemligt" not in shown
        assert "lösen" not in shown


def test_a_secret_written_in_the_file_is_not_shown_either(settings: Settings) -> None:
    understood = settings.read(
        AMI
        + 'switch = "a"\nsecret = "hemligt"\n[[sources]]\nname = "in"\nkind = "http"\nswitch = "b"\n'
        + 'tokens = {phone = "kod1"}\n'
        '[store]\nurl = "postgresql://kc:kod2@db/kc"'
    )

    for shown in (repr(understood), config.describe(understood)):
        assert not any(word in shown for word in ("hemligt", "kod1", "kod2"))


def test_of_several_sources_each_must_say_its_switchboard(settings: Settings) -> None:
    mistakes = settings.mistakes(SIMULATOR + SIMULATOR.replace('"sim"', '"other"') + 'switch = "pbx"\n')

    assert len(mistakes) == 1
    assert mistakes[0].startswith('sources[0].switch (source "sim"): missing; expected the switchboard\'s name')


@pytest.mark.parametrize(
    ("written", "has_tokens", "holds"),
    [
        ("", False, "on this machine without a token, and so through any proxy on it, until there is a token"),
        ("", True, "with a token only, as there is one"),
        ("read_without_token = true", True, "on this machine without a token, and so through any proxy on it (http."),
        ("read_without_token = false", False, "with a token only (http.read_without_token = false)"),
    ],
)
def test_who_may_read_is_said_as_it_holds(settings: Settings, written: str, has_tokens: bool, holds: str) -> None:
    understood = settings.read(SIMULATOR + "[http]\n" + written)

    assert f"reading       {holds}" in config.describe(understood, has_tokens=has_tokens)


def test_what_changed_between_two_starts_is_said_by_key_and_no_secret_with_it(settings: Settings) -> None:
    secret = AMI + 'secret = "env:AMI_SECRET"\n'
    before = config.written_out(settings.read(secret, {"AMI_SECRET": "gammalt"}))
    served = secret + "[http]\nport = 8081\npublic = true\n"
    after = config.written_out(settings.read(served, {"AMI_SECRET": "nytt"}))

    assert config.changed(before, before) == []
    assert config.changed(before, after) == ["http.port: 8080 -> 8081", "http.public: no -> yes"]
    assert before["sources.main.settings.secret"] == "***"
    assert config.changed(before, config.written_out(settings.read(SIMULATOR)))[0].startswith(
        "sources.main.enabled: yes"
    )


def test_proxies_that_are_believed_are_named(settings: Settings) -> None:
    understood = settings.read(SIMULATOR + '[http]\ntrusted_proxies = ["127.0.0.1", "10.1.0.0/16", "::1"]\n')

    assert understood.http.trusted_proxies == ("127.0.0.1", "10.1.0.0/16", "::1")
    assert "              10.1.0.0/16 is believed when it says for whom it asks" in config.describe(understood)


def test_tokens_stand_in_the_settings_by_who_holds_them(settings: Settings) -> None:
    entry = f'[[access]]\nname = "tavlan"\nrole = "wallboard"\ntoken_sha256 = "{"0" * 64}"\n'
    understood = settings.read(SIMULATOR + entry + '[http]\nhost = "0.0.0.0"\n')

    assert [(a.name, a.role) for a in understood.access] == [("tavlan", "wallboard")]
    assert "access        tavlan: wallboard" in config.describe(understood)
    assert settings.mistakes(SIMULATOR + 2 * entry) == [
        "access: one token for two; expected a token of its own for each"
    ]


def test_a_missing_secret_names_its_variable(settings: Settings) -> None:
    (mistake,) = settings.mistakes(AMI + 'secret = "env:AMI_SECRET"')

    assert mistake == (
        'sources[0].secret (source "main"): env:AMI_SECRET; expected the environment variable AMI_SECRET to be set, '
        "or AMI_SECRET=… in secrets.env beside the settings"
    )


def test_a_mistake_in_a_secret_does_not_tell_it(settings: Settings) -> None:
    mistakes = settings.mistakes(AMI + 'port = "env:AMI_SECRET"\nsecret = 12345', {"AMI_SECRET": "hemligt"})

    assert mistakes == [
        'sources[0].port (source "main"): a value that is not shown from AMI_SECRET;'
        " expected a whole number from 1 to 65535",
        'sources[0].secret (source "main"): a number; expected text',
    ]


def test_a_secret_is_a_text_like_any_other_to_the_one_who_uses_it() -> None:
    secret = Secret("hemligt")

    assert secret == "hemligt"
    assert f"{secret}" == "hemligt"
    assert repr(secret) == "'***'"
    assert repr(Secret("amqp://user:pass@host/x")) == "'amqp://user:***@host/x'"


def test_simulated_time_starts_at_a_local_time(settings: Settings) -> None:
    understood = settings.read(SIMULATOR + "[clock]\nstart = 2026-07-01T07:45:00\nrate = 60")

    assert understood.clock.start == dt.datetime(2026, 7, 1, 5, 45, tzinfo=dt.UTC)
    assert "simulated, from 2026-07-01 07:45, 60 times as fast as life" in config.describe(understood)


def test_where_all_calls_are_made_up_the_clock_is_the_machines_own_in_opening_hours_only(settings: Settings) -> None:
    """A start at night shows the forenoon of the newest working day."""
    understood = settings.read('[[sources]]\nname = "demo"\nkind = "simulator"\n')

    assert "clock         the machine's own; at other times than opening hours that of a" in config.describe(understood)


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_simulated_time_starts_in_a_year_that_has_years_around_it(settings: Settings, start: str) -> None:
    (mistake,) = settings.mistakes(SIMULATOR + f"[clock]\nstart = {start}")

    assert mistake == "clock: does not fit together; expected a start in the years 2000 to 2099"


@pytest.mark.parametrize("key", ["store.spill", "store.agent_key", "store.number_keys", "http.token_file"])
@pytest.mark.parametrize("place", ["/tmp", "/dev/zero"])
def test_a_file_of_ours_is_no_folder_and_no_device(settings: Settings, key: str, place: str) -> None:
    table, _, name = key.partition(".")
    understood = settings.read(SIMULATOR + f'[{table}]\n{name} = "{place}"')

    found = [str(mistake) for mistake in checks.mistakes_of_keeping(understood)]

    assert found == [f'{key}: "{place}" is there and is no file; expected a file of the monitor\'s own']


NUMBERS = ("-1", "0", "1e-320", "1e308", "nan", "inf", "-inf", "9" * 30)


def test_no_adapter_takes_a_number_that_cannot_be_worked_with() -> None:
    """A setting without limits fails where it is used, hours later, and names nothing: no port, no time for ever."""
    unlimited = []
    for kind in registry.adapter_kinds():
        settings = registry.settings_of(kind)
        assert settings is not None
        for field in structs.fields(settings):
            for number in map(float, NUMBERS):
                read = _converted(number, field.type)
                if isinstance(read, float | int) and not 0 <= read <= 1e12:
                    unlimited.append(f"{kind}.{field.encode_name}: {number}")

    assert unlimited == []


@pytest.mark.parametrize("host", ["", " ", "a..b", ".", "x" * 64, "http://pbx", "pbx/"])
def test_no_adapter_takes_a_host_that_no_machine_can_have(host: str) -> None:
    """Python's own name look-up raises other errors for these than for a machine that is away."""
    taken = []
    for kind in registry.adapter_kinds():
        settings = registry.settings_of(kind)
        assert settings is not None
        hosts = [field for field in structs.fields(settings) if field.name == "host"]
        taken += [kind for field in hosts if _converted(host, field.type) is not None]

    assert taken == []


def _converted(number: float | str, kind: object) -> object:
    try:
        return msgspec.convert(number, kind)
    except msgspec.ValidationError:
        return None


@pytest.mark.parametrize("written", ['"8:00"', '"08.00"', '"08:00:00"', "08:00:00"])
def test_a_time_of_day_may_be_written_in_several_ways(settings: Settings, written: str) -> None:
    understood = settings.read(SIMULATOR + f'[hours.weekdays]\ndays = ["mon"]\nopen = {written}\nclose = "17.00"')

    assert (understood.hours.weekdays[0].open, understood.hours.weekdays[0].close) == (dt.time(8), dt.time(17))


def test_the_example_that_is_shipped_is_understood_by_the_real_adapters() -> None:
    def settings_of(kind: str) -> type[Struct]:
        settings: type[Struct] = importlib.import_module(f"adapters.{kind}").Settings
        return settings

    understood = config.load(ROOT / "deploy" / "queue-monitor.toml", {"AMI_SECRET": "x"}, settings_of)

    assert understood.target == embedded().target
    assert understood.hours.weekdays == embedded().hours.weekdays
    assert structs.replace(understood.http, token_file=embedded().http.token_file) == embedded().http


FULL = """
[organisation]
name = "Luleå kommun"
language = "sv"

[target]
limit_seconds = 240
ratio = 0.8
definition = "D3"
short_abandon_seconds = 10
since = 2026-01-01
refused_limit_ratio = 0.05

[target.exits.queues."felanmälan"]
callback = "excluded"

[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu"]
open = "08:00"
close = "17:00"

[[hours.weekdays]]
days = ["fri"]
open = "08:00"
close = "15:00"

[[hours.exceptions]]
date = 2026-12-24
closed = true
reason = "julafton"

[[hours.exceptions]]
date = 2026-04-02
open = "08:00"
close = "12:00"

[hours.queues."felanmälan".weekdays]
days = ["mon"]
open = "00:00"
close = "23:59"

[[sources]]
name = "main"
kind = "asterisk_ami"
switch = "pbx"
host = "pbx.example"
secret = "env:AMI_SECRET"
events = ["call", "agent"]

[[sources]]
name = "spare"
kind = "asterisk_ami"
switch = "pbx"
enabled = false
host = "spare.example"

[store]
url = "postgresql+psycopg://kc:lösen@db/kc"

[http]
host = "::1"
port = 8081

[queues."felanmälan"]
label = "Felanmälan gata"
"""

DESCRIBED = """
organisation  Luleå kommun, sv, Europe/Stockholm
target        80 % answered within 240 s, by D3, since 2026-01-01
              hung up before 10 s is short; never ok with more than 5 % refused
              exit key counts as miss, callback as miss
              felanmälan: exit key counts as miss, callback as excluded
hours         mon tue wed thu 08:00-17:00, fri 08:00-15:00; closed on Swedish holidays
              2026-12-24 closed (julafton)
              2026-04-02 08:00-12:00
hours         felanmälan: mon 00:00-23:59; closed on Swedish holidays
              2026-12-24 closed (julafton)
              2026-04-02 08:00-12:00
source        main: asterisk_ami, switch pbx
              host = pbx.example
              port = 5038
              username = monitor
              secret = ***
              events = call, agent
source        spare: asterisk_ami, switch pbx, switched off
              host = spare.example
              port = 5038
              username = monitor
              secret = not set
store         postgresql+psycopg://kc:***@db/kc
kept          nothing is deleted: there is no decision (retention)
wallboard     http://[::1]:8081
reading       on this machine without a token, and so through any proxy on it, until there is a token
alerts        on the screens only, nobody is sent anything
reserve       4 can be called in, in the phones after 10 min
clock         the machine's own
queue         felanmälan is shown as Felanmälan gata
report        made on the first working day after a month and a tertial
"""

BAD = """
[organisation]
name = 3
langage = "sv"
time_zone = "Europe/Lulea"

[target]
ratio = 90
definition = "D9"
limit_seconds = 0

[target.exits.queues."Kund center"]
callback = "gone"

[[hours.weekdays]]
days = ["mon", "tues"]
open = "8:00"
close = "17.30"

[[hours.weekdays]]
days = ["tue"]
open = "9:00"
close = "8:00"

[[hours.exceptions]]
date = "juldagen"
closed = true

[[hours.exceptions]]
date = 2026-12-23
closed = true
open = 08:00:00

[[sources]]
name = "växel"
kind = "asterisk_amy"

[[sources]]
name = "b"
kind = "asterisk_ami"
port = "abc"
secret = "env:AMI"
usernam = "x"

[http]
host = "0.0.0.0"
port = 99999

[foo]
"""

BAD_TOLD = """
foo: unknown key; expected one of organisation, target, hours, store, retention, http, wallboard, access, clock, alerts, reserve, queues, pools, report, references, sources
organisation.langage: unknown key; expected one of name, language, time_zone (did you mean language?)
organisation.name: 3; expected text on one line, not blank, of at most 200 characters
organisation.time_zone: "Europe/Lulea"; expected an IANA time zone, such as Europe/Stockholm
target.limit_seconds: 0; expected a whole number from 1 to 86400
target.ratio: 90; expected a share above 0 and at most 1, such as 0.9 for 90 %
target.definition: "D9"; expected one of D1, D2, D3, D4, D5
target.exits.queues."Kund center".callback: "gone"; expected one of miss, excluded, judged
hours.weekdays[0].days[1]: "tues"; expected one of mon, tue, wed, thu, fri, sat, sun (did you mean tue?)
hours.weekdays[1]: does not fit together; expected open before close, on the same day
hours.exceptions[0].date: "juldagen"; expected a date such as 2026-03-31
hours.exceptions[1]: does not fit together; expected either closed = true or open and close, not both
http.port: 99999; expected a whole number from 0 to 65535
sources[0].name (source "växel"): "växel"; expected a name of letters a to z, digits and . _ - without spaces
sources[0].kind (source "växel"): "asterisk_amy"; expected one of asterisk_ami, http, simulator (did you mean asterisk_ami?)
sources[1].switch (source "b"): missing; expected the switchboard's name, the same for every source that listens to it
sources[1].usernam (source "b"): unknown key; expected one of host, port, username, secret, events, name, kind, switch, enabled (did you mean username?)
sources[1].host (source "b"): missing; expected text
sources[1].port (source "b"): "abc"; expected a whole number from 1 to 65535
sources[1].secret (source "b"): env:AMI; expected the environment variable AMI to be set, or AMI=… in secrets.env beside the settings
"""  # noqa: E501


HOURS = (
    SIMULATOR
    + """
[hours]
holidays = "none"

[[hours.periods]]
from = 2026-06-29
to = 2026-08-07
days = ["mon", "tue"]
open = "08:00"
close = "16:00"
reason = "sommartid"

[[hours.closures]]
date = 2026-12-10
from = "12:00"
to = "13:00"
reason = "APT"

[[hours.crisis]]
from = 2026-12-12
to = 2026-12-14
open = "00:00"
close = "24:00"

[hours.queues.jour]
holidays = "sweden"
"""
)


def test_keys_and_months_are_told_as_people_write_them(settings: Settings) -> None:
    source = '[[sources]]\nname = "v"\nkind = "http"\nsecrets = ["env:ONE", "env:TWO"]\n'
    environ = {"ONE": "1" * 32, "TWO": "2" * 32}
    told = config.describe(settings.read(f"{source}[retention.backups]\nmonths = 1\n", environ))

    assert "secrets = ***, ***\n" in told
    assert "backups for 1 month," in told


def test_periods_closures_and_crisis_hours_are_understood_and_told(settings: Settings) -> None:
    understood = settings.read(HOURS)

    assert understood.hours.holidays is config.Holidays.NONE
    assert understood.queue_hours["jour"].holidays is config.Holidays.SWEDEN
    assert understood.queue_hours["jour"].closures == understood.hours.closures
    told = config.describe(understood).splitlines()
    first = next(at for at, line in enumerate(told) if line.startswith("hours"))
    assert told[first : first + 5] == [
        "hours         mon tue wed thu fri 08:00-17:00; open on holidays as on other days",
        "              2026-06-29 to 2026-08-07 mon tue 08:00-16:00 (sommartid)",
        "              2026-12-10 closed 12:00-13:00 (APT)",
        "              crisis: 2026-12-12 to 2026-12-14 00:00-24:00",
        "hours         jour: mon tue wed thu fri 08:00-17:00; closed on Swedish holidays",
    ]


def test_periods_closures_and_crisis_hours_that_cannot_be_are_told_by_key(settings: Settings) -> None:
    backwards = HOURS.replace("to = 2026-08-07", "to = 2026-06-01").replace('to = "13:00"', 'to = "11:00"')

    assert settings.mistakes(backwards.replace('"none"', '"norge"')) == [
        'hours.holidays: "norge"; expected one of sweden, none',
        "hours.periods[0]: does not fit together; expected from at most to",
        "hours.closures[0]: does not fit together; expected from before to, on the same day",
    ]


def test_the_days_that_many_shorten_are_told_to_whoever_checks_the_settings(settings: Settings) -> None:
    asked = checks.days_to_confirm(settings.read(SIMULATOR), dt.date(2026, 12, 1))
    short = '[[hours.exceptions]]\ndate = 2027-01-05\nopen = "08:00"\nclose = "12:00"\n'
    confirmed = checks.days_to_confirm(settings.read(SIMULATOR + short), dt.date(2026, 12, 1))

    assert (dt.date(2027, 1, 5), "Trettondagsafton") in asked
    assert dt.date(2027, 1, 5) not in dict(confirmed)


ALERTS = (
    SIMULATOR
    + """
[alerts]
escalate_to = "chef"
link = "https://monitor.example"

[[alerts.channels]]
name = "sms"
url = "env:SMS_URL"
fallback = "mejl"

[[alerts.channels]]
name = "mejl"
url = "mailtos://user:hemligt@mail.example?to=lead@example"

[[alerts.recipients]]
name = "lead"
channel = "sms"
kinds = ["long_wait", "target_at_risk"]
quiet_from = "17:00"
quiet_to = "7.30"

[[alerts.recipients]]
name = "chef"
channel = "mejl"
queues = ["kundcenter"]
only_escalations = true
"""
)
SMS = {"SMS_URL": "46elks://user:hemligt@46555/46701740605"}


def test_channels_and_recipients_are_understood_and_told_without_their_secrets(settings: Settings) -> None:
    understood = settings.read(ALERTS, SMS)
    told = config.describe(understood)

    assert understood.alerts.channels[0].url == SMS["SMS_URL"]
    assert understood.alerts.recipients[0].quiet_to == dt.time(7, 30)
    assert "hemligt" not in told + repr(understood)
    assert [line for line in told.splitlines() if "sms" in line or "mejl" in line or "to chef" in line] == [
        "alerts        lead by sms, of long_wait, target_at_risk, quiet 17:00-07:30",
        "alerts        chef by mejl, queues kundcenter, only when nobody acknowledges",
        "              channel sms: apprise 46elks://***, else mejl",
        "              channel mejl: apprise mailtos://***",
        "              after 15 min to chef",
    ]


def test_channels_and_recipients_that_do_not_fit_together_are_told(settings: Settings) -> None:
    wrong = (
        ALERTS.replace('fallback = "mejl"', 'fallback = "brev"')
        .replace('channel = "sms"', 'channel = "fax"')
        .replace('escalate_to = "chef"', 'escalate_to = "kommunen"')
        .replace('name = "mejl"', 'name = "sms"')
    )

    assert settings.mistakes(wrong, SMS) == [
        'alerts.channels: more than one named "sms"; expected a name of its own for each',
        'alerts.channels[0].fallback: "brev"; expected the name of another in the list',
        'alerts.recipients[0].channel: "fax"; expected one of sms, sms',
        'alerts.recipients[1].channel: "mejl"; expected one of sms, sms',
        'alerts.escalate_to: "kommunen"; expected one of lead, chef',
    ]


def test_times_and_levels_of_alerts_that_cannot_be_are_told(settings: Settings) -> None:
    assert settings.mistakes(SIMULATOR + "[alerts]\nalarm_chance = 1.5\n") == [
        "alerts.alarm_chance: 1.5; expected a share above 0 and at most 1, such as 0.95"
    ]
    assert settings.mistakes(SIMULATOR + "[alerts]\nlong_wait_seconds = 700\n") == [
        "alerts: does not fit together; expected long_wait_seconds at most the alarm's"
    ]
    assert settings.mistakes(ALERTS.replace('quiet_to = "7.30"', ""), SMS) == [
        "alerts.recipients[0]: does not fit together; expected both quiet_from and quiet_to, or neither"
    ]


def test_a_sign_of_life_that_nobody_asks_for_is_told(settings: Settings) -> None:
    beat = ALERTS.replace("[alerts]", '[alerts]\nheartbeat = "07:45"', 1)

    assert settings.mistakes(beat, SMS) == [
        'alerts.heartbeat: nobody asks for it; expected a recipient with kinds = ["heartbeat"]'
    ]
    asked = settings.read(beat.replace('kinds = ["long_wait"', 'kinds = ["heartbeat", "long_wait"'), SMS)
    assert asked.alerts.heartbeat == dt.time(7, 45)


@pytest.mark.parametrize("origin", ["*", "https://a.example/path", "a.example", "https://*.example"])
def test_a_site_that_may_read_is_named_without_a_path_and_never_all_sites(settings: Settings, origin: str) -> None:
    (told,) = settings.mistakes(f'{SIMULATOR}\n[http]\ncors_origins = ["{origin}"]\n')

    assert told.startswith("http.cors_origins[0]: ")
    assert "a site such as https://www.lulea.example" in told


def test_other_sites_and_everybody_are_let_in_by_name_only(settings: Settings) -> None:
    read = settings.read(f'{SIMULATOR}\n[http]\npublic = true\ncors_origins = ["https://a.example:8443"]\n')

    assert (read.http.public, read.http.cors_origins) == (True, ("https://a.example:8443",))
    assert "pages of https://a.example:8443 may read the API" in config.describe(read)
    assert (settings.read(SIMULATOR).http.public, settings.read(SIMULATOR).http.cors_origins) == (False, ())
