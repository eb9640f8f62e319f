"""Cuts a unigram tokenizer to the pieces that Chinese trade text needs."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tokenizers import Tokenizer

BATCH = 4096
# Single characters that always stay: Chinese characters, ASCII, general punctuation and symbols, CJK punctuation,
# full-width forms, and the mark of a word's start.
ALWAYS = re.compile("[\u3400-\u9fff]|[\x21-\x7e]|[\u2000-\u27ff]|[\u3000-\u303f]|[\uff00-\uffef]|\u2581")
FIRST_EMOJI = 0x1F000
WORD_START = "\u2581"


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """Count how often each piece id occurs in the texts."""
    seen: Counter[int] = Counter()
    for batch in _batches(texts):
        for encoding in tokenizer.encode_batch_fast(batch):
            seen.update(encoding.ids)
    return seen


def _always(piece: str) -> bool:
    first = piece.removeprefix(WORD_START)[:1]
    return bool(ALWAYS.fullmatch(piece)) or (first != "" and ord(first) >= FIRST_EMOJI)


def cut(spec: dict[str, Any], seen: Counter[int], pieces: int) -> tuple[dict[str, Any], list[int]]:
    """Return a Unigram tokenizer (parsed tokenizer.json) with at most about `pieces` pieces, and the old ids kept.

    Special tokens, single characters and emoji stay whatever their count; the rest of the places go to the pieces
    seen most often. The order of the old ids is kept, so row i of the new embedding is row kept[i] of the old one.
    """
    vocabulary = spec["model"]["vocab"]
    special = {token["id"] for token in spec["added_tokens"]}
    fixed = {i for i, (piece, _) in enumerate(vocabulary) if i in special or _always(piece)}
    others = [i for i, count in seen.most_common() if count > 1 and i not in fixed and i < len(vocabulary)]
    kept = sorted(fixed.union(others[: max(0, pieces - len(fixed))]))
    new_id = {old: new for new, old in enumerate(kept)}
    model = {
        **spec["model"],
        "vocab": [vocabulary[i] for i in kept],
        "unk_id": new_id[spec["model"]["unk_id"]],
    }
    added = [{**token, "id": new_id[token["id"]]} for token in spec["added_tokens"]]
    post = spec.get("post_processor")
    if post and "special_tokens" in post:
        tokens = {
            name: {**token, "ids": [new_id[i] for i in token["ids"]]} for name, token in post["special_tokens"].items()
        }
        post = {**post, "special_tokens": tokens}
    return {**spec, "model": model, "added_tokens": added, "post_processor": post}, kept
