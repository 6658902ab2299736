"""hosts, their keys, and the people they send

What gets looser (a person without an email) is only written by the new code; the old code goes on as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "host",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("return_urls", sa.JSON(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
        sa.UniqueConstraint("name", name=op.f("uq_host_name")),
        sa.UniqueConstraint("ref", name=op.f("uq_host_ref")),
    )
    op.create_table(
        "host_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("ending", sa.String(length=4), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_host_key_host_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_host_key_key_hash")),
    )
    op.create_index(op.f("ix_host_key_host_id"), "host_key", ["host_id"])
    with op.batch_alter_table("person") as person:
        person.alter_column("email", existing_type=sa.String(length=254), nullable=True)
        person.alter_column("password_hash", existing_type=sa.String(length=200), nullable=True)
        person.add_column(sa.Column("host_id", sa.Integer(), nullable=True))
        person.add_column(sa.Column("client_user_id", sa.String(length=200), nullable=True))
        person.create_foreign_key(op.f("fk_person_host_id"), "host", ["host_id"], ["id"], ondelete="CASCADE")
        person.create_unique_constraint(op.f("uq_person_host_id_client_user_id"), ["host_id", "client_user_id"])
    op.add_column("connect_session", sa.Column("sources", sa.JSON(), nullable=True))
    with op.batch_alter_table("browser_session") as session:
        session.add_column(sa.Column("visit_id", sa.Integer(), nullable=True))
        session.add_column(sa.Column("frame_origin", sa.String(length=300), nullable=True))
        session.create_foreign_key(
            op.f("fk_browser_session_visit_id"), "connect_session", ["visit_id"], ["id"], ondelete="CASCADE"
        )
        session.create_index(op.f("ix_browser_session_visit_id"), ["visit_id"])
    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("connect_session_id", sa.Integer(), nullable=False),
        sa.Column("host_id", sa.Integer(), nullable=False),
        sa.Column("form", sa.String(length=300), nullable=True),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("return_url", sa.String(length=2000), nullable=False),
        sa.Column("state", sa.String(length=500), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("public_token_hash", sa.String(length=64), nullable=True),
        sa.Column("public_token_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exchanged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connect_session_id"],
            ["connect_session.id"],
            name=op.f("fk_invitation_connect_session_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_invitation_host_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("connect_session_id", name=op.f("uq_invitation_connect_session_id")),
        sa.UniqueConstraint("form", name=op.f("uq_invitation_form")),
        sa.UniqueConstraint("public_token_hash", name=op.f("uq_invitation_public_token_hash")),
        sa.UniqueConstraint("ref", name=op.f("uq_invitation_ref")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_index(op.f("ix_invitation_host_id"), "invitation", ["host_id"])


def downgrade() -> None:
    op.drop_table("invitation")
    with op.batch_alter_table("browser_session") as session:
        session.drop_index(op.f("ix_browser_session_visit_id"))
        session.drop_constraint(op.f("fk_browser_session_visit_id"), type_="foreignkey")
        session.drop_column("frame_origin")
        session.drop_column("visit_id")
    op.drop_column("connect_session", "sources")
    op.execute("DELETE FROM person WHERE email IS NULL")
    with op.batch_alter_table("person") as person:
        person.drop_constraint(op.f("uq_person_host_id_client_user_id"), type_="unique")
        person.drop_constraint(op.f("fk_person_host_id"), type_="foreignkey")
        person.drop_column("client_user_id")
        person.drop_column("host_id")
        person.alter_column("password_hash", existing_type=sa.String(length=200), nullable=False)
        person.alter_column("email", existing_type=sa.String(length=254), nullable=False)
    op.drop_table("host_key")
    op.drop_table("host")
