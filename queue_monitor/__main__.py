"""The command line: `queue-monitor COMMAND`. The room of a command is opened only when it is asked for."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Final, NamedTuple, NoReturn

from queue_monitor import __version__, config
from queue_monitor.app import logs, registry
from queue_monitor.commands import handing_over
from queue_monitor.commands.exits import BUSY, FAULT, WRONG, fail
from queue_monitor.commands.options import Run
from queue_monitor.ports import StoreError, StoreInUse
from queue_monitor.replay.recording import RecordingError
from queue_monitor.runtime.fault import Fault


class Command(NamedTuple):
    """A command: `place` is the module and the function that adds its arguments to a parser and returns what it does.

    `says`: the line about it in `queue-monitor --help`.
    """

    place: str
    says: str


COMMANDS: Final = {
    "run": Command("queue_monitor.commands.serving:run", "run the monitor; without --config on a simulated day"),
    "rebuild": Command(
        "queue_monitor.commands.storing:rebuild", "make the history anew from the journal; the monitor must not run"
    ),
    "verify": Command(
        "queue_monitor.commands.storing:verify", "compare history, sums and journal; lists every difference"
    ),
    "import": Command(
        "queue_monitor.commands.past:import_calls", "take in years of past calls from files; the monitor must not run"
    ),
    "rejected": Command(
        "queue_monitor.commands.storing:rejected", "list what was not taken lately, by field and reason"
    ),
    "backup": Command(
        "queue_monitor.commands.storing:backup", "copy the store into one file, also while the monitor runs"
    ),
    "restore": Command(
        "queue_monitor.commands.storing:restore", "put a backup in the store's place; the monitor must not run"
    ),
    "wipe": Command("queue_monitor.commands.storing:wipe", "delete everything in the store; the monitor must not run"),
    "replay": Command("queue_monitor.commands.past:replay", "play recordings through the live engine"),
    "backtest": Command(
        "queue_monitor.commands.past:backtest",
        "what would have been said of past calls, and how right it would have been",
    ),
    "simulate": Command(
        "queue_monitor.commands.canonical:simulate", "print a made-up Kundcenter day as canonical events"
    ),
    "translate": Command("queue_monitor.commands.canonical:translate", "print the canonical events of a recording"),
    "check-config": Command(
        "queue_monitor.commands.checking:check_config", "read the settings and say what was understood"
    ),
    "check-events": Command(
        "queue_monitor.commands.canonical:check_events",
        "say of each event in a file whether it would be taken; exit 1 if not",
    ),
    "test-alarm": Command(
        "queue_monitor.commands.checking:test_alarm", "send a test through the channels; exit 1 if one fails"
    ),
    "privacy": Command("queue_monitor.commands.telling:privacy", "print what is kept, why, and until when"),
    "report": Command(
        "queue_monitor.commands.telling:report", "make the report of a period, and seal it; a monitor may run"
    ),
    "init": Command(
        "queue_monitor.setup.command:init", "ask a few questions, and write the settings and what starts the monitor"
    ),
    "doctor": Command(
        "queue_monitor.doctor.command:doctor", "look the installation over and say what to do; exit 1 if it is wrong"
    ),
    "token": Command("queue_monitor.commands.telling:token", "make an access token for a screen, a system or a person"),
    "healthcheck": Command(
        "queue_monitor.commands.health:healthcheck", "ask a running monitor whether it is well; exit 0 or 1"
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    chosen = parser_for(given).parse_args(given)
    logs.configure(verbose=chosen.verbose)
    command: Run = chosen.command
    try:
        return command(chosen)
    except StoreError as error:
        fail(str(error))
        return BUSY if error.passing or isinstance(error, StoreInUse) else WRONG
    except Fault as error:
        fail(str(error))
        return FAULT
    except (config.ConfigError, RecordingError, registry.UnknownKind) as error:
        return fail(str(error))
    except BrokenPipeError:  # whoever reads the output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        named = error.filename is not None and error.strerror
        return fail(f"{error.filename}: {error.strerror}" if named else str(error))
    except KeyboardInterrupt:
        return 130
    finally:
        handing_over.give_back()


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows all commands, and the arguments of the one that is given here."""
    parser = argparse.ArgumentParser(
        prog="queue-monitor", description="Follows every caller who waits, and says when the target is at risk."
    )
    parser.add_argument("--version", action="version", version=f"queue-monitor {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log more")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = next((word for word in arguments if not word.startswith("-")), "")
    for name, command in COMMANDS.items():
        its = commands.add_parser(name, help=command.says)
        if name == asked:
            add: Callable[[argparse.ArgumentParser], Run] = resolve_name(command.place)
            its.set_defaults(command=add(its))
    return parser


def _exit() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    _exit()
