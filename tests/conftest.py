"""Shared parts: the shipped model, and a tiny base encoder with a corpus to train it on."""

import json
import os
from pathlib import Path

import pytest

from screening import Screener

os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
ROOT = Path(__file__).parent.parent
# Makes a contract long enough to be cut.
FILLER = "\n第九条 双方应当依照本合同的约定履行各自的义务。" * 12


@pytest.fixture(scope="session")
def screener() -> Screener:
    return Screener.load()


@pytest.fixture(scope="session")
def corpus_rows() -> list[dict]:
    """Every eightieth row of the real corpus."""
    files = sorted((ROOT / "data/corpus").glob("*.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line]
    return [json.loads(line) for line in lines[::80]]


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory, corpus_rows) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for row in corpus_rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory, corpus_rows) -> Path:
    """A two-layer BERT with one piece per character, as a folder that transformers loads."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted({c for row in corpus_rows for c in row["text"] if not c.isspace()})
    vocabulary = {piece: i for i, piece in enumerate([*special, *characters])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        pad_token_id=0,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
