"""support: staff, what they did, how sources fare; and what a host wishes for one visit, and who waits

Only adds. The audit log refuses to be changed, whoever tries: a trigger each for UPDATE and DELETE.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("sealed_seed", sa.Text(), nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("recovery", sa.JSON(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("invite_hash", sa.String(length=64), nullable=True),
        sa.Column("invite_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
        sa.UniqueConstraint("invite_hash", name=op.f("uq_staff_invite_hash")),
        sa.UniqueConstraint("ref", name=op.f("uq_staff_ref")),
    )
    op.create_table(
        "staff_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("browser", sa.String(length=60), nullable=False),
        sa.Column("proved_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_session_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_session")),
        sa.UniqueConstraint("ref", name=op.f("uq_staff_session_ref")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_session_token_hash")),
    )
    op.create_index(op.f("ix_staff_session_address_created_at"), "staff_session", ["address", "created_at"])
    op.create_index(op.f("ix_staff_session_created_at"), "staff_session", ["created_at"])
    op.create_index(op.f("ix_staff_session_staff_id"), "staff_session", ["staff_id"])
    op.create_table(
        "staff_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("ending", sa.String(length=4), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_token_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_token")),
        sa.UniqueConstraint("ref", name=op.f("uq_staff_token_ref")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_token_token_hash")),
    )
    op.create_index(op.f("ix_staff_token_staff_id"), "staff_token", ["staff_id"])
    op.create_table(
        "staff_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_staff_note_connection_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_note_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_note")),
    )
    op.create_index(op.f("ix_staff_note_connection_id"), "staff_note", ["connection_id"])
    op.create_index(op.f("ix_staff_note_staff_id"), "staff_note", ["staff_id"])
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("page", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("query", sa.String(length=500), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_saved_view_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("ref", name=op.f("uq_saved_view_ref")),
        sa.UniqueConstraint("staff_id", "page", "name", name=op.f("uq_saved_view_staff_id_page_name")),
    )
    op.create_index(op.f("ix_saved_view_page"), "saved_view", ["page"])
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("session", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("object", sa.String(length=300), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("result", sa.String(length=200), nullable=False),
        sa.Column("request_id", sa.String(length=200), nullable=False),
        sa.Column("once", sa.String(length=64), nullable=True),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_audit_entry_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
        sa.UniqueConstraint("digest", name=op.f("uq_audit_entry_digest")),
        sa.UniqueConstraint("once", name=op.f("uq_audit_entry_once")),
        sa.UniqueConstraint("ref", name=op.f("uq_audit_entry_ref")),
    )
    op.create_index(op.f("ix_audit_entry_act_id"), "audit_entry", ["act", "id"])
    op.create_index(op.f("ix_audit_entry_object_id"), "audit_entry", ["object", "id"])
    op.create_index(op.f("ix_audit_entry_staff_id"), "audit_entry", ["staff_id"])
    refuse_changes()
    op.create_table(
        "source_hour",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("canceled", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("last_good_at", MOMENT, nullable=True),
        sa.Column("troubles", sa.JSON(), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_source_hour_source_id")),
        sa.PrimaryKeyConstraint("hour", "source_id", name=op.f("pk_source_hour")),
    )
    op.create_index(op.f("ix_source_hour_source_id"), "source_hour", ["source_id"])
    op.create_table(
        "issue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=16), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_issue_owner_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_issue_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue")),
        sa.UniqueConstraint("ref", name=op.f("uq_issue_ref")),
        sa.UniqueConstraint("source_id", "trouble", name=op.f("uq_issue_source_id_trouble")),
    )
    op.create_index(op.f("ix_issue_owner_id"), "issue", ["owner_id"])
    op.create_index(op.f("ix_issue_state_last_at"), "issue", ["state", "last_at"])
    op.create_table(
        "error_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("support_code", sa.String(length=7), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("connect_session_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("page", sa.String(length=80), nullable=False),
        sa.Column("request_id", sa.String(length=200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["connect_session_id"],
            ["connect_session.id"],
            name=op.f("fk_error_report_connect_session_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_error_report_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_error_report")),
        sa.UniqueConstraint("support_code", name=op.f("uq_error_report_support_code")),
    )
    op.create_index(op.f("ix_error_report_at"), "error_report", ["at"])
    op.create_index(op.f("ix_error_report_connect_session_id"), "error_report", ["connect_session_id"])
    op.create_index(op.f("ix_error_report_person_id"), "error_report", ["person_id"])
    op.create_index(op.f("ix_error_report_request_id"), "error_report", ["request_id"])
    op.add_column("run", sa.Column("questions", sa.Integer(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("waited", sa.Integer(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("trouble", sa.String(length=120), server_default="", nullable=False))
    op.create_index(op.f("ix_run_status_id"), "run", ["status", "id"])
    op.create_index(op.f("ix_run_source_id_ended_at"), "run", ["source_id", "ended_at"])
    op.create_index(op.f("ix_run_trouble_ended_at"), "run", ["trouble", "ended_at"])
    op.add_column("source", sa.Column("stopped_until", MOMENT, nullable=True))
    op.add_column("source", sa.Column("stop_message", sa.String(length=300), server_default="", nullable=False))
    op.add_column("connect_session", sa.Column("device", sa.String(length=10), server_default="", nullable=False))
    with op.batch_alter_table("host_event") as event:
        event.add_column(sa.Column("person_id", sa.Integer(), nullable=True))
        event.create_foreign_key(op.f("fk_host_event_person_id"), "person", ["person_id"], ["id"], ondelete="SET NULL")
    op.create_index(op.f("ix_host_event_person_id_id"), "host_event", ["person_id", "id"])
    op.add_column("delivery", sa.Column("url", sa.String(length=2000), server_default="", nullable=False))
    op.create_table(
        "follow",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connect_session_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connect_session_id"],
            ["connect_session.id"],
            name=op.f("fk_follow_connect_session_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_follow_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow")),
        sa.UniqueConstraint("connect_session_id", "source_id", name=op.f("uq_follow_connect_session_id_source_id")),
    )
    op.create_index(op.f("ix_follow_source_id"), "follow", ["source_id"])
    op.add_column("invitation", sa.Column("wishes", sa.JSON(), server_default="{}", nullable=False))
    op.create_index(op.f("ix_person_client_user_id"), "person", ["client_user_id"])
    op.create_index(op.f("ix_intent_request_id"), "intent", ["request_id"])
    op.create_index(op.f("ix_delivery_state_endpoint_id"), "delivery", ["state", "endpoint_id"])
    op.create_index(op.f("ix_event_type_id"), "event", ["type", "id"])
    op.add_column("connection", sa.Column("host_id", sa.Integer(), nullable=True))
    op.execute("UPDATE connection SET host_id = (SELECT host_id FROM person WHERE person.id = connection.person_id)")
    op.create_index(op.f("ix_connection_host_id_id"), "connection", ["host_id", "id"])
    is_parked = sa.text("parked != ''")
    op.create_index(op.f("ix_event_parked"), "event", ["id"], sqlite_where=is_parked, postgresql_where=is_parked)


def refuse_changes() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_entry_no_{verb.lower()} BEFORE {verb} ON audit_entry "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_append_only()"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_event_parked"), "event")
    op.drop_index(op.f("ix_connection_host_id_id"), "connection")
    op.drop_column("connection", "host_id")
    op.drop_index(op.f("ix_event_type_id"), "event")
    op.drop_index(op.f("ix_delivery_state_endpoint_id"), "delivery")
    op.drop_index(op.f("ix_intent_request_id"), "intent")
    op.drop_index(op.f("ix_person_client_user_id"), "person")
    op.drop_column("invitation", "wishes")
    op.drop_table("follow")
    op.drop_column("delivery", "url")
    op.drop_index(op.f("ix_host_event_person_id_id"), "host_event")
    with op.batch_alter_table("host_event") as event:
        event.drop_constraint(op.f("fk_host_event_person_id"), type_="foreignkey")
        event.drop_column("person_id")
    op.drop_column("connect_session", "device")
    op.drop_column("source", "stop_message")
    op.drop_column("source", "stopped_until")
    op.drop_index(op.f("ix_run_trouble_ended_at"), "run")
    op.drop_index(op.f("ix_run_source_id_ended_at"), "run")
    op.drop_index(op.f("ix_run_status_id"), "run")
    for column in ("trouble", "waited", "questions"):
        op.drop_column("run", column)
    for table in ("error_report", "issue", "source_hour", "audit_entry", "saved_view"):
        op.drop_table(table)
    for table in ("staff_note", "staff_token", "staff_session", "staff"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_entry_is_append_only()")
