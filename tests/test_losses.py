"""The loss of independent labels: what its settings weigh up and down."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from training.config import LossConfig
from training.losses import label_loss

LOGITS = torch.tensor([[-3.0, -0.5, 0.5, 3.0], [3.0, 0.5, -0.5, -3.0]])
TARGETS = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.7]])
WEIGHTS = torch.tensor([[1.0, 1.0, 0.0, 1.0], [1.0, 0.6, 1.0, 1.0]])


def loss(row=slice(None), **settings):
    return label_loss(LOGITS[row], TARGETS[row], WEIGHTS[row], LossConfig(**settings)).item()


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_without_focus_it_is_cross_entropy(weight):
    plain = binary_cross_entropy_with_logits(LOGITS, TARGETS, WEIGHTS, reduction="sum", pos_weight=torch.tensor(weight))
    assert loss(positive_weight=weight) == pytest.approx(plain.item(), rel=1e-5)


def test_focus_lets_go_of_what_is_easy():
    easy, hard = ((0, slice(0, 1)), (1, slice(0, 1))), ((0, slice(3, 4)), (1, slice(2, 3)))
    for places, least, most in ((easy, 0.0, 0.01), (hard, 0.3, 1.0)):
        for place in places:
            kept = loss(place, positive_focus=2, negative_focus=2) / loss(place)
            assert least <= kept <= most


def test_labels_that_are_not_given_are_let_go_of_below_the_margin():
    absent = (0, slice(0, 1))
    assert loss(absent, negative_margin=0.05) == 0
    probability = torch.sigmoid(LOGITS[0, 3]) - 0.05
    expected = -(probability**4) * torch.log(1 - probability)
    assert loss((0, slice(3, 4)), negative_focus=4, negative_margin=0.05) == pytest.approx(expected.item(), rel=1e-4)
    given = (1, slice(0, 2))
    assert loss(given, negative_focus=4, negative_margin=0.05) == pytest.approx(loss(given), rel=1e-5)


def test_gradients_are_finite_where_a_decision_is_certain():
    logits = torch.tensor([[-60.0, 60.0]], requires_grad=True)
    settings = LossConfig(positive_focus=2, negative_focus=4, negative_margin=0.05)
    label_loss(logits, torch.tensor([[0.0, 1.0]]), torch.ones(1, 2), settings).backward()
    assert torch.isfinite(logits.grad).all()
