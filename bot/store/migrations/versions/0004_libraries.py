"""Records of the four libraries"""

import sqlalchemy as sa
from alembic import op

import bot.store.base

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('library_record',
    sa.Column('library', sa.String(length=16), nullable=False),
    sa.Column('number', sa.String(length=64), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.Column('is_demo', sa.Boolean(), nullable=False),
    sa.Column('updated_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('library', 'number', name=op.f('pk_library_record'))
    )
    op.create_index(
        'ix_library_record_library_updated_at', 'library_record', ['library', 'updated_at'], unique=False
    )


def downgrade() -> None:
    op.drop_table('library_record')
