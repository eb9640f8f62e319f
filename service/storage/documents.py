"""Keeps screened documents."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.schemas.documents import DocumentAnswer
from service.storage.tables import DocumentRecord


def keep_document(session: Session, actor: str, answer: DocumentAnswer) -> DocumentAnswer:
    """Keep a screened document; return it with its id and time."""
    record = DocumentRecord(
        actor=actor,
        name=answer.name,
        score=answer.score,
        verdict=answer.verdict.value,
        model_version=answer.model_version,
        result=answer.model_dump_json(exclude={"id", "created_at"}),
    )
    session.add(record)
    session.flush()
    return answer.model_copy(update={"id": record.id, "created_at": record.created_at})


def find_document(session: Session, document_id: str) -> DocumentAnswer | None:
    """Return a kept document by its id."""
    record = session.scalar(select(DocumentRecord).where(DocumentRecord.id == document_id))
    if record is None:
        return None
    answer = DocumentAnswer.model_validate_json(record.result)
    return answer.model_copy(update={"id": record.id, "created_at": record.created_at})
