"""Call history: one row for each contact and visit, sums of them, and a journal that is packed when it is old.

Made for good: retention, privacy, reports and many sites need no other change of this kind.
"""

import sqlalchemy as sa
from alembic import context, op

from queue_monitor.store.migrations.compacting import Compacting

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.rename_table("journal", "journal_0004")
    op.rename_table("history", "history_0004")
    _create()
    attributes = context.config.attributes
    Compacting(op.get_bind(), attributes["zone"], attributes.get("progress")).run()
    op.drop_table("journal_0004")
    op.drop_table("history_0004")


def downgrade() -> None:
    raise NotImplementedError("what was packed is not unpacked: go back with the copy made before the upgrade")


def _create() -> None:
    op.create_table(
        "call_key",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("hash", sa.BigInteger(), nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site", "hash", "contact", name="call_key_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "contact",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("is_derived", sa.Boolean(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=True),
        sa.Column("entered_us", sa.BigInteger(), nullable=True),
        sa.Column("settled_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("inside", sa.Boolean(), nullable=False),
        sa.Column("early", sa.Boolean(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("judged_ms", sa.BigInteger(), nullable=True),
        sa.Column("brought_by", sa.Text(), nullable=False),
        sa.Column("wait_ms", sa.BigInteger(), nullable=True),
        sa.Column("wait_after_transfer_ms", sa.BigInteger(), nullable=False),
        sa.Column("called_back_ms", sa.BigInteger(), nullable=True),
        sa.Column("start_known", sa.Boolean(), nullable=False),
        sa.Column("precision_ms", sa.BigInteger(), nullable=False),
        sa.Column("reached_later", sa.Boolean(), nullable=True),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site", "key", name="contact_key"),
    )
    op.create_index(
        "contact_bare",
        "contact",
        ["site"],
        unique=False,
        sqlite_where=sa.text("NOT is_derived"),
        postgresql_where=sa.text("NOT is_derived"),
    )
    op.create_index("contact_by_at", "contact", ["site", "at_us", "key"], unique=False)
    op.create_index("contact_by_last", "contact", ["site", "last_us"], unique=False)
    op.create_index(
        "contact_open",
        "contact",
        ["site"],
        unique=False,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "coverage",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=False),
        sa.Column("seen_minutes", sa.Integer(), nullable=False),
        sa.Column("recovered_minutes", sa.Integer(), nullable=False),
        sa.Column("blind_minutes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", "queue", name="coverage_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="journal_by_seq"),
    )
    op.create_index("journal_by_at", "journal", ["site", "at_us"], unique=False)
    op.create_table(
        "journal_id",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "hash", name="journal_id_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("beat_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "mark",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "name", name="mark_key"),
    )
    op.create_table(
        "name",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "kind", "id", name="name_id"),
        sa.UniqueConstraint("site", "kind", "key", name="name_key"),
    )
    op.create_table(
        "pack",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("pack_by_first_seq", "pack", ["site", "first_seq"], unique=False)
    op.create_index("pack_by_last_seq", "pack", ["site", "last_seq"], unique=False)
    op.create_index("pack_by_time", "pack", ["site", "last_us"], unique=False)
    op.create_table(
        "pack_contact",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("hash", sa.BigInteger(), nullable=False),
        sa.Column("pack", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "hash", "pack", name="pack_contact_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusal",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("counted_us", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=False),
        sa.Column("switch", sa.Integer(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("inside", sa.Boolean(), nullable=False),
        sa.Column("early", sa.Boolean(), nullable=False),
        sa.Column("precision_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "key", name="refusal_key"),
    )
    op.create_index("refusal_by_at", "refusal", ["site", "at_us"], unique=False)
    op.create_index("refusal_by_minute", "refusal", ["site", "counted_us"], unique=False)
    op.create_table(
        "rules",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("first_used_us", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site", "version", name="rules_key"),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_table(
        "state",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site", "name", name="state_key"),
    )
    op.create_table(
        "sums",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("inside", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=False),
        sa.Column("sum_ms", sa.BigInteger(), nullable=False),
        sa.Column("max_ms", sa.BigInteger(), nullable=False),
        sa.Column("over_10_min", sa.BigInteger(), nullable=False),
        sa.Column("histogram", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site", "step", "level", "queue", "start_us", "inside", name="sums_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "visit",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=False),
        sa.Column("switch", sa.Integer(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("entered_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_wait_us", sa.BigInteger(), nullable=True),
        sa.Column("completed_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("inside", sa.Boolean(), nullable=False),
        sa.Column("early", sa.Boolean(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("judged_ms", sa.BigInteger(), nullable=True),
        sa.Column("brought_by", sa.Text(), nullable=False),
        sa.Column("wait_ms", sa.BigInteger(), nullable=True),
        sa.Column("talk_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("entry_reason", sa.Text(), nullable=False),
        sa.Column("next_queue", sa.Integer(), nullable=True),
        sa.Column("exit_key", sa.Text(), nullable=True),
        sa.Column("rings", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("after_answer", sa.Boolean(), nullable=False),
        sa.Column("start_known", sa.Boolean(), nullable=False),
        sa.Column("precision_ms", sa.BigInteger(), nullable=False),
        sa.Column("outcome_basis", sa.Text(), nullable=False),
        sa.Column("time_basis", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "contact", "number", name="visit_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("visit_by_at", "visit", ["site", "at_us"], unique=False)
    op.create_index("visit_by_entry", "visit", ["site", "entered_us"], unique=False)
