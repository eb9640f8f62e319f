"""Leads: what the monitoring platform sends in, and takes back."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SkipValidation

from screening.licences import Licence, find_licences
from screening.results import Screening
from service.schemas.common import Printable
from service.schemas.screenings import ScreeningRequest
from service.storage.leads import LeadOutcome


class LeadRequest(ScreeningRequest):
    """监测平台的一条线索。"""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    id: Annotated[str, Field(min_length=1, max_length=200, description="监测平台的线索编号，不可重复"), Printable]


class LeadsRequest(BaseModel):
    """批量送入的线索；已收过的编号不再重复处理，有误的线索单独报错，不影响其他线索。"""

    model_config = ConfigDict(extra="forbid")

    # Each is validated by itself, so that a bad one does not sink the others.
    leads: Annotated[list[SkipValidation[LeadRequest]], Field(min_length=1, max_length=10_000)]


class LeadError(BaseModel):
    """一条有误、未收下的线索。"""

    index: int = Field(description="线索的序号，从 0 起")
    id: str = Field(description="监测平台的线索编号")
    error: str = Field(description="错误")


class LeadsAnswer(BaseModel):
    """线索已收下；accepted、known 与 errors 的条数之和等于送入的条数。"""

    accepted: int = Field(description="新收下的条数")
    known: int = Field(description="以前收过、不再处理的条数")
    job_id: str | None = Field(description="处理这些线索的任务编号；没有新线索时为空")
    errors: list[LeadError] = Field(description="有误、未收下的线索；同一编号在一次请求中重复的，只收第一条")


class LeadAnswer(BaseModel):
    """一条线索的筛查结果：screening 与 error 二者有其一。"""

    id: str = Field(description="监测平台的线索编号")
    title: str
    source_url: str
    reference: str
    seller: str
    screening: Screening | None
    licences: tuple[Licence, ...]
    error: str | None


class LeadDelivery(BaseModel):
    """回传给监测平台的一批结果。"""

    delivery_id: str = Field(description="回传编号，与 X-Mingjian-Delivery 相同")
    results: list[LeadAnswer] = Field(description="各条结果，最多 100 条")


class LeadPage(BaseModel):
    """一批结果，先完成的在前。"""

    items: list[LeadAnswer]
    cursor: str = Field(description="下次取结果时填入 since；没有新结果时不变")


def lead_answer(outcome: LeadOutcome) -> LeadAnswer:
    """Return a lead's outcome as the API gives it."""
    lead, item, answer = outcome.lead, outcome.item, outcome.answer
    return LeadAnswer(
        id=lead.lead_id,
        title=lead.title,
        source_url=lead.source_url,
        reference=lead.reference,
        seller=lead.seller,
        screening=Screening.model_validate_json(answer.result) if answer else None,
        licences=find_licences(item.text),
        error=item.error or None,
    )
