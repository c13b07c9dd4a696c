"""Bring a database to the schema of this program, forward or back."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from bot.store.base import Database


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("bot.store").joinpath("migrations")))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate forward; does nothing when the database is there already."""
    with database.transaction() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Migrate back to an earlier revision."""
    with database.transaction() as connection:
        command.downgrade(_config(connection), revision)


def current(database: Database) -> tuple[str, str]:
    """The revision of the database (empty when new) and the newest one of this program."""
    with database.transaction() as connection:
        have = MigrationContext.configure(connection).get_current_revision() or ""
        want = ScriptDirectory.from_config(_config(connection)).get_current_head() or ""
    return have, want
