"""The audit log: who screened, decided, exported, changed keys or the model."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.storage.tables import AuditEntry, now

MODEL = "model"
# Who acts without a key.
STARTER = "启动"
WEBHOOK = "结果回传"


def note(session: Session, actor: str, action: str, *object_ids: str) -> None:
    """Add an entry for each object."""
    rows = [{"at": now(), "actor": actor, "action": action, "object_id": own[:200]} for own in object_ids]
    if rows:
        session.execute(AuditEntry.__table__.insert(), rows)  # type: ignore[attr-defined]


def note_model(session: Session, version: str) -> None:
    """Add an entry where another model than the last one comes into service."""
    query = select(AuditEntry).where(AuditEntry.action == MODEL).order_by(AuditEntry.seq.desc()).limit(1)
    last = session.scalar(query)
    if last is None or last.object_id != version:
        note(session, STARTER, MODEL, version)


def list_entries(session: Session, before: int | None, limit: int) -> list[AuditEntry]:
    """Return up to `limit` entries, the newest first, older than the cursor `before` (a seq)."""
    query = select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    return list(session.scalars(query))
