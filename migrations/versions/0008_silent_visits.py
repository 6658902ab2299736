"""links nobody opened and visits gone silent are found by an index, and so are a host's open visits

Only adds, but for an index that the longer one replaces.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index(op.f("ix_invitation_opened_at_expires_at"), "invitation", ["opened_at", "expires_at"])
    op.create_index(op.f("ix_invitation_host_id_opened_at"), "invitation", ["host_id", "opened_at"])
    op.drop_index(op.f("ix_invitation_host_id"), "invitation")


def downgrade() -> None:
    op.create_index(op.f("ix_invitation_host_id"), "invitation", ["host_id"])
    op.drop_index(op.f("ix_invitation_host_id_opened_at"), "invitation")
    op.drop_index(op.f("ix_invitation_opened_at_expires_at"), "invitation")
