"""leases, chores, and the look-ups of retention

Only adds: what ran on the first tables runs on these too, so a rolling deploy may mix both.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INDEXES = [
    ("browser_session", ["created_at"]),
    ("connect_session", ["created_at"]),
    ("connection", ["status", "status_since"]),
    ("event", ["received_at"]),
    ("intent", ["prompt_id"]),
    ("intent", ["settled_at"]),
    ("person", ["closing_at"]),
    ("run", ["ended_at"]),
    ("run", ["is_told", "due_at"]),
]


def upgrade() -> None:
    op.create_table(
        "chore",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chore")),
    )
    op.add_column("run", sa.Column("is_told", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("run", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("run", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("connection", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("person", sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index(op.f("ix_run_due_at"), "run")
    for table, columns in INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)


def downgrade() -> None:
    for table, columns in INDEXES:
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    op.create_index(op.f("ix_run_due_at"), "run", ["due_at"])
    for table, column in (
        ("person", "closing_at"),
        ("connection", "lease_until"),
        ("run", "looked_at"),
        ("run", "lease_until"),
        ("run", "is_told"),
    ):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)
    op.drop_table("chore")
