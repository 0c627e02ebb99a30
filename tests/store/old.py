"""Stores as versions before have left them."""

from pathlib import Path
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config

import queue_monitor.store.migrations

RECORDING: Final = Path(__file__).parents[1] / "recordings/store/journal-0004.db.gz"
_MIGRATIONS: Final = Path(queue_monitor.store.migrations.__file__).parent


def make_tables(url: str, revision: str) -> None:
    """The empty tables of an old version."""
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()
