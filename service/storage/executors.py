"""Keeps which processes work on jobs, and when each was last seen, by the clock of the database: all share that one."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import DateTime, delete, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from service.storage.tables import Executor


class _DatabaseTime(FunctionElement[datetime]):
    """The time of the database, UTC, without zone."""

    type = DateTime()
    inherit_cache = True


@compiles(_DatabaseTime, "sqlite")
def _in_sqlite(*_: object, **__: object) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')"


@compiles(_DatabaseTime, "postgresql")
def _in_postgresql(*_: object, **__: object) -> str:
    return "timezone('UTC', now())"


def note_life(session: Session, executor_id: str, dead_after: timedelta) -> list[str]:
    """Note that a process lives; return the ids of those that have not been seen for so long."""
    own = session.get(Executor, executor_id) or Executor(id=executor_id)
    own.seen_at = _DatabaseTime()
    session.add(own)
    session.flush()
    session.refresh(own)
    return list(session.scalars(select(Executor.id).where(Executor.seen_at < own.seen_at - dead_after)))


def forget(session: Session, executor_ids: Collection[str]) -> None:
    """Remove processes whose work was taken over."""
    session.execute(delete(Executor).where(Executor.id.in_(executor_ids)))
