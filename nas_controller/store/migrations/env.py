"""Alembic's entry: runs the revisions on the connection that `store.open` gives."""

from alembic import context

from nas_controller.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
