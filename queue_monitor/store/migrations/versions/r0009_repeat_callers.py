"""The callers of a day who called again: counts for each day, queue and run of the monitor, and never who."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

COUNTS = ("calls", "repeated", "lost", "reached_later", "answered", "not_back")


def upgrade() -> None:
    op.create_table(
        "repeat_callers",
        sa.Column("site", sa.Integer(), server_default="1", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("queue", sa.Integer(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.PrimaryKeyConstraint("site", "day", "queue", "since_us", name="repeat_callers_key"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("repeat_callers")
