"""How Alembic reaches the app's database."""

from __future__ import annotations

from alembic import context
from flask import current_app

from webapp import models  # noqa: F401  (they fill the metadata)
from webapp.db import db

with current_app.app_context(), db.engine.connect().execution_options(writes=True) as connection:
    if connection.dialect.name == "sqlite":
        # SQLite changes a table by dropping and making it again; with keys enforced that deletes what refers to it.
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=ON")
