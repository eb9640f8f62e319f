"""The base encoder's module, on a tiny file of the same format."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from service.cli import app
from training.base.e5s1 import E5S1Error, read_e5s1
from training.base.encoder import SPECIAL_TOKENS, build_encoder
from training.base.vocabulary import count_pieces, cut

WIDE, INNER, LAYERS, HEADS, POSITIONS, TYPES = 32, 64, 1, 2, 8, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "，", "退", "款", "▁", "a", "退款", "hello", "😀", "<mask>"]


def q4(matrix: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Quantise a matrix to Q4_0; return the bytes and the values that they stand for."""
    data, values = b"", []
    for block in matrix.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7 or 1)
        nibbles = np.clip(np.round(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        data += scale.tobytes() + (nibbles[:16] | nibbles[16:] << 4).tobytes()
        values.append((nibbles.astype(np.float32) - 8) * np.float32(scale))
    return data, np.concatenate(values).reshape(matrix.shape)


@pytest.fixture(scope="module")
def tiny_file() -> tuple[bytes, dict[str, np.ndarray]]:
    draw = np.random.default_rng(3)
    tensors: dict[str, tuple[bytes, np.ndarray]] = {}

    def plain(name, *shape):
        array = draw.normal(size=shape).astype("<f4")
        tensors[name] = array.tobytes(), array

    def blocks(name, *shape):
        tensors[name] = q4(draw.normal(size=shape).astype(np.float32))

    blocks("emb.word", len(PIECES), WIDE)
    plain("emb.pos", POSITIONS, WIDE)
    plain("emb.type", TYPES, WIDE)
    for name in ("emb.ln.w", "emb.ln.b", *(f"l0.{n}.{p}" for n in ("aln", "oln") for p in "wb")):
        plain(name, WIDE)
    for name, rows, columns in (
        ("q", WIDE, WIDE),
        ("k", WIDE, WIDE),
        ("v", WIDE, WIDE),
        ("ao", WIDE, WIDE),
        ("fi", INNER, WIDE),
        ("fo", WIDE, INNER),
    ):
        blocks(f"l0.{name}.w", rows, columns)
        plain(f"l0.{name}.b", rows)
    head = struct.pack("<4sI7ifi", b"E5S1", 1, WIDE, LAYERS, HEADS, INNER, len(PIECES), POSITIONS, TYPES, 1e-12, 0)
    text = "".join(PIECES).encode()
    head += struct.pack("<5iQ", len(PIECES), 3, 1, 0, 2, len(text))
    head += bytes(4 * (len(PIECES) + 1) + 4 * len(PIECES)) + text + struct.pack("<iI", 0, 5) + b"norms"
    size = 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in tensors)
    directory, body = struct.pack("<i", len(tensors)), b""
    for name, (data, array) in tensors.items():
        offset = len(head) + size + len(body)
        directory += (
            struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, array.size, offset, len(data))
        )
        body += data
    return head + directory + body, {name: array for name, (_, array) in tensors.items()}


def spec() -> dict:
    added = [
        {
            "id": PIECES.index(t),
            "content": t,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for t in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": None, "decoder": None,
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[piece, -float(i)] for i, piece in enumerate(PIECES)]},
    }  # fmt: skip


def test_weights_come_back_dequantised(tiny_file):
    data, arrays = tiny_file
    sizes, state = read_e5s1(data)
    assert (sizes.hidden_size, sizes.vocab_size, sizes.num_hidden_layers) == (WIDE, len(PIECES), LAYERS)
    np.testing.assert_array_equal(state["embeddings.word_embeddings.weight"], arrays["emb.word"])
    np.testing.assert_array_equal(state["encoder.layer.0.output.dense.weight"], arrays["l0.fo.w"])
    np.testing.assert_array_equal(state["embeddings.position_embeddings.weight"], arrays["emb.pos"])
    model = build_encoder(vars(sizes), state, spec())
    assert model.config.pad_token_id == 1
    assert model(torch.tensor([[0, 5, 2]])).last_hidden_state.shape == (1, 3, WIDE)


@pytest.mark.parametrize(
    "spoil",
    [lambda d: b"XXXX" + d[4:], lambda d: d[:60], lambda d: d[:-2000], lambda d: d.replace(b"l0.fo.w", b"l0.xx.w")],
)
def test_a_spoiled_file_is_refused(tiny_file, spoil):
    with pytest.raises(E5S1Error):
        read_e5s1(spoil(tiny_file[0]))


def test_the_cut_keeps_single_characters_emoji_and_frequent_pieces():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(spec(), ensure_ascii=False))
    seen = count_pieces(tokenizer, ["退款", "退款", "hello"])
    assert seen[PIECES.index("退款")] == 2
    smaller, kept = cut(spec(), seen, pieces=12)
    names = [piece for piece, _ in smaller["model"]["vocab"]]
    assert names == [PIECES[i] for i in kept]
    assert "退款" in names
    assert "hello" not in names
    assert {"退", "，", "a", "😀", "▁", "<mask>"} <= set(names)
    again = Tokenizer.from_str(json.dumps(smaller, ensure_ascii=False))
    assert again.encode("退款").tokens == ["<s>", "退款"]
    assert again.token_to_id("<mask>") == len(names) - 1
    assert cut(spec(), Counter(), pieces=0)[1] == [i for i, p in enumerate(PIECES) if p not in ("退款", "hello")]


class Hub(BaseHTTPRequestHandler):
    """Serves a folder as a model hub does: each file by name under its repository, with the headers that are asked for."""

    folder: Path

    def _answer(self) -> bytes:
        file = self.folder / self.path.split("?")[0].rpartition("/")[2]
        found = "/resolve/" in self.path and file.is_file()
        data = file.read_bytes() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(data)))
        if found:
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        return data

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "hub"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHub", (Hub,), {"folder": folder}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server:
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_original_weights_of_a_hub_are_cut_as_those_of_the_packages_are(tiny_file, hub, tmp_path):
    from tokenizers import Tokenizer
    from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast

    folder, address = hub
    sizes, state = read_e5s1(tiny_file[0])
    whole = build_encoder(vars(sizes), state, spec()).eval()
    out, texts = tmp_path / "base", tmp_path / "texts.txt"
    whole.save_pretrained(folder)
    tokenizer = Tokenizer.from_str(json.dumps(spec(), ensure_ascii=False))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS).save_pretrained(folder)
    texts.write_text("退款，退款\n", encoding="utf-8")
    # The hub's address is read when transformers is imported: a process of its own.
    command = ["base", str(out), "--texts", str(texts), "--pieces", "12", "--from", "someone/tiny-encoder"]
    settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "TRANSFORMERS_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", "from service.cli import app; app()", *command],
        env={**os.environ, **settings},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    smaller, cut_tokenizer = AutoModel.from_pretrained(out).eval(), AutoTokenizer.from_pretrained(out)
    assert cut_tokenizer.convert_ids_to_tokens(range(len(cut_tokenizer))) == [p for p in PIECES if p != "hello"]
    with torch.no_grad():
        before = whole(torch.tensor([tokenizer.encode("退款，").ids])).last_hidden_state
        after = smaller(torch.tensor([cut_tokenizer("退款，").input_ids])).last_hidden_state
    torch.testing.assert_close(after, before)


def test_a_tokenizer_that_cannot_be_cut_is_named(tiny_base, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("退款\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["base", str(tmp_path / "b"), "--texts", str(texts), "--from", str(tiny_base)])
    assert done.exit_code == 2, done.exception
    assert "只能裁剪 Unigram 分词器，该模型用的是 WordPiece 分词器" in done.stderr


def test_a_model_that_cannot_be_had_is_named(tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("退款\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["base", str(tmp_path / "b"), "--texts", str(texts), "--from", "someone/missing"])
    assert done.exit_code == 2
    assert "无法取得模型 someone/missing" in done.output
