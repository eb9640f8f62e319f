"""Loads the encoders that training starts from."""

from pathlib import Path

from torch import nn
from transformers import AutoConfig, AutoModel

from training.config import ConfigError


def load_encoder(base: Path | str, layers: int = 0, *, random_weights: bool = False) -> nn.Module:
    """Load a BERT-like encoder from a folder or by hub name.

    `layers` > 0 keeps that many, evenly spaced, of those it has. `random_weights` keeps only its shape. Raises
    ConfigError where it cannot be had.
    """
    try:
        if random_weights:
            encoder = AutoModel.from_config(AutoConfig.from_pretrained(base), add_pooling_layer=False)
        else:
            encoder = AutoModel.from_pretrained(base, add_pooling_layer=False)
    except OSError as error:  # not there, or no way there
        raise ConfigError(f"无法取得编码器 {base}：文件夹不存在，或模型库连不上、没有此模型") from error
    keep_layers(encoder, layers)
    return encoder  # type: ignore[no-any-return]


def keep_layers(encoder: nn.Module, layers: int) -> None:
    """Keep that many, evenly spaced, of the encoder's layers, 0 for all; raises ConfigError where it has fewer."""
    own: nn.ModuleList = encoder.encoder.layer  # type: ignore[union-attr, assignment]
    have = len(own)
    if layers > have:
        raise ConfigError(f"编码器只有 {have} 层，不能保留 {layers} 层")
    if 0 < layers < have:
        kept = [round((i + 1) * have / layers) - 1 for i in range(layers)]
        encoder.encoder.layer = nn.ModuleList(own[i] for i in kept)  # type: ignore[union-attr]
        encoder.config.num_hidden_layers = layers  # type: ignore[union-attr]
