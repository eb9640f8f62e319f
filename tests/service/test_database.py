"""What holds of the database whatever the service does with it."""

import asyncio
import time
import tomllib

import pytest
from packaging.requirements import Requirement
from sqlalchemy import text

from service.jobs.clock import add_clock
from service.problems import ProblemError
from service.runtime import Runtime
from service.settings import Settings
from service.storage.audit import note
from service.storage.database import Database, DatabaseError
from tests.conftest import ROOT


def test_a_connection_in_use_is_closed_once_it_is_let_go_of(settings):
    database = Database(settings.database())
    with database.session() as session:
        held = session.connection().connection.dbapi_connection
        database.close()
        assert session.scalar(text("SELECT 1")) == 1
    with pytest.raises(Exception, match="closed"):
        held.execute("SELECT 1")


def test_sqlite_has_the_clock_that_the_job_library_asks_for(tmp_path):
    add_clock()
    database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with database.session() as session:
        assert session.scalar(text("SELECT unixepoch('subsec')")) == pytest.approx(time.time(), abs=5)
    database.close()


def test_a_job_library_is_refused_whose_private_names_may_be_others():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (library,) = (own for own in map(Requirement, project["dependencies"]) if own.name == "dbos")
    assert list(library.specifier.filter(["2.9", "3.0", "3.9", "4.0"])) == ["3.0", "3.9"]


def test_an_sqlite_that_is_too_old_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr("sqlite3.sqlite_version", "3.34.1")
    with pytest.raises(DatabaseError, match=r"SQLite 版本过低：本机为 3\.34\.1，需要 3\.35 或更高版本"):
        Database(f"sqlite:///{tmp_path / 'a.sqlite'}").migrate()


def test_a_host_that_can_be_no_name_is_told():
    with pytest.raises(DatabaseError, match="数据库无法打开"):
        Database("postgresql+psycopg://u:p@a..b/d").migrate()


def test_postgresql_waits_for_nothing_without_end(postgresql):
    def waits(address):
        database = Database(address)
        with database.session() as session:
            own = session.connection().connection.dbapi_connection.info.get_parameters()
            statement = session.scalar(text("SHOW statement_timeout"))
        database.close()
        return statement, own

    address = Settings(database_url=postgresql).database()
    statement, own = waits(address)
    assert (statement, own["connect_timeout"], own["tcp_user_timeout"]) == ("30s", "5", "15000")
    statement, own = waits(f"{address}&connect_timeout=7&options=-c%20statement_timeout%3D9s")
    assert (statement, own["connect_timeout"]) == ("9s", "7")


@pytest.fixture
def runtime(settings, monkeypatch):
    monkeypatch.setattr("service.storage.database.BUSY_MS", 100)
    runtime = Runtime(settings)
    runtime.database.migrate()
    yield runtime
    runtime.readers.stop()
    runtime.database.close()


def refused(runtime, function):
    start = time.monotonic()
    with pytest.raises(ProblemError) as caught:
        asyncio.run(runtime.database_call(function))
    assert time.monotonic() - start < 5
    assert (caught.value.status, list(caught.value.headers)) == (503, ["Retry-After"])
    assert "数据库" in caught.value.detail


def test_a_locked_database_is_said_to_be_away_for_now(runtime):
    def write():
        with runtime.database.session() as session:
            if not runtime.database.is_sqlite:
                session.execute(text("SET LOCAL lock_timeout = 100"))
            note(session, "", "", "")

    other = Database(runtime.settings.database())
    with other.session() as session:
        if not other.is_sqlite:
            session.execute(text("LOCK TABLE audit"))
        note(session, "", "", "")
        refused(runtime, write)
    other.close()
    asyncio.run(runtime.database_call(write))


def test_a_database_that_hangs_is_not_waited_for(runtime, monkeypatch):
    monkeypatch.setattr("service.runtime.DATABASE_WAIT_S", 0.3)

    def hang():
        time.sleep(2)

    async def many():
        calls = (runtime.database_call(hang) for _ in range(6))  # more than there are threads
        return await asyncio.gather(*calls, return_exceptions=True)

    refused(runtime, hang)
    start = time.monotonic()
    assert [error.status for error in asyncio.run(many())] == [503] * 6
    assert time.monotonic() - start < 1.5
    asyncio.run(runtime.database_call(runtime.database.migrate))
