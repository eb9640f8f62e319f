import json
import shutil

import numpy as np
import pytest
import torch

from training.config import ConfigError
from training.encoder import load_encoder
from training.pretrain import Pretraining, PretrainSettings, mask, pretrain, tokenise
from training.texts import TextsError


def settings(base, out, texts, **changes):
    values = {
        "base": base,
        "out": out,
        "texts": (texts,),
        "tokens": 4096,
        "block": 32,
        "step_tokens": 256,
        "learning_rate": 3e-3,
    }
    return PretrainSettings(**{**values, **changes})


def test_it_learns_resumes_and_writes_an_encoder(tiny_base, tiny_corpus, tmp_path):
    run = Pretraining(settings(tiny_base, tmp_path, tiny_corpus))
    first = run.train_step(torch.full((8, 32), 7))
    run.save_checkpoint()
    again = Pretraining(settings(tiny_base, tmp_path, tiny_corpus))
    assert again.step == 1
    folder = pretrain(settings(tiny_base, tmp_path, tiny_corpus, snapshot_tokens=2048))
    last = Pretraining(settings(tiny_base, tmp_path, tiny_corpus))
    assert last.step == 16
    assert last.loss < first
    assert (tmp_path / "encoder-2048/config.json").exists()
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"] == 32
    assert load_encoder(folder, layers=1).config.num_hidden_layers == 1


def test_masking_hides_about_a_seventh():
    ids = torch.full((64, 128), 9)
    masked, hidden = mask(ids, 4, 100, torch.Generator().manual_seed(1))
    assert 0.13 < hidden.float().mean() < 0.17
    assert torch.equal(masked[~hidden], ids[~hidden])
    assert np.isclose((masked[hidden] == 4).float().mean(), 0.8, atol=0.05)


def blocks_of(settings):
    return tokenise(settings, Pretraining(settings).tokenizer)


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("本店概不退款，最终解释权归商家所有。\n" * 20, encoding="utf-8")
    return file


@pytest.fixture
def other_base(tiny_base, tmp_path):
    """The base with two pieces of its vocabulary changed about."""
    folder = tmp_path / "other-base"
    shutil.copytree(tiny_base, folder)
    spec = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = spec["model"]["vocab"]
    vocabulary["，"], vocabulary["。"] = vocabulary["。"], vocabulary["，"]
    (folder / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def test_blocks_are_kept_and_made_anew_where_texts_vocabulary_or_settings_differ(
    tiny_base, other_base, texts, tmp_path
):
    own = settings(tiny_base, tmp_path / "run", texts)
    first = blocks_of(own)
    kept = (own.out / "blocks.npy").stat().st_mtime_ns
    assert np.array_equal(blocks_of(own), first)
    assert (own.out / "blocks.npy").stat().st_mtime_ns == kept
    assert not list(own.out.glob("*.partial"))
    assert blocks_of(settings(tiny_base, own.out, texts, block=16)).shape[1] == 16
    assert not np.array_equal(blocks_of(settings(other_base, own.out, texts)), first)
    texts.write_text(texts.read_text(encoding="utf-8") * 2, encoding="utf-8")
    assert len(blocks_of(own)) == 2 * len(first)


def test_a_run_of_another_origin_is_not_gone_on_from(tiny_base, other_base, texts, tmp_path):
    own = settings(tiny_base, tmp_path / "run", texts)
    Pretraining(own).save_checkpoint()
    assert Pretraining(own).step == 0
    for other in (settings(other_base, own.out, texts), settings(tiny_base, own.out, texts, learning_rate=1e-4)):
        with pytest.raises(ConfigError, match="不能接着训练"):
            Pretraining(other)
    texts.write_text("退款\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="不能接着训练"):
        Pretraining(own)


@pytest.mark.parametrize("content", ["", "退款\n"])
def test_texts_that_fill_no_block_are_told(tiny_base, texts, tmp_path, content):
    texts.write_text(content, encoding="utf-8")
    with pytest.raises(TextsError, match="文本过少"):
        blocks_of(settings(tiny_base, tmp_path / "run", texts))


def test_blocks_that_were_not_written_to_the_end_are_not_used(tiny_base, texts, tmp_path, monkeypatch):
    def cut_short(file, array):
        file.write(b"\x93NUMPY")
        raise OSError("disk full")

    own = settings(tiny_base, tmp_path / "run", texts)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(np, "save", cut_short)
        blocks_of(own)
    assert len(blocks_of(own))
