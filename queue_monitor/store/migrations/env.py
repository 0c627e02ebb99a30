"""Runs the revisions over the connection that `database.Database.migrate` hands in; reads no alembic.ini."""

from alembic import context

from queue_monitor.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="queue_monitor_version",
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
with context.begin_transaction():
    context.run_migrations()
