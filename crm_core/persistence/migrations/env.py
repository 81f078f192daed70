"""Alembic's environment for the core and every plugin; the caller brings connection and options."""

from alembic import context

# Importing it replaces Alembic's own SQLite rules with ones that keep triggers.
import crm_core.persistence.migrations.sqlite_rebuild  # noqa: F401

context.configure(**context.config.attributes["options"])
context.run_migrations()
