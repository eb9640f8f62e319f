"""The label taxonomy: what each label means, its legal basis, and where a finding goes on the forms."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from screening.errors import MingjianError
from screening.resources import data_file

Kind = Literal["ad", "clause", "product"]
KINDS: tuple[Kind, ...] = ("ad", "clause", "product")
KIND_NAMES: dict[Kind, str] = {"ad": "广告", "clause": "合同条款", "product": "商品信息"}

InspectionRow = Literal[
    "主体资格", "商品质量", "价格行为", "合同内容", "广告宣传", "商标标识", "不正当竞争行为", "其它行为", "申诉举报"
]
StatisticsRow = Literal[
    "网络销售假冒伪劣商品案件",
    "电子商务平台未履行平台义务案件",
    "电子商务经营者未履行市场主体公示义务案件",
    "未办理《食品经营许可证》销售食品案件",
    "互联网不正当竞争案件",
    "不正当价格行为案件",
    "虚假违法互联网广告案件",
    "侵害网络消费者合法权益案件",
    "侵害公民个人信息案件",
    "格式条款合同违法违规案件",
    "网络销售禁售、限售物品案件",
    "其他违法违规案件",
]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class TaxonomyError(MingjianError):
    """The taxonomy file breaks its schema."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Provision(_Strict):
    """One provision of law: the law, its article, and where needed the item and what it applies to."""

    law: Text
    article: Annotated[str, StringConstraints(pattern=r"^第.+条$")]
    item: Text | None = None
    scope: Text | None = None

    def __str__(self) -> str:
        scope = f"（{self.scope}）" if self.scope else ""
        return f"《{self.law}》{self.article}{self.item or ''}{scope}"


class Label(_Strict):
    """One kind of suspected violation."""

    code: Annotated[str, StringConstraints(pattern=r"^(ad|clause|product)_[a-z_]+$")]
    name: Text
    description: Text
    legal_basis: Annotated[tuple[Provision, ...], Field(min_length=1)]
    inspection_row: InspectionRow
    statistics_row: StatisticsRow
    offices: Annotated[tuple[Text, ...], Field(min_length=1)]
    needs_check: bool
    weight: Annotated[float, Field(gt=0, le=1)]
    advice: Text
    note: Text | None = None


class Taxonomy(_Strict):
    """All labels, in the order that model artifacts store."""

    version: int
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _codes_are_unique(self) -> "Taxonomy":
        codes = self.codes
        if len(set(codes)) != len(codes):
            raise ValueError("a code stands twice")
        return self

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all labels, in order."""
        return tuple(label.code for label in self.labels)

    def __getitem__(self, code: str) -> Label:
        for label in self.labels:
            if label.code == code:
                return label
        raise KeyError(code)

    def __contains__(self, code: object) -> bool:
        return code in self.codes


def read_taxonomy(path: Path) -> Taxonomy:
    """Read and check a taxonomy file; raises TaxonomyError with every fault named."""
    try:
        return Taxonomy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise TaxonomyError(f"分类表 {path.name} 有误：{error}") from error


@cache
def load_taxonomy() -> Taxonomy:
    """Return the taxonomy that ships with the program."""
    return read_taxonomy(data_file("taxonomy.yaml"))
