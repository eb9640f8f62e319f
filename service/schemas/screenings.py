"""Screenings of texts, single and in batches."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SkipValidation

from screening.licences import Licence, find_licences
from screening.results import Screening, Verdict
from screening.screener import MAX_CHARS, TextInput
from screening.taxonomy import Kind
from service.schemas.common import MAX_CATEGORY, AskedKind, Moment, NotBlank, Printable
from service.storage.screenings import Asked, Particulars
from service.storage.tables import ScreeningRecord

EXAMPLE = "本店会员卡一经售出，概不退款，最终解释权归本店所有。"


class ScreeningRequest(BaseModel):
    """要筛查的文本及其来源、类别等。"""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"text": EXAMPLE, "kind": "clause", "category": "健身会员卡", "seller": "某健身会所"}]
        },
    )

    text: Annotated[
        str, Field(min_length=1, max_length=MAX_CHARS, description="要筛查的文本，不能全是空白"), Printable, NotBlank
    ]
    kind: Annotated[
        AskedKind,
        Field(description="来源：ad 广告、clause 合同条款、product 商品信息；auto 表示不知道"),
    ] = "auto"
    category: Annotated[str, Field(max_length=MAX_CATEGORY, description="商品或服务类别，如“普通食品”"), Printable] = ""
    title: Annotated[str, Field(max_length=500, description="页面或文件的标题"), Printable] = ""
    source_url: Annotated[str, Field(max_length=2000, description="网页地址"), Printable] = ""
    reference: Annotated[str, Field(max_length=200, description="调用方自己的编号，原样返回"), Printable] = ""
    seller: Annotated[str, Field(max_length=200, description="经营者名称"), Printable] = ""

    def item(self) -> TextInput:
        """Return what the screener reads."""
        return TextInput(self.text, None if self.kind == "auto" else self.kind, self.category)

    def particulars(self) -> Particulars:
        """Return what is kept beside it."""
        return Particulars(self.title, self.source_url, self.reference, self.seller)


class BatchItem(ScreeningRequest):
    """批量请求中的一条。"""

    id: Annotated[str, Field(max_length=200, description="调用方的编号，原样返回"), Printable] = ""


class BatchRequest(BaseModel):
    """一次筛查多条文本；有误的条目单独报错，不影响其他条目。"""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"items": [{"id": "1", "text": EXAMPLE, "kind": "clause"}]}]}
    )

    # Each is validated by itself, so that a bad one does not sink the others.
    items: Annotated[
        list[SkipValidation[BatchItem]], Field(min_length=1, description="每条的字段同单条筛查，另可带 id")
    ]


class _Particulars(BaseModel):
    id: str = Field(description="筛查编号")
    created_at: Moment = Field(description="筛查时间（UTC）")
    title: str
    source_url: str
    reference: str
    seller: str


class ScreeningAnswer(_Particulars, Screening):
    """一次筛查的结果：线索供执法人员核查，不是认定。"""

    licences: tuple[Licence, ...] = Field(description="文中的证照、批准文号及其格式是否有效")


class StoredScreening(ScreeningAnswer):
    """已保存的筛查结果，含原文。"""

    text: str


class ScreeningSummary(_Particulars):
    """列表中的一次筛查。"""

    kind: Kind | None
    category: str
    score: float
    verdict: Verdict
    labels: tuple[str, ...]
    model_version: str


class ScreeningPage(BaseModel):
    """一页筛查记录，新的在前。"""

    items: list[ScreeningSummary]
    next_cursor: str | None = Field(description="取下一页时填入 cursor；没有下一页时为空")


class BatchResult(BaseModel):
    """批量请求中一条的结果：screening 与 error 二者有其一。"""

    id: str
    index: int = Field(description="条目的序号，从 0 起")
    screening: ScreeningAnswer | None = None
    error: str | None = None


class BatchAnswer(BaseModel):
    """批量筛查的结果，与条目一一对应。"""

    results: list[BatchResult]


def _particulars(record: ScreeningRecord | Asked) -> dict[str, Any]:
    names = ("id", "created_at", "title", "source_url", "reference", "seller")
    return {name: getattr(record, name) for name in names}


def stored_screening(record: ScreeningRecord) -> StoredScreening:
    """Return a kept screening as the API gives it."""
    result = Screening.model_validate_json(record.answer.result)
    text = record.answer.text
    own = {name: getattr(result, name) for name in Screening.model_fields}
    return StoredScreening(**_particulars(record), **own, licences=find_licences(text), text=text)


def screening_answer(record: Asked, result: Screening, text: str) -> ScreeningAnswer:
    """Return a new screening as the API gives it."""
    own = {name: getattr(result, name) for name in Screening.model_fields}
    return ScreeningAnswer(**_particulars(record), **own, licences=find_licences(text))


def screening_summary(record: ScreeningRecord) -> ScreeningSummary:
    """Return a kept screening as lists show it."""
    answer = record.answer
    result = Screening.model_validate_json(answer.result)
    return ScreeningSummary(
        **_particulars(record),
        kind=result.kind,
        category=answer.category,
        score=answer.score,
        verdict=result.verdict,
        labels=tuple(finding.label for finding in result.findings),
        model_version=answer.model_version,
    )
