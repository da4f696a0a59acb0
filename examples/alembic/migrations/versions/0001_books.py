"""books"""
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("books", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.Text, nullable=False))
    op.execute("SELECT pg_sleep(0.5)")
    op.execute("INSERT INTO books (title) VALUES ('Notes by the translator')")


def downgrade():
    op.drop_table("books")
