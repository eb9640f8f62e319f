"""Settings of a training run, read from YAML."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening.errors import MingjianError

Origin = Literal["all", "authored", "cases"]


class ConfigError(MingjianError):
    """The training settings cannot be read."""


class LossConfig(BaseModel):
    """How much given labels weigh, and how far decisions that are easy already count less (training/losses.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    positive_weight: Annotated[float, Field(gt=0)] = 1.0
    positive_focus: Annotated[float, Field(ge=0)] = 0.0
    negative_focus: Annotated[float, Field(ge=0)] = 0.0
    negative_margin: Annotated[float, Field(ge=0, lt=1)] = 0.0


class TrainConfig(BaseModel):
    """Settings of a training run; paths are relative to the working folder.

    `base_name` is what the manifest calls the base: its folder's name by default. `layers` 0 keeps all of the base,
    fewer are evenly spaced ones of it. `origin` keeps the corpus texts written freely or those that retell decided
    cases, `limit` so many texts of them, drawn by the seed (0: all); neither changes what is held out. `extra` are
    labelled texts of others, trained on but never tested on; `judged` are such texts that are never trained on, on
    which thresholds are chosen beside the held-out texts. `soft_share` is the part of the teacher's probabilities in
    the target of a distilled student; `unlabelled` texts have the teacher's alone. `evasion_share` of the texts with
    marked words are also learned with those words hidden as sellers hide them, and half as many lawful ones.
    `adversarial` is how far the word vectors are moved against the model in a second pass, `consistency` the weight of
    what two passes with dropout differ in (training/regularise.py); each takes a step's time once more. `split` is the
    split.json of an earlier run: what it held out stays held out, so that a run which goes on from its model is judged
    on texts that neither has seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    base_name: str = ""
    layers: Annotated[int, Field(ge=0)] = 0
    random_weights: bool = False
    corpus: tuple[Path, ...] = (Path("data/corpus"),)
    origin: Origin = "all"
    limit: Annotated[int, Field(ge=0)] = 0
    extra: tuple[Path, ...] = ()
    judged: tuple[Path, ...] = ()
    teacher: tuple[Path, ...] = ()
    unlabelled: tuple[Path, ...] = ()
    unlabelled_limit: int = 20_000
    soft_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    split: Path | None = None
    holdout: Annotated[float, Field(ge=0, lt=0.5)] = 0.12
    seed: int = 7
    max_tokens: Annotated[int, Field(ge=32, le=512)] = 320
    epochs: Annotated[int, Field(ge=1)] = 6
    patience: Annotated[int, Field(ge=1)] = 2
    batch_rows: Annotated[int, Field(ge=1)] = 16
    encoder_rate: float = 1.5e-4
    head_rate: float = 2e-3
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    warm_up: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    span_weight: Annotated[float, Field(ge=0)] = 0.1
    single_reading_weight: Annotated[float, Field(gt=0, le=1)] = 0.6
    extra_weight: Annotated[float, Field(gt=0, le=1)] = 0.6
    context_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    loss: LossConfig = LossConfig()
    evasion_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    adversarial: Annotated[float, Field(ge=0)] = 0.0
    consistency: Annotated[float, Field(ge=0)] = 0.0


def read_config(path: Path) -> TrainConfig:
    """Read the settings; raises ConfigError with every fault named."""
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise ConfigError(f"训练配置 {path} 有误：{error}") from error
