"""The record of alerts: their state, every change, every notice, every attempt to deliver it, and who has seen it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "alert_state",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "alert",
        sa.Column("episode", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("episode", "at_us", "change", name="alert_key"),
    )
    op.create_index("alert_at_us", "alert", ["at_us"])
    op.create_table(
        "notice",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("made_at_us", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("notice_state_made_at_us", "notice", ["state", "made_at_us"])
    op.create_table(
        "attempt",
        sa.Column("notice", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("notice", "number", name="attempt_key"),
    )
    op.create_index("attempt_at_us", "attempt", ["at_us"])
    op.create_table(
        "acknowledgement",
        sa.Column("episode", sa.Text, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("acknowledgement_at_us", "acknowledgement", ["at_us"])


def downgrade() -> None:
    for table in ("acknowledgement", "attempt", "notice", "alert", "alert_state"):
        op.drop_table(table)
