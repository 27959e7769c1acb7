"""The first tables."""

from alembic import op
import sqlalchemy as sa

from open311.storage.types import UtcDateTime


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_api_key()
    _create_installation()
    _create_jurisdiction()
    _create_change_counter()
    _create_service_request()
    _create_idempotency()
    _create_outbox()
    _create_public_document()
    _create_reporter()
    _create_request_update()
    _create_token()

    op.execute("INSERT INTO installation VALUES (1, 0, 0, 0, '')")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("service_request_id_seq")))
        # Documents stay in their row up to a whole page: a list then reads one table,
        # in order, and fetches nothing from the TOAST table.
        op.execute("ALTER TABLE public_document SET (toast_tuple_target = 8160)")


def _create_api_key() -> None:
    op.create_table('api_key',
    sa.Column('api_key_id', sa.String(length=32), nullable=False, comment='the public part of the key'),
    sa.Column('secret_sha256', sa.String(length=64), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('environment', sa.String(length=10), nullable=False, comment='production or test'),
    sa.Column('jurisdictions', sa.JSON(), nullable=False, comment='jurisdiction_ids; * = all'),
    sa.Column('rights', sa.JSON(), nullable=False, comment='create, update, staff'),
    sa.Column('client_reference', sa.Text(), nullable=True, comment='attribute code whose value is unique per key'),
    sa.Column('same_body_window_s', sa.Integer(), nullable=False, comment='seconds in which an identical body is the same report; 0 = off'),
    sa.Column('created_datetime', UtcDateTime(), nullable=False),
    sa.Column('expires_datetime', UtcDateTime(), nullable=True),
    sa.Column('revoked_datetime', UtcDateTime(), nullable=True),
    sa.Column('replaces_api_key_id', sa.String(length=32), nullable=True, comment='the older key of the same client; both live during a rotation'),
    sa.PrimaryKeyConstraint('api_key_id', name=op.f('pk_api_key'))
    )


def _create_installation() -> None:
    op.create_table('installation',
    sa.Column('id', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('configuration_version', sa.BigInteger(), nullable=False, comment='rises with each applied file or key change; workers reload on it'),
    sa.Column('last_service_request_id', sa.Integer(), nullable=False, comment='SQLite only; PostgreSQL has the sequence service_request_id_seq'),
    sa.Column('cursor_epoch', sa.Integer(), nullable=False, comment='rises with each restore: cursors of an older epoch start again'),
    sa.Column('rendered_for', sa.Text(), nullable=False, comment='renderer version and public base URL of the stored documents'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_installation'))
    )


def _create_jurisdiction() -> None:
    op.create_table('jurisdiction',
    sa.Column('jurisdiction_key', sa.Integer(), autoincrement=False, nullable=False, comment='small number, the upper bits of every request_key'),
    sa.Column('jurisdiction_id', sa.String(length=64), nullable=False),
    sa.Column('environment', sa.String(length=10), nullable=False, comment='production or test'),
    sa.Column('document', sa.JSON(), nullable=False, comment='the file, normalised'),
    sa.Column('changeset', UtcDateTime(), nullable=False, comment='last change of services or definitions (C-041)'),
    sa.PrimaryKeyConstraint('jurisdiction_key', name=op.f('pk_jurisdiction')),
    sa.UniqueConstraint('jurisdiction_id', 'environment', name=op.f('uq_jurisdiction_jurisdiction_id_environment'))
    )


def _create_change_counter() -> None:
    op.create_table('change_counter',
    sa.Column('jurisdiction_key', sa.Integer(), nullable=False),
    sa.Column('slot', sa.SmallInteger(), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['jurisdiction_key'], ['jurisdiction.jurisdiction_key'], name=op.f('fk_change_counter_jurisdiction_key')),
    sa.PrimaryKeyConstraint('jurisdiction_key', 'slot', name=op.f('pk_change_counter'))
    )


def _create_service_request() -> None:
    op.create_table('service_request',
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False, comment='jurisdiction_key << 40 | id'),
    sa.Column('jurisdiction_key', sa.Integer(), nullable=False),
    sa.Column('service_request_id', sa.Integer(), nullable=False),
    sa.Column('service_code', sa.String(length=64), nullable=False),
    sa.Column('service_name', sa.Text(), nullable=False),
    sa.Column('stage', sa.String(length=20), nullable=False),
    sa.Column('visibility', sa.String(length=10), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False, comment='report, suggestion or praise'),
    sa.Column('is_staff', sa.Boolean(), nullable=False, comment='made by staff; from the key'),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('status_notes', sa.Text(), nullable=True),
    sa.Column('agency_responsible', sa.Text(), nullable=True),
    sa.Column('service_notice', sa.Text(), nullable=True),
    sa.Column('requested_datetime', UtcDateTime(), nullable=False),
    sa.Column('updated_datetime', UtcDateTime(), nullable=False),
    sa.Column('expected_datetime', UtcDateTime(), nullable=True),
    sa.Column('detailed_status_datetime', UtcDateTime(), nullable=False),
    sa.Column('address', sa.Text(), nullable=True),
    sa.Column('address_id', sa.Text(), nullable=True),
    sa.Column('zipcode', sa.Text(), nullable=True),
    sa.Column('lat', sa.Double(), nullable=True, comment='WGS 84 degrees'),
    sa.Column('long', sa.Double(), nullable=True, comment='WGS 84 degrees'),
    sa.Column('media_urls', sa.JSON(), nullable=False, comment='given by the client'),
    sa.Column('photos', sa.JSON(), nullable=False, comment='names in the media store'),
    sa.Column('attributes', sa.JSON(), nullable=False, comment='answers given'),
    sa.Column('service_object_id', sa.Text(), nullable=True),
    sa.Column('service_object_type', sa.Text(), nullable=True),
    sa.Column('parent_service_request_id', sa.Integer(), nullable=True),
    sa.Column('channel', sa.Text(), nullable=True),
    sa.Column('api_key_id', sa.String(length=32), nullable=True, comment='who sent it'),
    sa.ForeignKeyConstraint(['jurisdiction_key'], ['jurisdiction.jurisdiction_key'], name=op.f('fk_service_request_jurisdiction_key')),
    sa.PrimaryKeyConstraint('request_key', name=op.f('pk_service_request')),
    sa.UniqueConstraint('service_request_id', name=op.f('uq_service_request_service_request_id'))
    )


def _create_idempotency() -> None:
    op.create_table('idempotency',
    sa.Column('api_key_id', sa.String(length=32), nullable=False),
    sa.Column('claim', sa.String(length=320), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False, comment='SHA-256 of what was asked'),
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('receipt', sa.JSON(), nullable=False),
    sa.Column('created_datetime', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_idempotency_request_key')),
    sa.PrimaryKeyConstraint('api_key_id', 'claim', name=op.f('pk_idempotency'))
    )
    with op.batch_alter_table('idempotency', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_idempotency_created_datetime'), ['created_datetime'], unique=False)
        batch_op.create_index(batch_op.f('ix_idempotency_request_key'), ['request_key'], unique=False)


def _create_outbox() -> None:
    op.create_table('outbox',
    sa.Column('outbox_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('jurisdiction_key', sa.Integer(), nullable=False),
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False, comment='create, photo, comment or status'),
    sa.Column('payload', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False, comment='pending until a worker takes it'),
    sa.Column('not_before', UtcDateTime(), nullable=False),
    sa.Column('created_datetime', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['jurisdiction_key'], ['jurisdiction.jurisdiction_key'], name=op.f('fk_outbox_jurisdiction_key')),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_outbox_request_key')),
    sa.PrimaryKeyConstraint('outbox_key', name=op.f('pk_outbox'))
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index('ix_outbox_due', ['not_before'], unique=False, postgresql_where=sa.text("state = 'pending'"), sqlite_where=sa.text("state = 'pending'"))


def _create_public_document() -> None:
    op.create_table('public_document',
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('jurisdiction_key', sa.Integer(), nullable=False),
    sa.Column('change', sa.BigInteger(), nullable=False, comment='PostgreSQL: transaction id; SQLite: change counter'),
    sa.Column('requested_datetime', UtcDateTime(), nullable=False),
    sa.Column('updated_datetime', UtcDateTime(), nullable=False),
    sa.Column('lat', sa.Double(), nullable=True),
    sa.Column('long', sa.Double(), nullable=True),
    sa.Column('cell', sa.BigInteger(), nullable=True, comment='square of the place grid'),
    sa.Column('shown', sa.String(length=10), nullable=False),
    sa.Column('status', sa.String(length=6), nullable=False),
    sa.Column('service_code', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('is_staff', sa.Boolean(), nullable=False),
    sa.Column('agency_responsible', sa.Text(), nullable=True),
    sa.Column('xml', sa.LargeBinary(), nullable=False),
    sa.Column('json', sa.LargeBinary(), nullable=False),
    sa.Column('xml_extension', sa.LargeBinary(), nullable=False),
    sa.Column('json_extension', sa.LargeBinary(), nullable=False),
    sa.Column('search_text', sa.Text(), nullable=False, comment='folded title, text and address (q)'),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_public_document_request_key')),
    sa.PrimaryKeyConstraint('request_key', name=op.f('pk_public_document'))
    )
    with op.batch_alter_table('public_document', schema=None) as batch_op:
        batch_op.create_index('ix_public_document_cell', ['jurisdiction_key', 'cell', 'requested_datetime'], unique=False, postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))
        batch_op.create_index('ix_public_document_change', ['jurisdiction_key', 'change', 'request_key'], unique=False)
        batch_op.create_index('ix_public_document_requested', ['jurisdiction_key', 'requested_datetime', 'request_key'], unique=False, postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))
        batch_op.create_index('ix_public_document_service', ['jurisdiction_key', 'service_code', 'requested_datetime'], unique=False, postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))
        batch_op.create_index('ix_public_document_updated', ['jurisdiction_key', 'updated_datetime', 'request_key'], unique=False, postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))


def _create_reporter() -> None:
    op.create_table('reporter',
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('email', sa.Text(), nullable=True),
    sa.Column('first_name', sa.Text(), nullable=True),
    sa.Column('last_name', sa.Text(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=True),
    sa.Column('device_id', sa.Text(), nullable=True),
    sa.Column('account_id', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_reporter_request_key')),
    sa.PrimaryKeyConstraint('request_key', name=op.f('pk_reporter'))
    )


def _create_request_update() -> None:
    op.create_table('request_update',
    sa.Column('update_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('jurisdiction_key', sa.Integer(), nullable=False),
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('type', sa.String(length=10), nullable=False, comment='submitted, opened, closed or activity (X-09)'),
    sa.Column('stage', sa.String(length=20), nullable=False),
    sa.Column('updated_datetime', UtcDateTime(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True, comment='public note'),
    sa.Column('internal_note', sa.Text(), nullable=True, comment='for agents only'),
    sa.Column('media_urls', sa.JSON(), nullable=False),
    sa.Column('public', sa.Boolean(), nullable=False),
    sa.Column('author', sa.String(length=10), nullable=False, comment='resident, staff or tool'),
    sa.Column('update_id', sa.Text(), nullable=True, comment="the client's own id (X-13)"),
    sa.Column('api_key_id', sa.String(length=32), nullable=True),
    sa.ForeignKeyConstraint(['jurisdiction_key'], ['jurisdiction.jurisdiction_key'], name=op.f('fk_request_update_jurisdiction_key')),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_request_update_request_key')),
    sa.PrimaryKeyConstraint('update_key', name=op.f('pk_request_update')),
    sa.UniqueConstraint('jurisdiction_key', 'api_key_id', 'update_id', name=op.f('uq_request_update_jurisdiction_key_api_key_id_update_id'))
    )
    with op.batch_alter_table('request_update', schema=None) as batch_op:
        batch_op.create_index('ix_request_update_feed', ['jurisdiction_key', 'updated_datetime', 'update_key'], unique=False)
        batch_op.create_index(batch_op.f('ix_request_update_request_key'), ['request_key'], unique=False)


def _create_token() -> None:
    op.create_table('token',
    sa.Column('token', sa.String(length=64), nullable=False),
    sa.Column('request_key', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('revealed_datetime', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['request_key'], ['service_request.request_key'], name=op.f('fk_token_request_key')),
    sa.PrimaryKeyConstraint('token', name=op.f('pk_token'))
    )
    with op.batch_alter_table('token', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_token_request_key'), ['request_key'], unique=False)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence("service_request_id_seq")))
    with op.batch_alter_table('token', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_token_request_key'))

    op.drop_table('token')
    with op.batch_alter_table('request_update', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_request_update_request_key'))
        batch_op.drop_index('ix_request_update_feed')

    op.drop_table('request_update')
    op.drop_table('reporter')
    with op.batch_alter_table('public_document', schema=None) as batch_op:
        batch_op.drop_index('ix_public_document_updated', postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))
        batch_op.drop_index('ix_public_document_service', postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))
        batch_op.drop_index('ix_public_document_requested', postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))
        batch_op.drop_index('ix_public_document_change')
        batch_op.drop_index('ix_public_document_cell', postgresql_where=sa.text("shown = 'list'"), sqlite_where=sa.text("shown = 'list'"))

    op.drop_table('public_document')
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_due', postgresql_where=sa.text("state = 'pending'"), sqlite_where=sa.text("state = 'pending'"))

    op.drop_table('outbox')
    with op.batch_alter_table('idempotency', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_idempotency_request_key'))
        batch_op.drop_index(batch_op.f('ix_idempotency_created_datetime'))

    op.drop_table('idempotency')
    op.drop_table('service_request')
    op.drop_table('change_counter')
    op.drop_table('jurisdiction')
    op.drop_table('installation')
    op.drop_table('api_key')
