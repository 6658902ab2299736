"""which key a link was made with, so that a key that is revoked takes its links with it

Only adds. Links made before have none: they run out by themselves, within 21 days.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("invitation") as invitation:
        invitation.add_column(sa.Column("host_key_id", sa.Integer(), nullable=True))
        invitation.create_foreign_key(
            op.f("fk_invitation_host_key_id"), "host_key", ["host_key_id"], ["id"], ondelete="SET NULL"
        )
    op.create_index(op.f("ix_invitation_host_key_id"), "invitation", ["host_key_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_invitation_host_key_id"), "invitation")
    with op.batch_alter_table("invitation") as invitation:
        invitation.drop_constraint(op.f("fk_invitation_host_key_id"), type_="foreignkey")
        invitation.drop_column("host_key_id")
