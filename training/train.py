"""Fine-tunes a text classifier on the corpus; with a teacher, distils it into a smaller one."""

import json
import math
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

from screening.artifact import TOKENIZER
from screening.classifier import Input, length_sorted_batches, load_tokenizer
from screening.normalise import normalise
from screening.taxonomy import load_taxonomy
from training.config import ConfigError, TrainConfig
from training.corpus import Row, data_version, of_origin, read_corpus, read_loosely
from training.device import autocast, pick_device
from training.encoder import keep_layers, load_encoder
from training.evasion import evasive_twins
from training.examples import (
    Example,
    Floats,
    TrainingBatch,
    encode,
    example,
    targets_and_known,
    training_batch,
    with_less_context,
)
from training.losses import label_loss
from training.metrics import Mask, macro_average_precision, quality
from training.model import Prediction, TextClassifier, is_classifier
from training.progress import Meter
from training.regularise import adversarial_embedding, disagreement
from training.split import SPLIT_FILE, Split, stratified_folds
from training.texts import read_texts

EVALUATION_TOKENS = 4096
LOSS_DIVISOR = 4.0
CHECKPOINT_INTERVAL_S = 600.0
PROBE_THRESHOLD = 0.4
UNLABELLED_CHARS = 200
BUCKET_BATCHES = 50
SETTLE_TEXTS = 256
LOSS_STEPS = 20
BATCH_WORKERS = 2


@dataclass(frozen=True)
class Corpora:
    """The rows to learn from, with their weights, and the rows held out for thresholds and calibration."""

    training: list[tuple[Row, float]]
    held_out: list[Row]


def divide(config: TrainConfig) -> Corpora:
    """Read the corpus and hold a stratified share of it out, or what an earlier run has held out."""
    rows = read_corpus(config.corpus)
    if config.split:
        earlier = Split.read(config.split)
        return corpora_of(config, rows, {row.id for row in earlier.rows(rows)})
    folds = round(1 / config.holdout) if config.holdout else 0
    fold = stratified_folds(rows, folds, config.seed) if folds else [1] * len(rows)
    return corpora_of(config, rows, {row.id for row, own in zip(rows, fold, strict=True) if not own})


def corpora_of(config: TrainConfig, rows: Sequence[Row], held_out: Collection[str]) -> Corpora:
    """Divide corpus rows by the ids that are held out, and add the extra texts to what is learned from.

    Nothing is learned from rows of one group with a held-out text: they would tell what it shows.
    """
    kept = [row for row in rows if row.id in held_out]
    groups = {row.group for row in kept}
    own = [row for row in of_origin(rows, config.origin) if row.group not in groups]
    if 0 < config.limit < len(own):
        order = np.random.default_rng(config.seed).permutation(len(own))
        own = [own[i] for i in order[: config.limit]]
    training = [(row, 1.0 if row.readings > 1 else config.single_reading_weight) for row in own]
    if config.evasion_share:
        twins = evasive_twins([row for row, _ in training], config.evasion_share, config.seed)
        training += [(row, config.single_reading_weight) for row in twins]
    training += [(row, config.extra_weight) for row in read_loosely(config.extra) if row.group not in groups]
    return Corpora(training, kept)


def predict(
    model: TextClassifier, inputs: Sequence[Input], tokenizer: Tokenizer, title: str = "predict", *, exact: bool = False
) -> tuple[Floats, list[Floats], list[Encoding]]:
    """Return logits (texts, labels), contributions (labels, tokens) of each text, and the encodings.

    `exact` computes in fp32 where the processor would be faster in bf16.
    """
    device = next(model.parameters()).device
    width = len(model.labels)
    blank = np.zeros(width, dtype=np.float32)
    items = [Example(item, blank, blank) for item in inputs]
    encodings = encode(items, tokenizer)
    logits = np.zeros((len(items), width), dtype=np.float32)
    contributions: list[Floats] = [blank] * len(items)
    model.eval()
    batches = length_sorted_batches([len(encoding.ids) for encoding in encodings], EVALUATION_TOKENS)
    arithmetic = nullcontext() if exact else autocast(device)
    with torch.inference_mode(), arithmetic, Meter(title, len(items), "texts") as meter:
        for indices in batches:
            batch = training_batch([items[i] for i in indices], [encodings[i] for i in indices], tokenizer).to(device)
            prediction: Prediction = model(**batch.inputs)
            logits[indices] = prediction.logits.float().cpu().numpy()
            parts = prediction.contributions.float().cpu().numpy()
            for row, index in enumerate(indices):
                contributions[index] = parts[row, :, : len(encodings[index].ids)].copy()
            meter.advance(len(indices))
    return logits, contributions, encodings


def base_tokenizer(base: str, out: Path) -> Path:
    """Return the tokenizer.json of a base folder, or of a hub model, which is written to `out`."""
    own = Path(base) / "tokenizer.json"
    if own.exists():
        return own
    written = out / "tokenizer.json"
    AutoTokenizer.from_pretrained(base).backend_tokenizer.save(str(written))
    return written


def loss_of(prediction: Prediction, batch: TrainingBatch, config: TrainConfig) -> Tensor:
    """Cross-entropy summed over labels, and for marked words the attention that misses them."""
    entropy = label_loss(prediction.logits.float(), batch.targets, batch.weights, config.loss)
    loss = entropy / len(batch.targets) / LOSS_DIVISOR
    if config.span_weight and len(batch.marked_at):
        attention = prediction.attention[batch.marked_at[:, 0], batch.marked_at[:, 1]].float()
        inside = (attention * batch.marked_tokens).sum(-1)
        loss = loss - config.span_weight * torch.log(inside + 1e-6).sum() / len(batch.targets)
    return loss


def unlabelled_examples(config: TrainConfig, width: int) -> list[Example]:
    """Return examples of the unlabelled texts, drawn by the seed; what they show is still to be filled in."""
    texts = list(read_texts(config.unlabelled))
    np.random.default_rng(config.seed).shuffle(texts)
    nothing, ones = np.zeros(width, dtype=np.float32), np.ones(width, dtype=np.float32)
    chosen = texts[: config.unlabelled_limit]
    return [Example(Input(normalise(text[:UNLABELLED_CHARS]).text), nothing, ones) for text in chosen]


def teacher_probabilities(config: TrainConfig, inputs: Sequence[Input]) -> Floats:
    """Return the mean of the teachers' probabilities (texts, labels)."""
    logits = []
    for folder in config.teacher:
        teacher = TextClassifier.load(folder).to(pick_device())
        tokenizer = load_tokenizer(folder / TOKENIZER, config.max_tokens)
        logits.append(predict(teacher, inputs, tokenizer, f"teacher {folder.name}")[0])
    return np.asarray((1 / (1 + np.exp(-np.stack(logits)))).mean(0), dtype=np.float32)


def soften(examples: list[Example], config: TrainConfig) -> list[Example]:
    """Mix the mean of the teachers' probabilities into the targets, and add unlabelled texts with theirs alone."""
    new = unlabelled_examples(config, len(examples[0].targets))
    soft = teacher_probabilities(config, [item.input for item in (*examples, *new)])
    labelled = [
        # a label that readers differ on has the teacher's word alone
        replace(
            item,
            targets=np.where(item.weights > 0, (1 - config.soft_share) * item.targets + config.soft_share * own, own),
            weights=np.where(item.weights > 0, item.weights, item.weights.max()),
        )
        for item, own in zip(examples, soft, strict=False)
    ]
    return labelled + [replace(item, targets=own) for item, own in zip(new, soft[len(examples) :], strict=True)]


def _require_same_run(config: TrainConfig, out: Path) -> None:
    """Raise ConfigError where the checkpoint in the folder is of other settings or of another corpus.

    Going on from it would judge the model on texts that it has learned.
    """
    stored = TrainConfig.model_validate_json((out / "config.json").read_text(encoding="utf-8"))
    if stored != config or Split.read(out / SPLIT_FILE).data_version != data_version(config.corpus):
        raise ConfigError(f"{out} 中的训练用的是另外的配置或语料，不能接着训练；请换一个文件夹")


class Training:
    """One run in its folder: the model, its optimiser, and the epoch it has come to; can be resumed."""

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.checkpoint = out / "checkpoint.pt"
        out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            _require_same_run(config, out)
        torch.manual_seed(config.seed)
        self.device = pick_device()
        self.tokenizer_file = base_tokenizer(config.base, out)
        self.tokenizer = load_tokenizer(self.tokenizer_file, config.max_tokens)
        labels = load_taxonomy().codes
        corpora = divide(config)
        split = Split(data_version=data_version(config.corpus), held_out=tuple(row.id for row in corpora.held_out))
        (out / SPLIT_FILE).write_text(split.model_dump_json(), encoding="utf-8")
        (out / "config.json").write_text(config.model_dump_json(indent=1), encoding="utf-8")
        self.held_out = [example(row, labels) for row in corpora.held_out]
        self.examples = [example(row, labels, weight) for row, weight in corpora.training]
        if config.teacher:
            self.examples = soften(self.examples, config)
        self.encodings = encode(self.examples, self.tokenizer)
        self.model = self._new_model(labels).to(self.device)
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = config.dropout
        self.optimiser = torch.optim.AdamW(self._parameter_groups(), weight_decay=config.weight_decay, eps=1e-6)
        self.steps = math.ceil(len(self.examples) / config.batch_rows) * config.epochs
        self.step = self.epoch = 0
        self.best, self.best_epoch = -1.0, 0
        self.history: list[dict[str, float]] = []
        if self.checkpoint.exists():
            self._resume()

    def _new_model(self, labels: tuple[str, ...]) -> TextClassifier:
        """Start from a classifier, or evenly spaced layers of it, where the base is one, else from a new head."""
        config = self.config
        base = Path(config.base)
        if is_classifier(base):
            model = TextClassifier.load(base)
            if model.labels != labels:
                raise ConfigError(f"模型 {base.name} 的标签与分类表不一致，不能作为起点")
            if config.random_weights:
                raise ConfigError(f"{base.name} 是训练过的模型，不能改用随机权重")
            keep_layers(model.encoder, config.layers)
            return model
        encoder = load_encoder(config.base, config.layers, random_weights=config.random_weights)
        model = TextClassifier(encoder, labels).to(self.device)
        self._start_head(model)
        return model

    @torch.no_grad()
    def _start_head(self, model: TextClassifier) -> None:
        """Fit the head's norm to the states of a sample of texts, and start its labels from their descriptions."""
        model.eval()

        def states(items: Sequence[Example], encodings: Sequence[Encoding]) -> tuple[Tensor, Tensor]:
            inputs = dict(training_batch(items, encodings, self.tokenizer).to(self.device).inputs)
            mask = inputs.pop("text_mask")
            return model.encoder(**inputs).last_hidden_state.float(), mask

        chosen = np.random.default_rng(self.config.seed).permutation(len(self.examples))[:SETTLE_TEXTS]
        hidden, mask = states([self.examples[i] for i in chosen], [self.encodings[i] for i in chosen])
        model.head.settle(hidden[mask == 1])
        taxonomy = load_taxonomy()
        known = (taxonomy[code] for code in model.labels)
        texts = [normalise(f"{label.name}：{label.description}").text for label in known]
        nothing = np.zeros(len(texts), dtype=np.float32)
        items = [Example(Input(text), nothing, nothing) for text in texts]
        hidden, mask = states(items, encode(items, self.tokenizer))
        words = mask.unsqueeze(-1)
        model.head.describe((model.head.norm(hidden) * words).sum(1) / words.sum(1))

    def _parameter_groups(self) -> list[dict[str, object]]:
        """Group the parameters: encoder layers learn slower the deeper they lie, the head faster."""
        config = self.config
        layers = self.model.encoder.encoder.layer  # type: ignore[union-attr]
        depth = len(layers)  # type: ignore[arg-type]
        groups: list[dict[str, object]] = [{"params": list(self.model.head.parameters()), "peak": config.head_rate}]
        lowest = config.encoder_rate * config.layer_decay**depth
        groups.append({"params": list(self.model.encoder.embeddings.parameters()), "peak": lowest})  # type: ignore[union-attr]
        for index, layer in enumerate(layers):  # type: ignore[arg-type]
            peak = config.encoder_rate * config.layer_decay ** (depth - 1 - index)
            groups.append({"params": list(layer.parameters()), "peak": peak})
        return groups

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.epoch = state["step"], state["epoch"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.history = state["history"]

    def _save_checkpoint(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": self.history,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def _batches(self) -> list[list[int]]:
        """Return the epoch's batches: rows of like length together, in random order."""
        draw = np.random.default_rng((self.config.seed, self.epoch))
        order = draw.permutation(len(self.examples))
        rows = self.config.batch_rows
        bucket = rows * BUCKET_BATCHES
        batches = []
        for start in range(0, len(order), bucket):
            part = sorted(order[start : start + bucket], key=lambda i: len(self.encodings[i].ids))
            batches += [[int(i) for i in part[first : first + rows]] for first in range(0, len(part), rows)]
        draw.shuffle(batches)
        return batches

    def _set_rates(self) -> None:
        warm = max(1, round(self.steps * self.config.warm_up))
        share = min((self.step + 1) / warm, (self.steps - self.step) / max(1, self.steps - warm))
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * max(share, 0.0)

    def _loss(self, batch: TrainingBatch, consistency: float) -> Tensor:
        """Return the loss of one pass, or the mean of two and, with weight `consistency`, what they differ in."""
        with autocast(self.device):
            first = self.model(**batch.inputs)
            loss = loss_of(first, batch, self.config)
            if consistency:
                second = self.model(**batch.inputs)
                apart = disagreement(first.logits.float(), second.logits.float(), batch.weights)
                both = loss + loss_of(second, batch, self.config)
                loss = both / 2 + consistency * apart / len(batch.targets) / LOSS_DIVISOR
        return loss

    def _prepare(self, work: tuple[int, list[int]]) -> TrainingBatch:
        """Make the batch of a step from the indices of its examples."""
        step, indices = work
        draw = np.random.default_rng((self.config.seed, step, 1))
        items = [with_less_context(self.examples[i], self.config.context_dropout, draw) for i in indices]
        return training_batch(items, encode(items, self.tokenizer), self.tokenizer)

    def _prepared(self, batches: Sequence[list[int]]) -> Iterable[TrainingBatch]:
        """Yield the batches to come; beside a GPU other processes make them, as it would wait for them."""
        work = list(enumerate(batches, self.step))
        on_gpu = self.device.type == "cuda"
        return DataLoader(
            work,  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=self._prepare,  # type: ignore[arg-type]
            num_workers=BATCH_WORKERS if on_gpu else 0,
            pin_memory=on_gpu,
        )

    def _train_step(self, batch: TrainingBatch) -> Tensor:
        batch = batch.to(self.device)
        self._set_rates()
        self.model.train()
        loss = self._loss(batch, self.config.consistency)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.adversarial:
            words = self.model.encoder.get_input_embeddings().weight  # type: ignore[operator]
            with adversarial_embedding(words, self.config.adversarial):
                self._loss(batch, 0).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        return loss.detach()

    def held_out_scores(self) -> tuple[Floats, Floats, Mask]:
        """Return targets, logits and the mask of known labels of the held-out texts, each (texts, labels)."""
        logits, _, _ = predict(self.model, [item.input for item in self.held_out], self.tokenizer, "held out")
        targets, known = targets_and_known(self.held_out)
        return targets, logits, known

    def _measure(self, loss: float) -> dict[str, float]:
        """Measure the epoch on the held-out texts (none held out: the loss alone)."""
        figures = {"epoch": float(self.epoch), "loss": loss}
        if self.held_out:
            targets, logits, known = self.held_out_scores()
            figures["macro_ap"] = macro_average_precision(targets, logits, known)
            given = 1 / (1 + np.exp(-logits)) >= PROBE_THRESHOLD
            figures |= asdict(quality(targets, given, known))
        return figures

    def run(self) -> Path:
        """Train to the last epoch, or until the macro average precision stops rising; return its best model."""
        config, folder = self.config, self.out / "model"
        saved = time.monotonic()
        while self.epoch < config.epochs and self.epoch - self.best_epoch < config.patience:
            batches = self._batches()
            done = self.step % len(batches) if self.history or self.step else 0
            losses: list[Tensor] = []
            tokens = sum(len(encoding.ids) for encoding in self.encodings)
            note = ""
            with Meter(f"epoch {self.epoch + 1}", tokens, "tokens") as meter:
                for indices, batch in zip(batches[done:], self._prepared(batches[done:]), strict=True):
                    losses.append(self._train_step(batch))
                    if len(losses) % LOSS_STEPS == 0:  # reading a loss waits for the GPU
                        note = f"loss {float(torch.stack(losses[-LOSS_STEPS:]).mean()):.3f}"
                    meter.advance(sum(len(self.encodings[i].ids) for i in indices), note)
                    if time.monotonic() - saved > CHECKPOINT_INTERVAL_S:
                        self._save_checkpoint()
                        saved = time.monotonic()
            self.epoch += 1
            figures = self._measure(float(torch.stack(losses).mean()))
            self.history.append(figures)
            with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")
            score = figures.get("macro_ap", float(self.epoch))
            if score > self.best:
                self.best, self.best_epoch = score, self.epoch
                self.model.save(folder, self.tokenizer_file)
            self._save_checkpoint()
        return folder
