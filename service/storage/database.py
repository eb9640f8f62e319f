"""Opens the database and brings its tables up to date."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from screening.errors import MingjianError

MIGRATIONS = Path(__file__).parent / "migrations"
# Shorter than a request waits for the database, so that what it is told is what came of its work.
BUSY_MS = 10_000
POOL = 20
# Earlier ones know no RETURNING.
FIRST_SQLITE = (3, 35)
# Of the connections to PostgreSQL: a server that has gone is given up, and nothing is waited for without end. All are
# parameters of libpq, and what the address says of them goes before.
WAITS = {
    "connect_timeout": "5",
    "options": "-c statement_timeout=30s",
    "tcp_user_timeout": "15000",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class DatabaseError(MingjianError):
    """The database cannot be opened."""


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    """Let readers go on beside the writer, and writers wait for each other."""
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


class Database:
    """An engine and its sessions."""

    def __init__(self, address: str) -> None:
        url = make_url(address)
        self.is_sqlite = url.drivername.startswith("sqlite")
        self.engine: Engine = create_engine(
            address,
            pool_size=POOL,
            max_overflow=POOL,
            pool_pre_ping=not self.is_sqlite,
            connect_args={} if self.is_sqlite else {name: own for name, own in WAITS.items() if name not in url.query},
            hide_parameters=True,  # errors are logged, and parameters hold what was posted
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    def migrate(self) -> None:
        """Make the database where there is none, and bring its tables to the newest version; raises DatabaseError."""
        if self.is_sqlite:
            self._prepare_file()
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            with self.engine.begin() as connection:
                if not self.is_sqlite:  # several machines may start at once, and large tables take their time
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(728301)"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (SQLAlchemyError, UnicodeError) as error:  # the latter of a host that can be no name
            raise DatabaseError(f"数据库无法打开：{type(error).__name__}，请检查 MINGJIAN_DATABASE_URL") from error

    def _prepare_file(self) -> None:
        """Make the folder of an SQLite file; raises DatabaseError, also where the library is too old."""
        if sqlite3.sqlite_version_info < FIRST_SQLITE:
            needed = ".".join(map(str, FIRST_SQLITE))
            raise DatabaseError(f"SQLite 版本过低：本机为 {sqlite3.sqlite_version}，需要 {needed} 或更高版本")
        try:
            Path(self.engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"数据库的文件夹无法建立：{error.strerror}") from error

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session whose work is committed at the end, and undone where an error leaves it."""
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Close all connections; one that a thread still works with is closed when it lets go of it."""
        event.listen(self.engine.pool, "checkin", lambda _, entry: entry.invalidate())
        self.engine.dispose()
