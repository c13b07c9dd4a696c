"""Requests that get done: referrals, surveys, attachments, improvements, visits; one outbox for every channel"""

import sqlalchemy as sa
from alembic import op

import bot.store.base

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('runtime_setting',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('value', sa.JSON(), nullable=False),
    sa.Column('updated_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_by', sa.String(length=60), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_runtime_setting'))
    )
    op.create_table('visit',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.String(length=24), nullable=False),
    sa.Column('enterprise', sa.String(length=120), nullable=False),
    sa.Column('person', sa.String(length=60), nullable=False),
    sa.Column('phone', sa.String(length=40), nullable=False),
    sa.Column('visited_on', sa.Date(), nullable=False),
    sa.Column('visitors', sa.String(length=200), nullable=False),
    sa.Column('findings', sa.Text(), nullable=False),
    sa.Column('recorder', sa.String(length=60), nullable=False),
    sa.Column('created_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_visit')),
    sa.UniqueConstraint('number', name=op.f('uq_visit_number'))
    )
    with op.batch_alter_table('visit', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_visit_created_at'), ['created_at'], unique=False)

    op.create_table('provider_binding',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('provider', sa.String(length=64), nullable=False),
    sa.Column('code', sa.String(length=16), nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('made_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('bound_at', bot.store.base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ended_at', bot.store.base.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_provider_binding_contact_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_binding')),
    sa.UniqueConstraint('code', name=op.f('uq_provider_binding_code'))
    )
    with op.batch_alter_table('provider_binding', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_provider_binding_contact_id'), ['contact_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_provider_binding_provider'), ['provider'], unique=False)

    op.create_table('subscription',
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('template', sa.String(length=64), nullable=False),
    sa.Column('left', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_subscription_contact_id')),
    sa.PrimaryKeyConstraint('contact_id', 'template', name=op.f('pk_subscription'))
    )
    op.create_table('referral',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ticket_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('leg', sa.Integer(), nullable=False),
    sa.Column('category', sa.String(length=32), nullable=False),
    sa.Column('provider', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('by', sa.String(length=60), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('ranking', sa.JSON(), nullable=False),
    sa.Column('link_key', sa.String(length=32), nullable=False),
    sa.Column('at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', bot.store.base.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name=op.f('fk_referral_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_referral'))
    )
    with op.batch_alter_table('referral', schema=None) as batch_op:
        batch_op.create_index('ix_referral_category_id', ['category', 'id'], unique=False)
        batch_op.create_index('ix_referral_provider_state', ['provider', 'state'], unique=False)
        batch_op.create_index(batch_op.f('ix_referral_ticket_id'), ['ticket_id'], unique=False)

    op.create_table('survey',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ticket_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('round', sa.Integer(), nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('conversation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('is_noted', sa.Boolean(), nullable=False),
    sa.Column('due_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('look_at', bot.store.base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('opened_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_survey_contact_id')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_survey_conversation_id')),
    sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name=op.f('fk_survey_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_survey')),
    sa.UniqueConstraint('ticket_id', 'round', name=op.f('uq_survey_ticket_id_round'))
    )
    with op.batch_alter_table('survey', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_survey_contact_id'), ['contact_id'], unique=False)
        batch_op.create_index('ix_survey_state_look_at', ['state', 'look_at'], unique=False)

    op.create_table('attachment',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('conversation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('ticket_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('referral_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('media_type', sa.String(length=100), nullable=False),
    sa.Column('size', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('account', sa.String(length=32), nullable=False),
    sa.Column('media_id', sa.String(length=300), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('tries', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('due_at', bot.store.base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('result', sa.String(length=200), nullable=False),
    sa.Column('by', sa.String(length=60), nullable=False),
    sa.Column('at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_attachment_conversation_id')),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_attachment_message_id')),
    sa.ForeignKeyConstraint(['referral_id'], ['referral.id'], name=op.f('fk_attachment_referral_id')),
    sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name=op.f('fk_attachment_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attachment'))
    )
    with op.batch_alter_table('attachment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_attachment_conversation_id'), ['conversation_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_attachment_digest'), ['digest'], unique=False)
        batch_op.create_index(batch_op.f('ix_attachment_message_id'), ['message_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_attachment_referral_id'), ['referral_id'], unique=False)
        batch_op.create_index('ix_attachment_state_due_at', ['state', 'due_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_attachment_ticket_id'), ['ticket_id'], unique=False)

    op.create_table('improvement',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.String(length=24), nullable=False),
    sa.Column('ticket_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('survey_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.Column('owner', sa.String(length=60), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('created_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['survey_id'], ['survey.id'], name=op.f('fk_improvement_survey_id')),
    sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name=op.f('fk_improvement_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_improvement')),
    sa.UniqueConstraint('number', name=op.f('uq_improvement_number'))
    )
    with op.batch_alter_table('improvement', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_improvement_state'), ['state'], unique=False)
        batch_op.create_index(batch_op.f('ix_improvement_ticket_id'), ['ticket_id'], unique=False)

    op.create_table('survey_attempt',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('survey_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('way', sa.String(length=16), nullable=False),
    sa.Column('at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('is_reminder', sa.Boolean(), nullable=False),
    sa.Column('outbox_key', sa.String(length=100), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('skipped', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['survey_id'], ['survey.id'], name=op.f('fk_survey_attempt_survey_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_survey_attempt'))
    )
    with op.batch_alter_table('survey_attempt', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_survey_attempt_outbox_key'), ['outbox_key'], unique=False)
        batch_op.create_index(batch_op.f('ix_survey_attempt_survey_id'), ['survey_id'], unique=False)

    op.create_table('survey_version',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('survey_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('source', sa.String(length=8), nullable=False),
    sa.Column('answers', sa.JSON(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('by', sa.String(length=60), nullable=False),
    sa.Column('is_late', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['survey_id'], ['survey.id'], name=op.f('fk_survey_version_survey_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_survey_version'))
    )
    with op.batch_alter_table('survey_version', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_survey_version_survey_id'), ['survey_id'], unique=False)

    op.create_table('task',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=80), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('ticket_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('survey_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('due_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('created_at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('done_at', bot.store.base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('done_by', sa.String(length=60), nullable=False),
    sa.Column('result', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['survey_id'], ['survey.id'], name=op.f('fk_task_survey_id')),
    sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id'], name=op.f('fk_task_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_task')),
    sa.UniqueConstraint('key', name=op.f('uq_task_key'))
    )
    with op.batch_alter_table('task', schema=None) as batch_op:
        batch_op.create_index('ix_task_done_at_due_at', ['done_at', 'due_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_task_ticket_id'), ['ticket_id'], unique=False)

    op.create_table('improvement_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('improvement_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', bot.store.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('actor', sa.String(length=60), nullable=False),
    sa.Column('what', sa.String(length=16), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['improvement_id'], ['improvement.id'], name=op.f('fk_improvement_event_improvement_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_improvement_event'))
    )
    with op.batch_alter_table('improvement_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_improvement_event_improvement_id'), ['improvement_id'], unique=False)

    with op.batch_alter_table('outbox_message', schema=None) as batch_op:
        batch_op.alter_column('openid', new_column_name='address', existing_type=sa.String(length=128), type_=sa.String(length=300), existing_nullable=False)
        batch_op.alter_column('conversation_id', existing_type=sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True)
        batch_op.add_column(sa.Column('lane', sa.String(length=100), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('channel', sa.String(length=16), nullable=False, server_default='customer'))
        batch_op.add_column(sa.Column('extras', sa.JSON(), nullable=False, server_default='{}'))
        batch_op.add_column(sa.Column('purpose', sa.String(length=16), nullable=False, server_default='reply'))
        batch_op.add_column(sa.Column('ticket_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.add_column(sa.Column('done_at', bot.store.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.create_index('ix_outbox_message_state_lane_id', ['state', 'lane', 'id'], unique=False)
        batch_op.create_index('ix_outbox_message_ticket_id', ['ticket_id'], unique=False)
        batch_op.create_foreign_key('fk_outbox_message_ticket_id', 'ticket', ['ticket_id'], ['id'])
    op.execute(sa.text("UPDATE outbox_message SET lane = 'talk:' || conversation_id"))

    # Added and dropped in place: SQLite would check every row that points to a table that is made anew.
    op.add_column('ticket', sa.Column('origin', sa.String(length=100), nullable=True))
    op.add_column('ticket', sa.Column('visit', sa.String(length=24), nullable=False, server_default=''))
    op.create_index('uq_ticket_origin', 'ticket', ['origin'], unique=True)
    op.drop_column('ticket', 'is_urgent')
    op.add_column('staff', sa.Column('email', sa.String(length=120), nullable=False, server_default=''))
    op.add_column('staff', sa.Column('closed_at', bot.store.base.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('staff', 'closed_at')
    op.drop_column('staff', 'email')
    op.add_column('ticket', sa.Column('is_urgent', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE ticket SET is_urgent = (urgency = 'urgent')"))
    op.drop_index('uq_ticket_origin', 'ticket')
    op.drop_column('ticket', 'visit')
    op.drop_column('ticket', 'origin')
    # The older program sends customer messages alone.
    op.execute(sa.text("DELETE FROM outbox_message WHERE channel <> 'customer' OR conversation_id IS NULL"))
    op.execute(sa.text("UPDATE outbox_message SET state = 'dead' WHERE state NOT IN ('due', 'sent')"))
    with op.batch_alter_table('outbox_message', schema=None) as batch_op:
        batch_op.drop_constraint('fk_outbox_message_ticket_id', type_='foreignkey')
        batch_op.drop_index('ix_outbox_message_ticket_id')
        batch_op.drop_index('ix_outbox_message_state_lane_id')
        for name in ('done_at', 'ticket_id', 'purpose', 'extras', 'channel', 'lane'):
            batch_op.drop_column(name)
        batch_op.alter_column('conversation_id', existing_type=sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False)
        batch_op.alter_column('address', new_column_name='openid', existing_type=sa.String(length=300), type_=sa.String(length=128), existing_nullable=False)
    for name in ('improvement_event', 'task', 'survey_version', 'survey_attempt', 'improvement', 'attachment', 'survey', 'referral', 'subscription', 'provider_binding', 'visit', 'runtime_setting'):
        op.drop_table(name)
