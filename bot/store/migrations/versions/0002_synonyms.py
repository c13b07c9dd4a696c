"""Synonyms of the operator"""

import sqlalchemy as sa
from alembic import op

import bot.store.base

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('synonym',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('term', sa.String(length=40), nullable=False),
    sa.Column('updated_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_synonym'))
    )


def downgrade() -> None:
    op.drop_table('synonym')
