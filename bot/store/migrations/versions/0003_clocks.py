"""Working calendar, clocks and timers"""

import sqlalchemy as sa
from alembic import op

import bot.store.base

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def _key() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def _moment() -> bot.store.base.UtcDateTime:
    return bot.store.base.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table('calendar_notice',
    sa.Column('year', _key(), autoincrement=False, nullable=False),
    sa.Column('number', sa.String(length=120), nullable=False),
    sa.Column('published', sa.Date(), nullable=True),
    sa.Column('url', sa.String(length=300), nullable=False),
    sa.Column('days', sa.JSON(), nullable=False),
    sa.Column('updated_at', _moment(), nullable=False),
    sa.PrimaryKeyConstraint('year', name=op.f('pk_calendar_notice'))
    )
    op.create_table('calendar_closure',
    sa.Column('id', _key(), nullable=False),
    sa.Column('station', sa.String(length=64), nullable=False),
    sa.Column('starts_at', _moment(), nullable=False),
    sa.Column('ends_at', _moment(), nullable=False),
    sa.Column('note', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_calendar_closure'))
    )
    op.create_index(op.f('ix_calendar_closure_station'), 'calendar_closure', ['station'], unique=False)
    op.create_table('ticket_clock',
    sa.Column('id', _key(), nullable=False),
    sa.Column('ticket_id', _key(), nullable=False),
    sa.Column('step', sa.String(length=16), nullable=False),
    sa.Column('round', _key(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('started_at', _moment(), nullable=False),
    sa.Column('due_at', _moment(), nullable=False),
    sa.Column('urgency', sa.String(length=16), nullable=False),
    sa.Column('category', sa.String(length=32), nullable=False),
    sa.Column('days', _key(), nullable=False),
    sa.Column('hours', sa.Float(), nullable=False),
    sa.Column('pauses', sa.JSON(), nullable=False),
    sa.Column('station', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name=op.f('fk_ticket_clock_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ticket_clock')),
    sa.UniqueConstraint('ticket_id', 'step', 'round', name=op.f('uq_ticket_clock_ticket_id_step_round'))
    )
    op.create_index('ix_ticket_clock_state_due_at', 'ticket_clock', ['state', 'due_at'], unique=False)
    op.create_table('timer',
    sa.Column('id', _key(), nullable=False),
    sa.Column('clock_id', _key(), nullable=False),
    sa.Column('what', sa.String(length=16), nullable=False),
    sa.Column('recipient', sa.String(length=16), nullable=False),
    sa.Column('due_at', _moment(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('fired_at', _moment(), nullable=True),
    sa.Column('remark', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['clock_id'], ['ticket_clock.id'], name=op.f('fk_timer_clock_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_timer')),
    sa.UniqueConstraint(
        'clock_id', 'what', 'recipient', 'due_at', name=op.f('uq_timer_clock_id_what_recipient_due_at')
    )
    )
    op.create_index('ix_timer_state_due_at', 'timer', ['state', 'due_at'], unique=False)


def downgrade() -> None:
    op.drop_table('timer')
    op.drop_table('ticket_clock')
    op.drop_table('calendar_closure')
    op.drop_table('calendar_notice')
