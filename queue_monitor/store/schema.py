"""The tables. Every moment is a whole number of microseconds since 1970 UTC: exact, ordered and the same everywhere."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

metadata: Final = MetaData()

# SQLite numbers its rows itself only when the key is declared INTEGER.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

journal: Final = Table(
    "journal",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("source", "id", name="journal_source_id"),
    Index("journal_at_us", "at_us"),
    sqlite_autoincrement=True,  # a number is never used again, even after the newest rows were deleted
)

history: Final = Table(
    "history",
    metadata,
    Column("level", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("inside_hours", Boolean, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("figures", Text, nullable=False),
    PrimaryKeyConstraint("level", "queue", "inside_hours", "start_us", name="history_key"),
    Index("history_start_us", "start_us"),
)


learned: Final = Table(
    "learned",
    metadata,
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

alert_state: Final = Table(
    "alert_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

alert: Final = Table(
    "alert",
    metadata,
    Column("episode", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("episode", "at_us", "change", name="alert_key"),
    Index("alert_at_us", "at_us"),
)

notice: Final = Table(
    "notice",
    metadata,
    Column("id", Text, primary_key=True),
    Column("made_at_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("notice_state_made_at_us", "state", "made_at_us"),
)

attempt: Final = Table(
    "attempt",
    metadata,
    Column("notice", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("notice", "number", name="attempt_key"),
    Index("attempt_at_us", "at_us"),
)

acknowledgement: Final = Table(
    "acknowledgement",
    metadata,
    Column("episode", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("acknowledgement_at_us", "at_us"),
)


audit: Final = Table(
    "audit",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("audit_at_us", "at_us"),
    sqlite_autoincrement=True,
)


def microseconds(moment: datetime) -> int:
    """Since 1970 UTC, exact. The moment must know its time zone."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """The inverse, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND
