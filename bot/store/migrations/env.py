"""Alembic's environment: the connection is handed in by bot.store.migrate."""

from alembic import context

import bot.store  # noqa: F401 - makes the metadata whole
from bot.store.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
