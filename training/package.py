"""Packs a trained classifier into a model artifact: networks, decisions, golden texts, manifest and card."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from screening.artifact import (
    DECISIONS,
    ENCODER,
    GOLDEN,
    HASHED,
    MANIFEST,
    NETWORK,
    TOKENIZER,
    WIDE,
    Decision,
    GoldenText,
    Manifest,
    sha256,
)
from screening.classifier import Classifier, load_tokenizer
from screening.screener import probabilities
from screening.wide import WideModel
from training.calibrate import decide
from training.config import ConfigError, TrainConfig
from training.corpus import Row, data_version, read_corpus, read_loosely
from training.evidence import measure_evidence
from training.examples import example, targets_and_known
from training.metrics import macro_average_precision, quality
from training.model import TextClassifier
from training.network import write_network
from training.parity import EDGES, compare
from training.plots import plot_decisions
from training.quantise import quantise
from training.robustness import hidden_set, measure_robustness
from training.split import SPLIT_FILE, Split
from training.train import corpora_of, predict
from training.wide import best_share, scaled, train_wide, wide_logits

GOLDEN_TEXTS = 24
CALIBRATION_TEXTS = 600
LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "numpy", "scikit-learn")


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], check=False, capture_output=True, text=True)  # noqa: S607
    return done.stdout.strip() or "unknown"


def _write_json(path: Path, rows: Sequence[BaseModel]) -> None:
    lines = ",\n".join(row.model_dump_json() for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _golden(rows: Sequence[Row], classifier: Classifier, decisions: Sequence[Decision]) -> list[GoldenText]:
    """Choose golden texts, spread evenly over the held-out rows, and note what the shipped network says of them."""
    step = max(1, len(rows) // GOLDEN_TEXTS)
    chosen = list(rows[::step])[:GOLDEN_TEXTS]
    inputs = [example(row, [d.label for d in decisions]).input for row in chosen]
    golden = []
    for row, output in zip(chosen, classifier.run(inputs), strict=True):
        values = probabilities(output.logits, decisions)
        given = tuple(d.label for d, value in zip(decisions, values, strict=True) if value >= d.threshold)
        rounded = tuple(round(float(value), 4) for value in values)
        golden.append(
            GoldenText(text=row.text, kind=row.kind, category=row.category, labels=given, probabilities=rounded)
        )
    return golden


def package(run: Path, target: Path) -> Manifest:
    """Make the artifact `target` of the training run in the folder `run`; its name is the model's version.

    Thresholds and calibration come from the held-out texts, and texts of others that are only judged, as the int8
    network sees them. What stands in the manifest is measured on the held-out texts, the parity of torch, ONNX fp32 and
    int8 on edge cases, too.
    """
    config = TrainConfig.model_validate_json((run / "config.json").read_text(encoding="utf-8"))
    model = TextClassifier.load(run / "model")
    target.mkdir(parents=True, exist_ok=True)
    for source, name in ((TOKENIZER, TOKENIZER), ("config.json", ENCODER)):
        (target / name).write_bytes((run / "model" / source).read_bytes())
    rows = read_corpus(config.corpus)
    split = Split.read(run / SPLIT_FILE)
    if not split.held_out:
        raise ConfigError("训练没有留出检验文本，无法确定阈值和校准")
    (target / SPLIT_FILE).write_text(split.model_dump_json() + "\n", encoding="utf-8")
    held_out = split.rows(rows)
    corpora = corpora_of(config, rows, split.held_out)
    items = [example(row, model.labels) for row in (*held_out, *read_loosely(config.judged))]
    inputs = [*(item.input for item in items), *EDGES]
    targets, known = targets_and_known(items)
    held, judged = slice(len(held_out)), slice(len(items))
    tokenizer = load_tokenizer(target / TOKENIZER, config.max_tokens)
    network_logits, _, _ = predict(model, inputs, tokenizer, "held out", exact=True)
    learned = train_wide([example(row, model.labels, weight) for row, weight in corpora.training])
    share = best_share(targets, network_logits[judged], wide_logits(learned, inputs[judged]), known)
    wide = scaled(learned, share)
    wide.save(target / WIDE)
    wide = WideModel.load(target / WIDE)
    full_network = run / "model.fp32.onnx"
    write_network(model, full_network)
    calibration = [
        example(row, model.labels).input
        for row, _ in corpora.training[:: max(1, len(corpora.training) // CALIBRATION_TEXTS)]
    ]
    quantise(full_network, target / NETWORK, target / TOKENIZER, config.max_tokens, calibration)
    full, small = (
        Classifier(network, target / TOKENIZER, config.max_tokens, wide=wide)
        for network in (full_network, target / NETWORK)
    )
    outputs = small.run(inputs)
    int8_logits = np.stack([output.logits for output in outputs])
    decisions = decide(model.labels, targets, int8_logits[judged], known)
    _write_json(target / DECISIONS, decisions)
    _write_json(target / GOLDEN, _golden(held_out, small, decisions))
    parity = compare(
        decisions,
        torch=network_logits + wide_logits(wide, inputs),
        fp32=np.stack([output.logits for output in full.run(inputs)]),
        int8=int8_logits,
    )
    thresholds = np.array([d.threshold for d in decisions])
    logits, targets, known = int8_logits[held], targets[held], known[held]
    calibrated = probabilities(logits, decisions)
    plot_decisions(target, model.labels, targets, calibrated, known)
    metrics: dict[str, Any] = {
        "held_out_texts": len(held_out),
        "judged_texts": len(items) - len(held_out),
        "training_texts": len(corpora.training),
        "extra_texts": sum(len(read_loosely([path])) for path in config.extra),
        "held_out": asdict(quality(targets, calibrated >= thresholds, known)),
        "held_out_macro_ap": {
            "network": round(macro_average_precision(targets, network_logits[held], known), 4),
            "with_wide": round(macro_average_precision(targets, logits, known), 4),
        },
        "evidence": measure_evidence(decisions, items[held], outputs[held]).model_dump(),
        "robustness": measure_robustness(hidden_set(held_out), small, decisions).model_dump(),
        "wide_share": share,
        "network_data_version": split.data_version,
        "parity": parity.model_dump(),
    }
    manifest = Manifest(
        version=target.name,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        labels=model.labels,
        files={name: sha256(target / name) for name in HASHED},
        max_tokens=config.max_tokens,
        base=config.base_name or Path(config.base).name,
        data_version=data_version(config.corpus),
        commit=_commit(),
        libraries={name: library_version(name) for name in LIBRARIES},
        metrics=metrics,
    )
    text = json.dumps(manifest.model_dump(), ensure_ascii=False, indent=1)
    (target / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest
