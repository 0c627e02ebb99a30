"""The journal of events and the history of quarter hours."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("source", "id", name="journal_source_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("journal_at_us", "journal", ["at_us"])
    op.create_table(
        "history",
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("inside_hours", sa.Boolean, nullable=False),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("level", "queue", "inside_hours", "start_us", name="history_key"),
    )
    op.create_index("history_start_us", "history", ["start_us"])


def downgrade() -> None:
    op.drop_table("history")
    op.drop_table("journal")
