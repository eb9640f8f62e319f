"""The loss of independent labels, with what makes it look at hard decisions more than at easy ones."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from training.config import LossConfig


def label_loss(logits: Tensor, targets: Tensor, weights: Tensor, config: LossConfig) -> Tensor:
    """Return the weighted cross-entropy of logits (rows, labels) against targets of 0 to 1, summed.

    A given label counts `(1 - p) ** positive_focus` of its cross-entropy, one not given `p ** negative_focus`, p being
    lowered by `negative_margin` first. Equal exponents without a margin are the focal loss (Lin et al. 2017,
    arXiv 1708.02002), others the asymmetric loss (Ben-Baruch et al. 2020, arXiv 2009.14119).
    """
    given, absent = logsigmoid(logits), logsigmoid(-logits)
    if config.negative_margin:
        absent = torch.log(torch.clamp(absent.exp() + config.negative_margin, max=1.0))
    if config.positive_focus:
        given = given * torch.sigmoid(-logits) ** config.positive_focus
    if config.negative_focus:
        absent = absent * (1 - absent.exp()) ** config.negative_focus
    each = targets * given * config.positive_weight + (1 - targets) * absent
    return -(each * weights).sum()
