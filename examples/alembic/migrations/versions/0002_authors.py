"""authors"""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("books", sa.Column("author", sa.Text))
    op.execute("UPDATE books SET author = 'A. L.'")


def downgrade():
    op.drop_column("books", "author")
