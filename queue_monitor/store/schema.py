"""The tables. Every moment is a whole number of microseconds since 1970 UTC: exact, ordered and equal everywhere."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

metadata: Final = MetaData()

# SQLite numbers its rows itself only when the key is declared INTEGER.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

SITE: Final = 1
"""The only site today."""


def _site() -> Column[int]:
    """Return the column for the site of a row. There is one site today; it is in every key, so that several need no
    other tables.
    """
    return Column("site", Integer, nullable=False, server_default="1")


site: Final = Table(
    "site",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),
)

# --- the journal: the newest events one by one, older ones in packs, the ids of all for ever

journal: Final = Table(
    "journal",
    metadata,
    Column("seq", _Sequence, autoincrement=False),
    _site(),
    Column("at_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("seq", name="journal_by_seq"),
    Index("journal_by_at", "site", "at_us"),
)

journal_id: Final = Table(
    "journal_id",
    metadata,
    _site(),
    Column("hash", LargeBinary, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "hash", name="journal_id_key"),
    sqlite_with_rowid=False,
)

pack: Final = Table(
    "pack",
    metadata,
    Column("id", _Sequence, primary_key=True, autoincrement=False),
    _site(),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("pack_by_time", "site", "last_us"),
    Index("pack_by_first_seq", "site", "first_seq"),
    Index("pack_by_last_seq", "site", "last_seq"),
)

pack_contact: Final = Table(
    "pack_contact",
    metadata,
    _site(),
    Column("hash", BigInteger, nullable=False),
    Column("pack", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "hash", "pack", name="pack_contact_key"),
    sqlite_with_rowid=False,
)

# --- history: one row for each contact and each visit, and sums of them

name: Final = Table(
    "name",
    metadata,
    _site(),
    Column("kind", Text, nullable=False),
    Column("id", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("site", "kind", "id", name="name_id"),
    UniqueConstraint("site", "kind", "key", name="name_key"),
)

IS_OPEN: Final = text("is_open")
IS_BARE: Final = text("NOT is_derived")
"""The conditions in the words of their indexes: SQLite finds a partial index by no others."""

contact: Final = Table(
    "contact",
    metadata,
    _site(),
    Column("key", LargeBinary, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("is_derived", Boolean, nullable=False),
    Column("queue", Integer),
    Column("entered_us", BigInteger),
    Column("settled_us", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("inside", Boolean, nullable=False),
    Column("early", Boolean, nullable=False),
    Column("recorded", Boolean, nullable=False),
    Column("judged_ms", BigInteger),
    Column("brought_by", Text, nullable=False),
    Column("wait_ms", BigInteger),
    Column("wait_after_transfer_ms", BigInteger, nullable=False),
    Column("called_back_ms", BigInteger),
    Column("start_known", Boolean, nullable=False),
    Column("precision_ms", BigInteger, nullable=False),
    Column("reached_later", Boolean),
    Column("rules", Integer, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "key", name="contact_key"),
    Index("contact_by_at", "site", "at_us", "key"),
    Index("contact_by_last", "site", "last_us"),
    Index("contact_open", "site", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    Index("contact_bare", "site", sqlite_where=IS_BARE, postgresql_where=IS_BARE),
)

visit: Final = Table(
    "visit",
    metadata,
    _site(),
    Column("contact", LargeBinary, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("switch", Integer, nullable=False),
    Column("source", Integer, nullable=False),
    Column("entered_us", BigInteger),
    Column("ended_wait_us", BigInteger),
    Column("completed_us", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("inside", Boolean, nullable=False),
    Column("early", Boolean, nullable=False),
    Column("recorded", Boolean, nullable=False),
    Column("judged_ms", BigInteger),
    Column("brought_by", Text, nullable=False),
    Column("wait_ms", BigInteger),
    Column("talk_ms", BigInteger),
    Column("ended_by", Text),
    Column("agent", Text),
    Column("entry_reason", Text, nullable=False),
    Column("next_queue", Integer),
    Column("exit_key", Text),
    Column("rings", BigInteger, nullable=False),
    Column("position", BigInteger),
    Column("after_answer", Boolean, nullable=False),
    Column("start_known", Boolean, nullable=False),
    Column("precision_ms", BigInteger, nullable=False),
    Column("outcome_basis", Text, nullable=False),
    Column("time_basis", Text, nullable=False),
    PrimaryKeyConstraint("site", "contact", "number", name="visit_key"),
    Index("visit_by_at", "site", "at_us"),
    Index("visit_by_entry", "site", "entered_us"),
    sqlite_with_rowid=False,
)

call_key: Final = Table(
    "call_key",
    metadata,
    _site(),
    Column("hash", BigInteger, nullable=False),
    Column("contact", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "hash", "contact", name="call_key_key"),
    sqlite_with_rowid=False,
)

refusal: Final = Table(
    "refusal",
    metadata,
    _site(),
    Column("key", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("counted_us", BigInteger, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("switch", Integer, nullable=False),
    Column("source", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("inside", Boolean, nullable=False),
    Column("early", Boolean, nullable=False),
    Column("precision_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "key", name="refusal_key"),
    Index("refusal_by_at", "site", "at_us"),
    Index("refusal_by_minute", "site", "counted_us"),
)

sums: Final = Table(
    "sums",
    metadata,
    _site(),
    Column("step", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("inside", Boolean, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Column("answered", BigInteger, nullable=False),
    Column("sum_ms", BigInteger, nullable=False),
    Column("max_ms", BigInteger, nullable=False),
    Column("over_10_min", BigInteger, nullable=False),
    Column("histogram", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "step", "level", "queue", "start_us", "inside", name="sums_key"),
    sqlite_with_rowid=False,
)

coverage: Final = Table(
    "coverage",
    metadata,
    _site(),
    Column("day", Date, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("seen_minutes", Integer, nullable=False),
    Column("recovered_minutes", Integer, nullable=False),
    Column("blind_minutes", Integer, nullable=False),
    PrimaryKeyConstraint("site", "day", "queue", name="coverage_key"),
    sqlite_with_rowid=False,
)

difference: Final = Table(
    "difference",
    metadata,
    _site(),
    Column("day", Date, nullable=False),
    Column("switch", Integer, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("counter", Text, nullable=False),
    Column("switch_says", BigInteger, nullable=False),
    Column("ledger_says", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "day", "switch", "queue", "counter", name="difference_key"),
    sqlite_with_rowid=False,
)

repeat_callers: Final = Table(
    "repeat_callers",
    metadata,
    _site(),
    Column("day", Date, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("reached_later", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("not_back", Integer, nullable=False),
    PrimaryKeyConstraint("site", "day", "queue", "since_us", name="repeat_callers_key"),
    sqlite_with_rowid=False,
)

# --- what was imported: the runs, and the days of calls that they have brought

imported: Final = Table(
    "imported",
    metadata,
    _site(),
    Column("id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "id", name="imported_key"),
)

imported_day: Final = Table(
    "imported_day",
    metadata,
    _site(),
    Column("source", Integer, nullable=False),
    Column("day", Date, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("is_sealed", Boolean, nullable=False),
    Column("replaces", Boolean, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("stays", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("digest", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "source", "day", "queue", name="imported_day_key"),
    sqlite_with_rowid=False,
)

# --- what a start needs, and who owns the store

state: Final = Table(
    "state",
    metadata,
    _site(),
    Column("name", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "name", name="state_key"),
)

rules: Final = Table(
    "rules",
    metadata,
    _site(),
    Column("version", Text, nullable=False),
    Column("first_used_us", BigInteger),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "version", name="rules_key"),
)

lease: Final = Table(
    "lease",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("beat_us", BigInteger, nullable=False),
)

mark: Final = Table(
    "mark",
    metadata,
    _site(),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("site", "name", name="mark_key"),
)

# --- what the forecast has learned, alerts, acts

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

# --- reports: append-only but for retention, and remembered by nobody

report: Final = Table(
    "report",
    metadata,
    _site(),
    Column("period", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("sealed_us", BigInteger, nullable=False),
    Column("program", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("site", "period", "scope", "version", name="report_key"),
    Index("report_by_sealed", "site", "sealed_us"),
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
    """Return the microseconds since 1970 UTC, exact. The moment must have a time zone."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """Return the moment of these microseconds, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND
