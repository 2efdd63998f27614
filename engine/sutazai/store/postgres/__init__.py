"""The state in a PostgreSQL database. Needs psycopg 3, which the extra `sutazai[postgres]` installs."""

from sutazai.store.postgres.store import PostgresStore, projects

__all__ = ["PostgresStore", "projects"]
