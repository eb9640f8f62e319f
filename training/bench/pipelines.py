"""transformers' own text-classification pipeline, which the runtime and the service are measured against."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast, pipeline
from transformers.modeling_outputs import SequenceClassifierOutput

from screening.artifact import ENCODER, TOKENIZER
from training.model import TextClassifier


def encoder_config(folder: Path) -> PretrainedConfig:
    """Return the configuration of an artifact's encoder."""
    config: PretrainedConfig = AutoConfig.for_model(**json.loads((folder / ENCODER).read_text(encoding="utf-8")))
    return config


class ShippedClassifier(PreTrainedModel):  # type: ignore[misc]
    """The shipped network, its weights dequantised, in the shape that a pipeline calls."""

    def __init__(self, folder: Path) -> None:
        classifier = TextClassifier.load(folder)
        config = encoder_config(folder)
        config.problem_type = "multi_label_classification"
        config.id2label = dict(enumerate(classifier.labels))
        super().__init__(config)
        self.classifier = classifier.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SequenceClassifierOutput:
        """Return the logits (rows, labels) of texts that come without kind and category."""
        prediction = self.classifier(input_ids, attention_mask, torch.zeros_like(input_ids), attention_mask)
        return SequenceClassifierOutput(logits=prediction.logits)


def text_pipeline(model: PreTrainedModel, folder: Path) -> Callable[..., object]:
    """Return the pipeline of a model with an artifact's tokenizer."""
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / TOKENIZER), model_max_length=512, **names)
    classify: Callable[..., object] = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    return classify
