"""Copies of a database do not deliver; a request arrives once in each jurisdiction."""

from alembic import op
import sqlalchemy as sa


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('installation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('home', sa.Text(), nullable=True, comment='where this database was when a worker last served it: a copy is elsewhere'))
        batch_op.add_column(sa.Column('held', sa.Text(), nullable=True, comment='why nothing is delivered until a person says that this copy delivers'))

    with op.batch_alter_table('request_origin', schema=None) as batch_op:
        batch_op.add_column(sa.Column('jurisdiction_key', sa.Integer(), nullable=True, comment='where it arrived: once for each jurisdiction'))
        batch_op.alter_column('hops', existing_type=sa.JSON(), existing_nullable=False, comment='server_id/jurisdiction_id/service_request_id of each, oldest first', existing_comment='server_id/service_request_id of each server passed, oldest first')
    op.execute('UPDATE request_origin SET jurisdiction_key = request_key >> 40')
    with op.batch_alter_table('request_origin', schema=None) as batch_op:
        batch_op.alter_column('jurisdiction_key', existing_type=sa.Integer(), nullable=False, existing_comment='where it arrived: once for each jurisdiction')
        batch_op.drop_constraint(op.f('uq_request_origin_server_id_origin_id'), type_='unique')
        batch_op.create_unique_constraint(op.f('uq_request_origin_jurisdiction_key_server_id_origin_id'), ['jurisdiction_key', 'server_id', 'origin_id'])


def downgrade() -> None:
    # What came to several jurisdictions keeps its first arrival only.
    op.execute('DELETE FROM request_origin WHERE EXISTS (SELECT 1 FROM request_origin o WHERE o.server_id = request_origin.server_id AND o.origin_id = request_origin.origin_id AND o.request_key < request_origin.request_key)')
    with op.batch_alter_table('request_origin', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('uq_request_origin_jurisdiction_key_server_id_origin_id'), type_='unique')
        batch_op.create_unique_constraint(op.f('uq_request_origin_server_id_origin_id'), ['server_id', 'origin_id'])
        batch_op.drop_column('jurisdiction_key')
        batch_op.alter_column('hops', existing_type=sa.JSON(), existing_nullable=False, comment='server_id/service_request_id of each server passed, oldest first', existing_comment='server_id/jurisdiction_id/service_request_id of each, oldest first')
    with op.batch_alter_table('installation', schema=None) as batch_op:
        batch_op.drop_column('held')
        batch_op.drop_column('home')
