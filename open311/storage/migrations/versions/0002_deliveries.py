"""Deliveries to the business tools, and the way back."""

import secrets

from alembic import op
import sqlalchemy as sa

from open311.storage.types import UtcDateTime


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_destination_state()
    _create_inbox_event()
    _create_delivery()
    _create_request_origin()
    _create_ticket()
    _create_delivery_attempt()

    op.add_column('installation', sa.Column('server_id', sa.String(length=32), nullable=False, server_default='', comment='this server among all others, for ever: tickets carry it'))
    op.execute(sa.text("UPDATE installation SET server_id = :id").bindparams(id="s" + secrets.token_hex(5)))


def _create_destination_state() -> None:
    op.create_table('destination_state',
    sa.Column('destination', sa.String(length=64), nullable=False),
    sa.Column('paused', sa.Boolean(), nullable=False, comment='by a person, or by a 401'),
    sa.Column('reason', sa.Text(), nullable=True, comment='why it is paused, or its last fault'),
    sa.Column('failures', sa.Integer(), nullable=False, comment='in a row; the circuit counts them'),
    sa.Column('opened_until', UtcDateTime(), nullable=True, comment='the circuit is open until then; then one call tries it'),
    sa.Column('cursor', sa.Text(), nullable=True, comment='how far its changes were read'),
    sa.Column('last_polled', UtcDateTime(), nullable=True),
    sa.Column('alerted', UtcDateTime(), nullable=True, comment='last alert sent'),
    sa.Column('alert_text', sa.Text(), nullable=True, comment='what that alert said'),
    sa.PrimaryKeyConstraint('destination', name=op.f('pk_destination_state'))
    )


def _create_inbox_event() -> None:
    op.create_table('inbox_event',
    sa.Column('event_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('destination', sa.String(length=64), nullable=False),
    sa.Column('event_id', sa.String(length=255), nullable=False),
    sa.Column('ticket_id', sa.String(length=255), nullable=True, comment='None: look at all changes'),
    sa.Column('received_datetime', UtcDateTime(), nullable=False),
    sa.Column('raw', sa.Text(), nullable=False, comment='a hint as received, or a change as JSON'),
    sa.Column('state', sa.String(length=10), nullable=False, comment='waiting, done, ignored, unmapped or refused'),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('event_key', name=op.f('pk_inbox_event')),
    sa.UniqueConstraint('destination', 'event_id', name=op.f('uq_inbox_event_destination_event_id'))
    )
    with op.batch_alter_table('inbox_event', schema=None) as batch_op:
        batch_op.create_index('ix_inbox_event_state', ['state', 'event_key'], unique=False)


def _create_delivery() -> None:
    op.create_table('delivery',
    sa.Column('delivery_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('destination', sa.String(length=64), nullable=False),
    sa.Column('jurisdiction_key', sa.Integer(), nullable=False),
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False, comment='create, photo, comment or status'),
    sa.Column('payload', sa.JSON(), nullable=False, comment='which photo, which update'),
    sa.Column('idempotency_key', sa.String(length=120), nullable=False, comment='stable through replays'),
    sa.Column('state', sa.String(length=10), nullable=False, comment='pending, leased, done, dead, unknown or cancelled'),
    sa.Column('attempts', sa.Integer(), nullable=False, comment='since routing or the last replay'),
    sa.Column('not_before', UtcDateTime(), nullable=False),
    sa.Column('lease_until', UtcDateTime(), nullable=True),
    sa.Column('leased_by', sa.String(length=120), nullable=True, comment='the worker that holds it'),
    sa.Column('sent_datetime', UtcDateTime(), nullable=True, comment='committed before the network call: from here it may have arrived'),
    sa.Column('give_up_datetime', UtcDateTime(), nullable=True, comment='set by the first failure; from then on it is dead'),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('created_datetime', UtcDateTime(), nullable=False),
    sa.Column('settled_datetime', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['jurisdiction_key'], ['jurisdiction.jurisdiction_key'], name=op.f('fk_delivery_jurisdiction_key')),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_delivery_request_key')),
    sa.PrimaryKeyConstraint('delivery_key', name=op.f('pk_delivery')),
    sa.UniqueConstraint('destination', 'idempotency_key', name=op.f('uq_delivery_destination_idempotency_key'))
    )
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.create_index('ix_delivery_due', ['destination', 'delivery_key'], unique=False, postgresql_where=sa.text("state IN ('pending', 'leased')"), sqlite_where=sa.text("state IN ('pending', 'leased')"))
        batch_op.create_index('ix_delivery_pair', ['destination', 'request_key', 'delivery_key'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_request_key'), ['request_key'], unique=False)
        batch_op.create_index('ix_delivery_state', ['state', 'created_datetime'], unique=False)


def _create_request_origin() -> None:
    op.create_table('request_origin',
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('server_id', sa.String(length=120), nullable=False, comment='the first server of the chain'),
    sa.Column('origin_id', sa.String(length=120), nullable=False, comment='its service_request_id'),
    sa.Column('hops', sa.JSON(), nullable=False, comment='server_id/service_request_id of each server passed, oldest first'),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_request_origin_request_key')),
    sa.PrimaryKeyConstraint('request_key', name=op.f('pk_request_origin')),
    sa.UniqueConstraint('server_id', 'origin_id', name=op.f('uq_request_origin_server_id_origin_id'))
    )


def _create_ticket() -> None:
    op.create_table('ticket',
    sa.Column('destination', sa.String(length=64), nullable=False),
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('ticket_id', sa.String(length=255), nullable=False),
    sa.Column('number', sa.Text(), nullable=True, comment="what the tool's people call it"),
    sa.Column('url', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=True, comment="in the tool's own words"),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('last_sent', sa.JSON(), nullable=False, comment='stage and hash of the note last sent: what comes back equal is an echo'),
    sa.Column('changed', sa.Text(), nullable=True, comment='moment (ISO 8601, UTC) and id of the last status taken over'),
    sa.Column('read_datetime', UtcDateTime(), nullable=True, comment='last looked at'),
    sa.Column('created_datetime', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_ticket_request_key')),
    sa.PrimaryKeyConstraint('destination', 'request_key', name=op.f('pk_ticket')),
    sa.UniqueConstraint('destination', 'ticket_id', name=op.f('uq_ticket_destination_ticket_id'))
    )
    with op.batch_alter_table('ticket', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ticket_request_key'), ['request_key'], unique=False)


def _create_delivery_attempt() -> None:
    op.create_table('delivery_attempt',
    sa.Column('attempt_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('delivery_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('started_datetime', UtcDateTime(), nullable=False),
    sa.Column('duration_ms', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.String(length=20), nullable=False),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('status_code', sa.Integer(), nullable=True),
    sa.Column('request', sa.Text(), nullable=False),
    sa.Column('response', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['delivery_key'], ['delivery.delivery_key'], name=op.f('fk_delivery_attempt_delivery_key')),
    sa.PrimaryKeyConstraint('attempt_key', name=op.f('pk_delivery_attempt'))
    )
    with op.batch_alter_table('delivery_attempt', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_delivery_attempt_delivery_key'), ['delivery_key'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_attempt_started_datetime'), ['started_datetime'], unique=False)


def downgrade() -> None:
    op.drop_column('installation', 'server_id')
    with op.batch_alter_table('delivery_attempt', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_delivery_attempt_started_datetime'))
        batch_op.drop_index(batch_op.f('ix_delivery_attempt_delivery_key'))

    op.drop_table('delivery_attempt')
    with op.batch_alter_table('ticket', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_ticket_request_key'))

    op.drop_table('ticket')
    op.drop_table('request_origin')
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_index('ix_delivery_state')
        batch_op.drop_index(batch_op.f('ix_delivery_request_key'))
        batch_op.drop_index('ix_delivery_pair')
        batch_op.drop_index('ix_delivery_due', postgresql_where=sa.text("state IN ('pending', 'leased')"), sqlite_where=sa.text("state IN ('pending', 'leased')"))

    op.drop_table('delivery')
    with op.batch_alter_table('inbox_event', schema=None) as batch_op:
        batch_op.drop_index('ix_inbox_event_state')

    op.drop_table('inbox_event')
    op.drop_table('destination_state')
