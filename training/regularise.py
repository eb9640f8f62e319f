"""What makes a text's decisions hold against small changes: of its words' vectors, and of what dropout leaves out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def adversarial_embedding(embedding: nn.Parameter, length: float) -> Iterator[None]:
    """Within the context, move the word vectors by `length` in the direction that raises the loss most.

    The fast gradient method (Miyato et al. 2017, arXiv 1605.07725); the gradient of the loss must stand in the
    parameter. The loss of the moved words is added to it by a second backward pass.
    """
    gradient = embedding.grad
    if gradient is None:
        raise ValueError("the word vectors have no gradient yet")
    plain = embedding.detach().clone()
    step = gradient / (gradient.norm() + 1e-9) * length
    with torch.no_grad():
        embedding.add_(step)
    try:
        yield
    finally:
        with torch.no_grad():
            embedding.copy_(plain)


def disagreement(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    """Return the summed symmetric Kullback-Leibler divergence of two passes' logits (rows, labels), halved.

    R-Drop (Liang et al. 2021, arXiv 2106.14448), for independent labels: between two Bernoulli distributions the
    symmetric divergence is the difference of the probabilities times the difference of the logits.
    """
    apart = (torch.sigmoid(first) - torch.sigmoid(second)) * (first - second)
    return (apart * weights).sum() / 2
