"""The course of a ticket: where its parts stand, and who moved it when"""

import sqlalchemy as sa
from alembic import op

import bot.store.base

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def _moment() -> bot.store.base.UtcDateTime:
    return bot.store.base.UtcDateTime(timezone=True)


def _words(name: str, kind: sa.types.TypeEngine[str]) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, server_default='')


def upgrade() -> None:
    op.add_column('ticket', sa.Column('urgency', sa.String(length=16), nullable=False, server_default='normal'))
    op.add_column('ticket', sa.Column('waiting_since', _moment(), nullable=True))
    op.add_column('ticket', sa.Column('urged_at', _moment(), nullable=True))
    op.add_column('ticket', sa.Column('legs', sa.JSON(), nullable=False, server_default='[]'))
    op.add_column('ticket', sa.Column('concerned', sa.JSON(), nullable=False, server_default='[]'))
    op.execute(sa.text("UPDATE ticket SET urgency = 'urgent' WHERE is_urgent"))
    op.add_column('ticket_event', _words('party', sa.String(length=16)))
    op.add_column('ticket_event', _words('state', sa.String(length=24)))
    op.add_column('ticket_event', sa.Column('leg', sa.Integer(), nullable=True))
    op.add_column('ticket_event', _words('provider', sa.String(length=200)))
    op.add_column('ticket_event', _words('field', sa.String(length=16)))
    op.add_column('ticket_event', _words('before', sa.Text()))
    op.add_column('ticket_event', _words('after', sa.Text()))
    op.add_column('ticket_event', _words('told', sa.Text()))
    op.add_column('ticket_event', _words('told_way', sa.String(length=16)))


def downgrade() -> None:
    for name in ('told_way', 'told', 'after', 'before', 'field', 'provider', 'leg', 'state', 'party'):
        op.drop_column('ticket_event', name)
    for name in ('concerned', 'legs', 'urged_at', 'waiting_since', 'urgency'):
        op.drop_column('ticket', name)
