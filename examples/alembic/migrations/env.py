import os

from alembic import context
from sqlalchemy import create_engine

# DATABASE_URL is set by schemagate for the migration's command; PGAPPNAME (libpq's own variable) tags its sessions.
url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)

with create_engine(url).connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
