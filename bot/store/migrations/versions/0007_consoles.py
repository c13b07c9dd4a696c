"""Consoles: conversations that staff hold, drafts and releases of entries, second factors, invitations"""

import sqlalchemy as sa
from alembic import op

import bot.store.base

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def _moment() -> bot.store.base.UtcDateTime:
    return bot.store.base.UtcDateTime(timezone=True)


def _words(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False, server_default='')


def upgrade() -> None:
    # Added in place: SQLite would check every row that points to a table that is made anew.
    op.add_column('conversation', sa.Column('staff_id', _id(), nullable=True))
    op.add_column('conversation', sa.Column('claimed_at', _moment(), nullable=True))
    op.add_column('conversation', _words('assigned_why', 200))
    op.add_column('conversation', sa.Column('contact_at', _moment(), nullable=True))
    op.add_column('conversation', sa.Column('staff_at', _moment(), nullable=True))
    op.add_column('conversation', sa.Column('last_id', _id(), nullable=False, server_default='0'))
    op.add_column('conversation', _words('category', 32))
    op.create_index('ix_conversation_holder_updated_at', 'conversation', ['holder', 'updated_at'])
    op.create_index('ix_conversation_staff_id', 'conversation', ['staff_id'])
    op.create_index('ix_conversation_updated_at', 'conversation', ['updated_at'])
    op.execute(sa.text(
        'UPDATE conversation SET contact_at = updated_at, '
        'last_id = COALESCE((SELECT MAX(id) FROM message WHERE message.conversation_id = conversation.id), 0)'
    ))
    op.add_column('message', _words('author', 60))
    op.add_column('message', sa.Column('is_note', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('message', sa.Column('outbox_key', sa.String(length=100), nullable=True))
    op.create_index('ix_message_outbox_key', 'message', ['outbox_key'])
    op.add_column('staff', _words('totp_secret', 64))
    op.add_column('staff', sa.Column('totp_step', _id(), nullable=False, server_default='0'))
    op.add_column('staff', sa.Column('skills', sa.JSON(), nullable=False, server_default='[]'))
    op.add_column('staff', sa.Column('is_away', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('staff', sa.Column('seen_at', _moment(), nullable=True))
    op.add_column('login_session', sa.Column('begun_at', _moment(), nullable=True))
    op.add_column('login_session', sa.Column('seen_at', _moment(), nullable=True))
    op.add_column('login_session', _words('address', 64))
    op.add_column('login_session', _words('agent', 200))
    op.create_table(
        'invitation',
        sa.Column('key_hash', sa.String(length=64), nullable=False),
        sa.Column('staff_id', _id(), nullable=False),
        sa.Column('expires_at', _moment(), nullable=False),
        sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name='fk_invitation_staff_id'),
        sa.PrimaryKeyConstraint('key_hash', name='pk_invitation'),
    )
    op.create_index('ix_invitation_staff_id', 'invitation', ['staff_id'])
    op.create_table(
        'reading',
        sa.Column('staff_id', _id(), nullable=False),
        sa.Column('conversation_id', _id(), nullable=False),
        sa.Column('message_id', _id(), nullable=False),
        sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name='fk_reading_staff_id'),
        sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name='fk_reading_conversation_id'),
        sa.PrimaryKeyConstraint('staff_id', 'conversation_id', name='pk_reading'),
    )
    op.create_table(
        'canned_reply',
        sa.Column('id', _id(), nullable=False),
        sa.Column('shortcut', sa.String(length=30), nullable=False),
        sa.Column('title', sa.String(length=80), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('category', sa.String(length=32), nullable=False),
        sa.Column('is_suspended', sa.Boolean(), nullable=False),
        sa.Column('updated_at', _moment(), nullable=False),
        sa.Column('updated_by', sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_canned_reply'),
        sa.UniqueConstraint('shortcut', name='uq_canned_reply_shortcut'),
    )
    op.create_table(
        'saved_view',
        sa.Column('id', _id(), nullable=False),
        sa.Column('staff_id', _id(), nullable=False),
        sa.Column('name', sa.String(length=40), nullable=False),
        sa.Column('query', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name='fk_saved_view_staff_id'),
        sa.PrimaryKeyConstraint('id', name='pk_saved_view'),
        sa.UniqueConstraint('staff_id', 'name', name='uq_saved_view_staff_id_name'),
    )
    op.create_table(
        'entry_version',
        sa.Column('id', _id(), nullable=False),
        sa.Column('entry_id', sa.String(length=32), nullable=False),
        sa.Column('serial', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('body', sa.JSON(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('author', sa.String(length=60), nullable=False),
        sa.Column('at', _moment(), nullable=False),
        sa.Column('reviewer', sa.String(length=60), nullable=False),
        sa.Column('settled_at', _moment(), nullable=True),
        sa.Column('gate', sa.JSON(), nullable=True),
        sa.Column('override', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_entry_version'),
        sa.UniqueConstraint('entry_id', 'serial', name='uq_entry_version_entry_id_serial'),
    )
    op.create_index('ix_entry_version_state', 'entry_version', ['state'])
    op.create_table(
        'entry_review',
        sa.Column('id', _id(), nullable=False),
        sa.Column('subject', sa.String(length=64), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('due_on', sa.Date(), nullable=False),
        sa.Column('created_at', _moment(), nullable=False),
        sa.Column('created_by', sa.String(length=60), nullable=False),
        sa.Column('done_at', _moment(), nullable=True),
        sa.Column('done_by', sa.String(length=60), nullable=False),
        sa.Column('result', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_entry_review'),
    )
    op.create_index('ix_entry_review_done_at_due_on', 'entry_review', ['done_at', 'due_on'])
    op.create_index('ix_entry_review_subject', 'entry_review', ['subject'])
    op.create_table(
        'proposal',
        sa.Column('id', _id(), nullable=False),
        sa.Column('kind', sa.String(length=12), nullable=False),
        sa.Column('message_id', _id(), nullable=True),
        sa.Column('ticket_id', _id(), nullable=True),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('before', sa.String(length=64), nullable=False),
        sa.Column('after', sa.String(length=64), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('by', sa.String(length=60), nullable=False),
        sa.Column('at', _moment(), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('decided_by', sa.String(length=60), nullable=False),
        sa.Column('decided_at', _moment(), nullable=True),
        sa.ForeignKeyConstraint(['message_id'], ['message.id'], name='fk_proposal_message_id'),
        sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name='fk_proposal_ticket_id'),
        sa.PrimaryKeyConstraint('id', name='pk_proposal'),
    )
    op.create_index('ix_proposal_state_id', 'proposal', ['state', 'id'])
    op.create_table(
        'gap_mark',
        sa.Column('message_id', _id(), nullable=False),
        sa.Column('action', sa.String(length=12), nullable=False),
        sa.Column('entry_id', sa.String(length=32), nullable=False),
        sa.Column('by', sa.String(length=60), nullable=False),
        sa.Column('at', _moment(), nullable=False),
        sa.Column('is_told', sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(['message_id'], ['message.id'], name='fk_gap_mark_message_id'),
        sa.PrimaryKeyConstraint('message_id', name='pk_gap_mark'),
    )
    op.create_index('ix_gap_mark_entry_id', 'gap_mark', ['entry_id'])
    op.create_index('ix_contact_station', 'contact', ['station'])
    op.create_index('ix_message_outcome_id', 'message', ['outcome', 'id'])


def downgrade() -> None:
    op.drop_index('ix_message_outcome_id', 'message')
    op.drop_index('ix_contact_station', 'contact')
    for name in ('gap_mark', 'proposal', 'entry_review', 'entry_version', 'saved_view', 'canned_reply', 'reading', 'invitation'):
        op.drop_table(name)
    for name in ('agent', 'address', 'seen_at', 'begun_at'):
        op.drop_column('login_session', name)
    for name in ('seen_at', 'is_away', 'skills', 'totp_step', 'totp_secret'):
        op.drop_column('staff', name)
    op.drop_index('ix_message_outbox_key', 'message')
    for name in ('outbox_key', 'is_note', 'author'):
        op.drop_column('message', name)
    for name in ('ix_conversation_updated_at', 'ix_conversation_staff_id', 'ix_conversation_holder_updated_at'):
        op.drop_index(name, 'conversation')
    for name in ('category', 'last_id', 'staff_at', 'contact_at', 'assigned_why', 'claimed_at', 'staff_id'):
        op.drop_column('conversation', name)
