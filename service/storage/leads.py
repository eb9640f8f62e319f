"""Keeps leads of the monitoring platform, each once by the platform's own id, and gives their outcomes in order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter

from sqlalchemy import Select, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.storage.screenings import Particulars
from service.storage.tables import Answer, JobItem, JobRecord, Lead, LeadResult


@dataclass(frozen=True)
class LeadOutcome:
    """A lead, its row in the job that screened it, and the place of its outcome in the order."""

    seq: int
    lead: Lead
    item: JobItem
    answer: Answer | None


def known_leads(session: Session, lead_ids: Collection[str], chunk: int = 500) -> set[str]:
    """Return those of the ids that are kept already."""
    wanted = list(lead_ids)
    found: set[str] = set()
    for start in range(0, len(wanted), chunk):
        found |= set(session.scalars(select(Lead.lead_id).where(Lead.lead_id.in_(wanted[start : start + chunk]))))
    return found


def add_leads(session: Session, job_seq: int, leads: Sequence[tuple[str, Particulars]]) -> bool:
    """Keep leads, given by id, as rows 0, 1 ... of a job; tell whether all of them were new."""
    rows = [
        {"lead_id": own_id, "job_seq": job_seq, "number": number, **vars(particulars)}
        for number, (own_id, particulars) in enumerate(leads)
    ]
    # Of two that send the same leads at once one waits for the other, and not each for the other.
    rows.sort(key=itemgetter("lead_id"))
    try:
        session.execute(insert(Lead), rows)
    except IntegrityError:
        return False
    return True


def _outcomes() -> Select[LeadResult, Lead, JobItem, Answer]:
    return (
        select(LeadResult, Lead, JobItem, Answer)
        .join(Lead, Lead.seq == LeadResult.lead_seq)
        .join(JobItem, (JobItem.job_seq == Lead.job_seq) & (JobItem.number == Lead.number))
        .outerjoin(Answer, Answer.seq == JobItem.answer_seq)
    )


def outcomes_since(session: Session, since: int, limit: int) -> Sequence[LeadOutcome]:
    """Return up to `limit` outcomes after the cursor `since` (a seq), the oldest first."""
    query = _outcomes().where(LeadResult.seq > since).order_by(LeadResult.seq).limit(limit)
    return [LeadOutcome(result.seq, lead, item, answer) for result, lead, item, answer in session.execute(query)]


def outcomes_of_job(session: Session, job_id: str, first: int, limit: int) -> Sequence[LeadOutcome]:
    """Return the outcomes of a job's rows with numbers first:first + limit."""
    query = _outcomes().join(JobRecord, JobRecord.seq == Lead.job_seq).where(JobRecord.id == job_id)
    query = query.where(Lead.number >= first, Lead.number < first + limit).order_by(Lead.number)
    return [LeadOutcome(result.seq, lead, item, answer) for result, lead, item, answer in session.execute(query)]
