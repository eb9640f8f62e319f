"""A clock for the job library on an SQLite before 3.42, as Debian 12 has it.

From Python 3.12 on the library dates its rows by unixepoch('subsec'), which such an SQLite answers with NULL.
"""

import sqlite3
import time

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

FIRST_WITH_FRACTIONS = (3, 42)


def _add_clock(connection: DBAPIConnection, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, lambda _: time.time())


def add_clock() -> None:
    """Give connections that are opened from now on the clock, where theirs is too old."""
    if sqlite3.sqlite_version_info < FIRST_WITH_FRACTIONS and not event.contains(Engine, "connect", _add_clock):
        event.listen(Engine, "connect", _add_clock)
