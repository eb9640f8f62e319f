"""The classifier to train: an encoder and a label-wise attention head."""

import json
import math
import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from screening.artifact import ENCODER, MANIFEST, NETWORK
from training.encoder import load_encoder
from training.weights import read_weights

HEAD_FILE = "head.safetensors"
LABELS_FILE = "labels.json"
# How long the queries and values are that a head starts from: attention leans to a label's words, and logits are small.
QUERY_LENGTH = 4.0
VALUE_LENGTH = 0.4


class Prediction(NamedTuple):
    """Logits (rows, labels), contributions and attention (rows, labels, tokens)."""

    logits: Tensor
    contributions: Tensor
    attention: Tensor


class LabelAttentionHead(nn.Module):
    """For each label an attention over the text's tokens and a value per token; the logit is the sum of their products.

    After Mullenbach et al. 2018 (arXiv 1802.05695), with the value made a scalar per token, so that each token's part
    in the logit is known. The norm before it is needed, see `settle`; `describe` lets a head begin with the sense of
    its labels.
    """

    def __init__(self, wide: int, labels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(wide)
        self.query = nn.Parameter(torch.zeros(labels, wide))
        self.value = nn.Parameter(torch.randn(labels, wide) * 0.02)
        self.bias = nn.Parameter(torch.full((labels,), -4.0))  # about one label in forty texts
        self.scale = 1 / math.sqrt(wide)

    @torch.no_grad()
    def settle(self, hidden: Tensor) -> None:
        """Set the norm so that each feature of the given states (tokens, wide) has mean 0 and deviation 1.

        The encoder's states share a large common direction, which would hide what tells texts apart for hundreds of
        steps.
        """
        plain = nn.functional.layer_norm(hidden, (hidden.shape[-1],))
        deviation, mean = torch.std_mean(plain, dim=0)
        self.norm.weight.copy_(1 / (deviation + 1e-3))
        self.norm.bias.copy_(-mean / (deviation + 1e-3))

    @torch.no_grad()
    def describe(self, states: Tensor) -> None:
        """Start each label's query and value from the mean state (labels, wide) of what the label is described by.

        `states` are those of the norm. What all descriptions share is taken out, as it tells no label from another.
        """
        own = nn.functional.normalize(states - states.mean(0), dim=-1)
        self.query.copy_(own * QUERY_LENGTH)
        self.value.copy_(own * VALUE_LENGTH)

    def forward(self, hidden: Tensor, text_mask: Tensor) -> Prediction:
        """Return the prediction for hidden states (rows, tokens, wide); `text_mask` marks the tokens that count."""
        states = self.norm(hidden)
        scores = (states @ self.query.T * self.scale).transpose(1, 2)
        scores = scores.masked_fill(text_mask.unsqueeze(1) == 0, -1e4)
        attention = torch.softmax(scores, dim=-1)
        contributions = attention * (states @ self.value.T).transpose(1, 2)
        return Prediction(contributions.sum(-1) + self.bias, contributions, attention)


def is_classifier(folder: Path) -> bool:
    """Tell whether the folder holds a whole classifier: a training run's model, or an artifact."""
    return (folder / HEAD_FILE).exists() or (folder / NETWORK).exists()


class TextClassifier(nn.Module):
    """Encoder and head, with the labels in their order."""

    def __init__(self, encoder: nn.Module, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        self.head = LabelAttentionHead(encoder.config.hidden_size, len(labels))  # type: ignore[union-attr, arg-type]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, text_mask: Tensor
    ) -> Prediction:
        """Return the prediction for padded pairs (rows, tokens) of context and text."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        # A logit is the sum of its tokens' parts: in bf16 it would be so only roughly.
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(hidden.float(), text_mask)  # type: ignore[no-any-return]

    def save(self, folder: Path, tokenizer: Path) -> None:
        """Write encoder, head, labels and tokenizer into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.encoder.save_pretrained(folder)  # type: ignore[operator]
        save_file(self.head.state_dict(), folder / HEAD_FILE)
        (folder / LABELS_FILE).write_text(json.dumps(self.labels), encoding="utf-8")
        if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
            shutil.copy(tokenizer, folder / "tokenizer.json")

    @classmethod
    def load(cls, folder: Path) -> "TextClassifier":
        """Read what `save` wrote, or a model artifact, whose int8 weights are dequantised."""
        if (folder / NETWORK).exists():
            return cls._load_artifact(folder)
        labels = tuple(json.loads((folder / LABELS_FILE).read_text(encoding="utf-8")))
        model = cls(load_encoder(folder), labels)
        model.head.load_state_dict(load_file(folder / HEAD_FILE))
        return model

    @classmethod
    def _load_artifact(cls, folder: Path) -> "TextClassifier":
        labels = tuple(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["labels"])
        config = AutoConfig.for_model(**json.loads((folder / ENCODER).read_text(encoding="utf-8")))
        model = cls(AutoModel.from_config(config, add_pooling_layer=False), labels)
        model.load_state_dict(read_weights(folder / NETWORK))
        return model
