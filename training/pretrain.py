"""Continues a base encoder on masked tokens, over unlabelled text (Devlin et al. 2019, arXiv 1810.04805)."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from training.config import ConfigError
from training.corpus import files_version
from training.device import autocast, pick_device
from training.encoder import load_encoder
from training.progress import Meter
from training.texts import TextsError, read_texts, text_files

MASKED_SHARE = 0.15
KEPT_SHARE = 0.1
RANDOM_SHARE = 0.1
CHECKPOINT_INTERVAL_S = 600.0
LOSS_MEMORY = 0.98
HEAD_SPEED = 5.0  # the head starts from nothing: it learns faster than the encoder
BATCH = 4096
ORIGIN_FILE = "origin.json"
BLOCKS_FILE = "blocks.npy"
CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of a pre-training run; lengths and sizes in tokens."""

    base: Path
    out: Path
    texts: tuple[Path, ...]
    tokens: int
    block: int = 128
    step_tokens: int = 2048
    learning_rate: float = 2e-4
    warm_up: float = 0.05
    snapshot_tokens: int = 0
    layers: int = 0
    seed: int = 7


class MaskedTokenHead(nn.Module):
    """Predicts the masked piece: a dense layer, a norm, and the transposed word embedding."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        pieces, wide = embedding.weight.shape
        self.dense = nn.Linear(wide, wide)
        self.norm = nn.LayerNorm(wide)
        self.bias = nn.Parameter(torch.zeros(pieces))

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """Return logits (positions, pieces) for hidden states (positions, wide)."""
        hidden = self.norm(nn.functional.gelu(self.dense(hidden)))
        return hidden @ embedding.T + self.bias


def _origin(settings: PretrainSettings) -> str:
    """Return as JSON what a run is made from: hashes of its texts and its base, and the settings that shape it."""
    made_from = {
        "texts": files_version(text_files(settings.texts)),
        "base": files_version(sorted(file for file in settings.base.iterdir() if file.is_file())),
        "tokens": settings.tokens,
        "block": settings.block,
        "step_tokens": settings.step_tokens,
        "learning_rate": settings.learning_rate,
        "warm_up": settings.warm_up,
        "layers": settings.layers,
        "seed": settings.seed,
    }
    return json.dumps(made_from, indent=1)


def _settle_origin(settings: PretrainSettings) -> None:
    """Write into the run's folder what the run is made from; blocks that were made from anything else are removed.

    Raises ConfigError where the folder holds a checkpoint of another origin: it cannot be gone on from.
    """
    origin, stored = _origin(settings), settings.out / ORIGIN_FILE
    if stored.exists() and stored.read_text(encoding="utf-8") == origin:
        return
    if (settings.out / CHECKPOINT_FILE).exists():
        raise ConfigError(f"{settings.out} 中的预训练用的是另外的文本、基础编码器或设置，不能接着训练；请换一个文件夹")
    (settings.out / BLOCKS_FILE).unlink(missing_ok=True)
    stored.write_text(origin, encoding="utf-8")


def tokenise(settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast) -> NDArray[np.int32]:
    """Return all text as rows of `block` piece ids; passages are shuffled and divided by the separator.

    The rows are kept in the run's folder. Raises TextsError where the texts do not fill one row.
    """
    cache = settings.out / BLOCKS_FILE
    if cache.exists():
        return np.asarray(np.load(cache), dtype=np.int32)
    texts = np.array(list(read_texts(settings.texts)), dtype=object)
    np.random.default_rng(settings.seed).shuffle(texts)
    ids: list[NDArray[np.int32]] = []
    separator = np.array([tokenizer.sep_token_id], dtype=np.int32)
    for start in range(0, len(texts), BATCH):
        for row in tokenizer(list(texts[start : start + BATCH]), add_special_tokens=False)["input_ids"]:
            ids += [np.array(row, dtype=np.int32), separator]
    length = sum(map(len, ids))
    if length < settings.block:
        raise TextsError(f"文本过少：共 {length} 个词元，至少需要 {settings.block} 个")
    stream = np.concatenate(ids)
    blocks = stream[: length // settings.block * settings.block].reshape(-1, settings.block)
    partial = cache.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, blocks)
    partial.replace(cache)
    return blocks


def mask(ids: Tensor, mask_id: int, pieces: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the ids with a share of them hidden, and the boolean matrix of the positions to predict."""
    hidden = torch.rand(ids.shape, generator=generator) < MASKED_SHARE
    fate = torch.rand(ids.shape, generator=generator)
    masked = ids.clone()
    masked[hidden & (fate >= KEPT_SHARE + RANDOM_SHARE)] = mask_id
    replaced = hidden & (fate >= KEPT_SHARE) & (fate < KEPT_SHARE + RANDOM_SHARE)
    masked[replaced] = torch.randint(pieces, ids.shape, generator=generator)[replaced]
    return masked, hidden


def _batches(blocks: NDArray[np.int32], rows: int, first: int) -> Iterator[Tensor]:
    """Yield batches of rows for ever, beginning with step `first`."""
    step = first
    while True:
        index = np.arange(step * rows, (step + 1) * rows) % len(blocks)
        yield torch.from_numpy(blocks[index].astype(np.int64))
        step += 1


class Pretraining:
    """One run: encoder, head, optimiser and the step they have come to; can be saved and resumed."""

    def __init__(self, settings: PretrainSettings) -> None:
        self.settings = settings
        self.device = pick_device()
        settings.out.mkdir(parents=True, exist_ok=True)
        _settle_origin(settings)
        torch.manual_seed(settings.seed)
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(settings.base)
        self.encoder = load_encoder(settings.base, settings.layers).to(self.device)
        self.embedding: nn.Embedding = self.encoder.get_input_embeddings()  # type: ignore[operator]
        self.head = MaskedTokenHead(self.embedding).to(self.device)
        self.parameters = [*self.encoder.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": list(self.encoder.parameters()), "speed": 1.0},
                {"params": list(self.head.parameters()), "speed": HEAD_SPEED},
            ],
            weight_decay=0.01,
            eps=1e-6,
        )
        self.steps = max(1, settings.tokens // settings.step_tokens)
        self.step = 0
        self.loss = 0.0
        self.checkpoint = settings.out / CHECKPOINT_FILE
        if self.checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.encoder.load_state_dict(state["encoder"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.loss = state["step"], state["loss"]

    def save_checkpoint(self) -> None:
        """Write the state to resume from; the old one stays until the new one is whole."""
        state = {
            "encoder": self.encoder.state_dict(),
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "loss": self.loss,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def save_encoder(self, folder: Path) -> None:
        """Write the encoder as a folder that serves as `--base`."""
        self.encoder.save_pretrained(folder)  # type: ignore[operator]
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(self.settings.base / name, folder / name)

    def rate(self) -> float:
        """Return the learning rate of the step: linear warm-up, then linear decay."""
        warm = max(1, round(self.steps * self.settings.warm_up))
        share = min((self.step + 1) / warm, (self.steps - self.step) / max(1, self.steps - warm))
        return self.settings.learning_rate * share

    def train_step(self, ids: Tensor) -> float:
        """Learn from one batch of ids (rows, block); return its loss."""
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        mask_id = self.tokenizer.mask_token_id
        masked, hidden = (t.to(self.device) for t in mask(ids, mask_id, self.embedding.num_embeddings, generator))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate() * group["speed"]
        self.encoder.train()
        with autocast(self.device):
            states = self.encoder(input_ids=masked).last_hidden_state
            logits = self.head(states[hidden], self.embedding.weight)
            loss = nn.functional.cross_entropy(logits.float(), ids.to(self.device)[hidden])
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        return float(loss.detach())


def pretrain(settings: PretrainSettings) -> Path:
    """Run or resume masked-token training; return the folder of the adapted encoder.

    A checkpoint is written every ten minutes, an encoder folder every `snapshot_tokens`. Raises ConfigError where the
    folder holds a run of other texts, another base or other settings, TextsError where the texts cannot be read.
    """
    run = Pretraining(settings)
    blocks = tokenise(settings, run.tokenizer)
    rows = max(1, settings.step_tokens // settings.block)
    per_step = rows * settings.block
    saved = time.monotonic()
    with Meter("pretrain", run.steps * per_step, "tokens", run.step * per_step) as meter:
        for ids in _batches(blocks, rows, run.step):
            if run.step >= run.steps:
                break
            loss = run.train_step(ids)
            run.loss = loss if not run.loss else LOSS_MEMORY * run.loss + (1 - LOSS_MEMORY) * loss
            meter.advance(per_step, f"loss {run.loss:.3f}")
            done = run.step * per_step
            if (
                settings.snapshot_tokens
                and done // settings.snapshot_tokens > (done - per_step) // settings.snapshot_tokens
            ):
                run.save_encoder(
                    settings.out / f"encoder-{done // settings.snapshot_tokens * settings.snapshot_tokens}"
                )
            if time.monotonic() - saved > CHECKPOINT_INTERVAL_S:
                run.save_checkpoint()
                saved = time.monotonic()
    run.save_checkpoint()
    run.save_encoder(settings.out / "encoder")
    return settings.out / "encoder"
