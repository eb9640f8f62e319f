"""The tables. Times are UTC, without zone; `seq` orders rows and makes cursors, `id` is what users see."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# SQLite counts up only columns that it calls INTEGER.
Sequence = BigInteger().with_variant(Integer, "sqlite")
# Which rows of a job have an error. Their index serves queries that say so in these words, without a parameter.
HAS_ERROR = text("error <> ''")


def now() -> datetime:
    """Return the time, UTC, without zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def new_id() -> str:
    """Return a new public id."""
    return uuid4().hex


class Base(DeclarativeBase):
    """All tables."""


class Answer(Base):
    """The model's answer to a text in its context, kept once; `result` is a Screening in JSON."""

    __tablename__ = "answers"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(String(10))
    category: Mapped[str] = mapped_column(String(100))
    model_version: Mapped[str] = mapped_column(String(100))
    score: Mapped[float]
    verdict: Mapped[str] = mapped_column(String(10))
    result: Mapped[str] = mapped_column(Text)
    labels: Mapped[list["AnswerLabel"]] = relationship(cascade="all")


class AnswerLabel(Base):
    """A label found in an answer."""

    __tablename__ = "answer_labels"

    answer_seq: Mapped[int] = mapped_column(ForeignKey("answers.seq"), primary_key=True)
    label: Mapped[str] = mapped_column(String(60), primary_key=True)

    __table_args__ = (Index("ix_answer_labels_label", "label", "answer_seq"),)


class ScreeningRecord(Base):
    """One screening that somebody asked for."""

    __tablename__ = "screenings"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True, default=new_id)
    answer_seq: Mapped[int] = mapped_column(ForeignKey("answers.seq"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(500), default="")
    source_url: Mapped[str] = mapped_column(String(2000), default="")
    reference: Mapped[str] = mapped_column(String(200), default="", index=True)
    seller: Mapped[str] = mapped_column(String(200), default="", index=True)
    answer: Mapped[Answer] = relationship(lazy="joined")


class DocumentRecord(Base):
    """A screened document; `result` is a DocumentScreening in JSON."""

    __tablename__ = "documents"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=now)
    actor: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(300))
    score: Mapped[float]
    verdict: Mapped[str] = mapped_column(String(10))
    model_version: Mapped[str] = mapped_column(String(100))
    result: Mapped[str] = mapped_column(Text)


class JobRecord(Base):
    """A batch of texts that is screened in the background."""

    __tablename__ = "jobs"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    actor: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(300))
    purpose: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    chars_read: Mapped[int] = mapped_column(BigInteger, default=0)
    model_version: Mapped[str] = mapped_column(String(100), default="")
    error: Mapped[str] = mapped_column(String(500), default="")


class JobItem(Base):
    """One row of a job: what was given, and, once finished, its answer or what is wrong with it.

    `number` counts the rows of the job from 0; `row` is the place in the file that was given.
    """

    __tablename__ = "job_items"

    job_seq: Mapped[int] = mapped_column(ForeignKey("jobs.seq"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    row: Mapped[int]
    item_id: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text, default="")
    kind: Mapped[str | None] = mapped_column(String(10))
    category: Mapped[str] = mapped_column(String(100), default="")
    finished: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(String(500), default="")
    answer_seq: Mapped[int | None] = mapped_column(ForeignKey("answers.seq"))
    answer: Mapped[Answer | None] = relationship(lazy="joined")

    __table_args__ = (
        Index("ix_job_items_error", "job_seq", "number", sqlite_where=HAS_ERROR, postgresql_where=HAS_ERROR),
    )


class JobFile(Base):
    """A document that a row of a job consists of, until it is read."""

    __tablename__ = "job_files"

    job_seq: Mapped[int] = mapped_column(ForeignKey("jobs.seq"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes]


class Lead(Base):
    """A lead from the monitoring platform, by the platform's own id."""

    __tablename__ = "leads"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    lead_id: Mapped[str] = mapped_column(String(200), unique=True)
    job_seq: Mapped[int] = mapped_column(ForeignKey("jobs.seq"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(String(500), default="")
    source_url: Mapped[str] = mapped_column(String(2000), default="")
    reference: Mapped[str] = mapped_column(String(200), default="")
    seller: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (UniqueConstraint("job_seq", "number"),)


class LeadResult(Base):
    """A lead's outcome; `seq` rises in the order in which outcomes became readable."""

    __tablename__ = "lead_results"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    lead_seq: Mapped[int] = mapped_column(ForeignKey("leads.seq"), unique=True)
    finished_at: Mapped[datetime] = mapped_column(default=now)


class ApiKey(Base):
    """A key of the API; `digest` is the SHA-256 of the secret, `scopes` are divided by blanks."""

    __tablename__ = "api_keys"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Who did what to which object."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str] = mapped_column(String(200))


class Executor(Base):
    """A process that works on jobs, and when it was last seen."""

    __tablename__ = "executors"

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    seen_at: Mapped[datetime]
