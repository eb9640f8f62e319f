"""The model artifact: a folder with network, tokenizer, decision rule per label, golden texts and a manifest.

`encoder.json` is the shape of the encoder, which retraining needs; the weights stand in the network alone.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
    max_tokens: int
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


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type before it is validated
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"模型文件夹 {path.parent.name} 缺少文件 {path.name}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactError(f"模型文件 {path.name} 不是有效的 JSON") from error


def load_artifact(folder: Path, taxonomy: Taxonomy) -> Artifact:
    """Read and check a model folder; raises ArtifactError on a missing or altered file or another label order."""
    try:
        manifest = Manifest.model_validate(_read_json(folder / MANIFEST))
        decisions = tuple(Decision.model_validate(row) for row in _read_json(folder / DECISIONS))
        golden = tuple(GoldenText.model_validate(row) for row in _read_json(folder / GOLDEN))
    except ValidationError as error:
        raise ArtifactError(f"模型文件夹 {folder.name} 的说明文件格式不对：{error}") from error
    for name in HASHED:
        if not (folder / name).is_file():
            raise ArtifactError(f"模型文件夹 {folder.name} 缺少文件 {name}")
        if manifest.files.get(name) != sha256(folder / name):
            raise ArtifactError(f"模型文件 {name} 的 SHA-256 与清单不符，文件可能已损坏或被改动")
    if manifest.labels != taxonomy.codes or tuple(d.label for d in decisions) != taxonomy.codes:
        raise ArtifactError(f"模型 {manifest.version} 的标签顺序与分类表不一致，不能使用")
    return Artifact(folder=folder, manifest=manifest, decisions=decisions, golden=golden)
