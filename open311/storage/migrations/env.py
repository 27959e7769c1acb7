"""Alembic's environment: always run by storage.migrate, on a connection given to it."""

from alembic import context

from open311.storage import delivery_models  # noqa: F401 - its tables belong to Base too
from open311.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
