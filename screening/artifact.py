"""The model artifact: a folder with network, tokenizer, decision rule per label, golden texts and a manifest.

`encoder.json` is the shape of the encoder, which retraining needs; the weights stand in the network alone.
"""

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from screening.errors import MingjianError
from screening.taxonomy import Kind, Taxonomy

NETWORK = "model.onnx"
TOKENIZER = "tokenizer.json"
DECISIONS = "decisions.json"
GOLDEN = "golden.json"
MANIFEST = "manifest.json"
ENCODER = "encoder.json"
WIDE = "wide.npz"
CARD = "README.md"
HASHED = (NETWORK, TOKENIZER, WIDE, DECISIONS, GOLDEN, ENCODER)
T = TypeVar("T")


class ArtifactError(MingjianError):
    """The model folder is incomplete, altered, or made for another taxonomy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decision(_Strict):
    """How a label's logit becomes a probability and a decision.

    probability = sigmoid(slope * logit + offset); `calibrated` is false where too few positives were at hand to fit
    slope and offset of the label's own.
    """

    label: str
    threshold: Annotated[float, Field(gt=0, lt=1)]
    review_threshold: Annotated[float, Field(gt=0, lt=1)]
    slope: Annotated[float, Field(gt=0)]
    offset: float
    calibrated: bool

    def stricter(self, by: float) -> "Decision":
        """Return the decision with its threshold raised by so many log-odds; the review threshold stays."""
        odds = math.log(self.threshold / (1 - self.threshold)) + by
        return self.model_copy(update={"threshold": round(1 / (1 + math.exp(-odds)), 4)})


class GoldenText(_Strict):
    """A text and what the model said of it when it was made; checked again at load."""

    text: str
    kind: Kind | None
    category: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]


class Manifest(_Strict):
    """What the artifact is made of and from."""

    version: str
    created: str
    labels: tuple[str, ...]
    files: dict[str, str]
    max_tokens: Annotated[int, Field(ge=32, le=512)]
    base: str
    data_version: str
    commit: str
    libraries: dict[str, str]
    metrics: dict[str, Any]


class Artifact(BaseModel):
    """A checked artifact: its folder and what stands in its small files."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    manifest: Manifest
    decisions: tuple[Decision, ...]
    golden: tuple[GoldenText, ...]

    @property
    def network(self) -> Path:
        """The path of the ONNX file."""
        return self.folder / NETWORK

    @property
    def wide(self) -> Path:
        """The path of the wide part's weights."""
        return self.folder / WIDE

    @property
    def tokenizer(self) -> Path:
        """The path of tokenizer.json."""
        return self.folder / TOKENIZER


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path, schema: TypeAdapter[T]) -> T:
    try:
        return schema.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(f"模型文件夹 {path.parent.name} 缺少文件 {path.name}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "整个文件"
        what = "不是有效的 JSON" if fault["type"] == "json_invalid" else f"的内容不符合格式要求，位置：{place}"
        raise ArtifactError(f"模型文件 {path.name} {what}") from error


def load_artifact(folder: Path, taxonomy: Taxonomy) -> Artifact:
    """Read and check a model folder; raises ArtifactError on a missing, malformed or altered file or other labels."""
    manifest = _read_json(folder / MANIFEST, TypeAdapter(Manifest))
    decisions = _read_json(folder / DECISIONS, TypeAdapter(tuple[Decision, ...]))
    golden = _read_json(folder / GOLDEN, TypeAdapter(tuple[GoldenText, ...]))
    if not golden:
        raise ArtifactError(f"模型文件 {GOLDEN} 中没有标准文本，无法自检")
    for name in HASHED:
        if not (folder / name).is_file():
            raise ArtifactError(f"模型文件夹 {folder.name} 缺少文件 {name}")
        if manifest.files.get(name) != sha256(folder / name):
            raise ArtifactError(f"模型文件 {name} 的 SHA-256 与清单不符，文件可能已损坏或被改动")
    if manifest.labels != taxonomy.codes or tuple(d.label for d in decisions) != taxonomy.codes:
        raise ArtifactError(f"模型 {manifest.version} 的标签顺序与分类表不一致，不能使用")
    return Artifact(folder=folder, manifest=manifest, decisions=decisions, golden=golden)
