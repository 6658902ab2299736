"""what is due at an endpoint is found by the endpoint, so one that is paused for weeks costs the others nothing

Only adds.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index(op.f("ix_delivery_endpoint_id_due_at"), "delivery", ["endpoint_id", "due_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_endpoint_id_due_at"), "delivery")
