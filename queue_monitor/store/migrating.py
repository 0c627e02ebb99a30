"""The revisions of the tables: which one a database has, which is the newest, and the way from one to the other.

The library that migrates takes long to load, so it is loaded only where there is something to migrate.
"""

import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_VERSION_TABLE: Final = "queue_monitor_version"
_REVISION: Final = re.compile(r"r(\d{4})_\w+\.py")


class NewerSchema(Exception):
    """The tables are of a revision that this version does not know."""


def newest_revision() -> str:
    """Return the revision of the tables as this version makes them: the number of its newest file."""
    names = (_REVISION.fullmatch(path.name) for path in (_MIGRATIONS / "versions").iterdir())
    return max(name[1] for name in names if name)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the tables; None where there are none."""
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()


def upgrade(connection: Connection, migrating: dict[str, Any]) -> None:
    """Bring the tables to the newest revision; `migrating` is for the revisions. Raises `NewerSchema`."""
    if revision_of(connection) == newest_revision():
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(migrating)
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerSchema(str(error)) from error
