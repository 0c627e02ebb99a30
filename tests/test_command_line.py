"""The command line opens one command's room only: a container asks every few seconds whether the monitor is well."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from queue_monitor.__main__ import COMMANDS, main
from queue_monitor.commands.options import chosen_as
from queue_monitor.importing import Wanted
from tests.adapters.broker import free_port

HEAVY = {"sqlalchemy", "fastapi", "numpy", "uvicorn", "apprise", "alembic", "holidays"}
PROGRAM = """
import sys
from queue_monitor.__main__ import main
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print(*sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


SETTINGS = '[[sources]]\nname = "log"\nkind = "asterisk_queuelog"\npath = "/var/log/asterisk/queue_log"\n'


def opened(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command, and the packages that it has opened."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    return ran.returncode, set(ran.stderr.splitlines()[-1].split())


def test_whoever_asks_little_waits_for_no_large_library(tmp_path: Path):
    (tmp_path / "monitor.toml").write_text(SETTINGS)
    nobody = f"http://127.0.0.1:{free_port()}/healthz"
    asked = ("healthcheck", "--config", str(tmp_path / "monitor.toml"), "--url", nobody)

    for arguments, expected in ((("--version",), 0), (("--help",), 0), (asked, 1)):
        code, packages = opened(*arguments)
        assert code == expected
        assert HEAVY & packages == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])

    assert ended.value.code == 0
    assert f"usage: queue-monitor {name} " in capsys.readouterr().out


def test_arguments_take_the_shape_that_their_command_hands_on():
    chosen = Namespace(files=[Path("a")], kind="csv", name="n", mapping=None, dry_run=True, replace=False, config=None)
    assert chosen_as(Wanted, chosen, files=(Path("a"),)) == Wanted(
        files=(Path("a"),), kind="csv", name="n", dry_run=True
    )
