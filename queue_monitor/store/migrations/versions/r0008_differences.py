"""Where the switch's own totals and ours differed: one row for each day, switch, queue and counter."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "difference",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("switch", sa.Integer(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("switch_says", sa.BigInteger(), nullable=False),
        sa.Column("ledger_says", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", "switch", "queue", "counter", name="difference_key"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("difference")
