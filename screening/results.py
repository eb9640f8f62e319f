"""What a screening tells: findings with their evidence, the score and the verdict."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from screening.taxonomy import Kind, Provision

Probability = Annotated[float, Field(ge=0, le=1)]


class Verdict(StrEnum):
    """The overall outcome for a text: a lead for an inspector, never a decision."""

    SUSPECTED = "违规嫌疑"
    REVIEW = "待复核"
    CLEAR = "未见异常"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class Evidence(_Result):
    """Words of the text as posted, characters start:end; weight is their share of what speaks for the label there."""

    start: int
    end: int
    text: str
    weight: float


class Finding(_Result):
    """A label that the text suggests."""

    label: str
    name: str
    probability: Probability
    threshold: Probability
    needs_check: bool
    evidence: tuple[Evidence, ...]
    legal_basis: tuple[Provision, ...]
    inspection_row: str
    statistics_row: str
    offices: tuple[str, ...]
    advice: str


class SegmentResult(_Result):
    """One judged piece of the text, characters start:end, and the labels found in it.

    Where findings by segment were asked for, `findings` and `review` are the segment's own, with their evidence.
    """

    start: int
    end: int
    labels: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    review: tuple[Finding, ...] = ()


class Screening(_Result):
    """The result for one text.

    `findings` reached their threshold; `review` reached the lower review threshold only. `score` is the violation
    score, 0 to 100.
    """

    score: Annotated[float, Field(ge=0, le=100)]
    verdict: Verdict
    findings: tuple[Finding, ...]
    review: tuple[Finding, ...]
    segments: tuple[SegmentResult, ...]
    kind: Kind | None
    category: str
    model_version: str
