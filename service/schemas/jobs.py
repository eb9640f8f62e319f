"""Jobs: batches that are screened in the background."""

from pydantic import BaseModel, Field

from service.schemas.common import Moment
from service.storage.jobs import JobState
from service.storage.tables import JobItem, JobRecord, now

RATE_DIGITS = 1


class RowError(BaseModel):
    """任务中一条有误的数据。"""

    row: int = Field(description="在文件中的行号")
    id: str
    error: str


class JobAnswer(BaseModel):
    """一个批量任务的进展。"""

    id: str = Field(description="任务编号")
    name: str = Field(description="文件名")
    state: JobState = Field(description="queued 等待、running 进行中、done 完成、cancelled 已取消、failed 失败")
    total: int = Field(description="总条数")
    done: int = Field(description="已筛查条数")
    failed: int = Field(description="有误条数")
    rate: float | None = Field(description="每秒筛查条数")
    seconds_left: float | None = Field(description="预计剩余秒数")
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    model_version: str = Field(description="所用模型的版本")
    error: str = Field(description="任务整体的错误")
    errors: list[RowError] = Field(description="有误的数据，最多列出 100 条")


class JobPage(BaseModel):
    """一页任务，新的在前。"""

    items: list[JobAnswer]
    next_cursor: str | None = Field(description="取下一页时填入 cursor；没有下一页时为空")


def _progress(job: JobRecord) -> tuple[float | None, float | None]:
    """Return rows per second and seconds left, as far as they can be told."""
    if not job.started_at:
        return None, None
    spent = ((job.finished_at or now()) - job.started_at).total_seconds()
    if not job.done or spent <= 0:
        return None, None
    rate = job.done / spent
    left = None if job.finished_at else round((job.total - job.done - job.failed) / rate, RATE_DIGITS)
    return round(rate, RATE_DIGITS), left


def job_answer(job: JobRecord, failures: list[JobItem]) -> JobAnswer:
    """Return a job as the API gives it."""
    rate, left = _progress(job)
    return JobAnswer(
        id=job.id,
        name=job.name,
        state=JobState(job.state),
        total=job.total,
        done=job.done,
        failed=job.failed,
        rate=rate,
        seconds_left=left,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        model_version=job.model_version,
        error=job.error,
        errors=[RowError(row=item.row, id=item.item_id, error=item.error) for item in failures],
    )
