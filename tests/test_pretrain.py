import json

import numpy as np
import torch

from training.encoder import load_encoder
from training.pretrain import Pretraining, PretrainSettings, mask, pretrain


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
