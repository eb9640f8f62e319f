"""Training against moved word vectors and against dropout: what it adds to the loss, and that it leaves nothing behind."""

import copy

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from training.config import TrainConfig
from training.examples import encode, training_batch
from training.regularise import adversarial_embedding, disagreement
from training.train import Training, loss_of


@pytest.fixture
def training(tiny_base, tiny_corpus, tmp_path):
    config = TrainConfig(base=str(tiny_base), corpus=(tiny_corpus,), epochs=2, holdout=0.2, max_tokens=64)
    return Training(config.model_copy(update={"head_rate": 1e-2, "adversarial": 1.0, "consistency": 1.0}), tmp_path)


def test_disagreement_is_the_divergence_of_known_labels():
    first, second = torch.randn(3, 5), torch.randn(3, 5)
    known = torch.ones(3, 5)
    known[:, 2] = 0
    one, other = Bernoulli(logits=first), Bernoulli(logits=second)
    both = (kl_divergence(one, other) + kl_divergence(other, one)) / 2
    assert disagreement(first, second, known).item() == pytest.approx((both * known).sum().item(), rel=1e-4)
    assert disagreement(first, first, known).item() == 0


def test_moved_words_raise_the_loss_and_come_back(training):
    items = training.examples[:8]
    batch = training_batch(items, encode(items, training.tokenizer), training.tokenizer)
    model = training.model.eval()  # without dropout, so that the same words give the same loss

    def loss():
        return loss_of(model(**batch.inputs), batch, training.config)

    words = model.encoder.get_input_embeddings().weight
    plain, before = words.detach().clone(), loss()
    with pytest.raises(ValueError, match="no gradient"), adversarial_embedding(words, 1.0):
        pass
    before.backward()
    with adversarial_embedding(words, 1.0):
        assert (words - plain).norm().item() == pytest.approx(1, rel=1e-3)
        assert loss() > before
    assert torch.equal(words, plain)


def test_a_step_learns_from_moved_words_and_from_two_passes(training):
    config = training.config
    start = copy.deepcopy(training.model.state_dict())
    after = {}
    for name, changes in (("plain", {"adversarial": 0, "consistency": 0}), ("moved", {"consistency": 0}), ("both", {})):
        training.model.load_state_dict(start)
        training.optimiser.state.clear()
        training.step = 0
        training.config = config.model_copy(update=changes)
        torch.manual_seed(1)
        (batch,) = training._prepared([list(range(8))])
        training._train_step(batch)
        after[name] = training.model.head.query.detach().clone()
    assert not torch.equal(after["plain"], after["moved"])
    assert not torch.equal(after["moved"], after["both"])


def test_such_a_run_learns(training):
    training.run()
    losses = [figures["loss"] for figures in training.history]
    assert losses[1] < losses[0]
