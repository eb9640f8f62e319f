"""Documents: segments in order with their findings, and a summary."""

from pydantic import BaseModel, Field

from screening.licences import Licence
from screening.results import Finding, Verdict
from screening.taxonomy import Kind
from service.schemas.common import Moment


class DocumentSegment(BaseModel):
    """文件的一段及其线索；词句的位置（start、end）按本段文字计。"""

    index: int = Field(description="段的序号，从 1 起")
    text: str
    heading: str = Field(description="所在的标题")
    page: int | None = Field(description="页码（PDF）")
    paragraph: int | None = Field(description="段落、行或表格行的序号")
    findings: tuple[Finding, ...] = Field(description="违法线索")
    review: tuple[Finding, ...] = Field(description="待复核的线索")


class LabelSummary(BaseModel):
    """文件中一个标签的汇总。"""

    label: str
    name: str
    segments: list[int] = Field(description="出现在哪些段")
    probability: float = Field(description="最高概率")
    offices: tuple[str, ...]
    inspection_row: str
    statistics_row: str


class DocumentAnswer(BaseModel):
    """一份文件的筛查结果：线索供执法人员核查，不是认定。"""

    id: str = ""
    created_at: Moment | None = None
    name: str = Field(description="文件名")
    kind: Kind | None = Field(None, description="按何来源筛查；未指明或各行不同时为空")
    category: str = Field("", description="按何类别筛查；未指明或各行不同时为空")
    score: float = Field(description="违法可疑程度，0 至 100")
    verdict: Verdict
    model_version: str
    by_recognition: bool = Field(description="文字是否由图像识别得来，可能有误字")
    segments: list[DocumentSegment]
    summary: list[LabelSummary]
    licences: list[Licence] = Field(description="文中的证照、批准文号，位置按全文计")
