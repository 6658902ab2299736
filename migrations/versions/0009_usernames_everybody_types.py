"""which sign-ins name the same account at a source, so that more accounts here are no more tries there

Only adds. What is there already has no digest until somebody signs in again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("connection", sa.Column("username_digest", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_connection_username_digest"), "connection", ["username_digest"])


def downgrade() -> None:
    op.drop_index(op.f("ix_connection_username_digest"), "connection")
    op.drop_column("connection", "username_digest")
