"""How texts are grouped into batches, and what becomes of them there."""

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from screening.classifier import BATCH_OVERHEAD, WIDE_TEXTS, Input, length_sorted_batches

LIMIT = 100


def cost(batches, lengths):
    return sum(len(batch) * max(lengths[i] for i in batch) + BATCH_OVERHEAD for batch in batches)


@given(st.lists(st.integers(1, 130), max_size=8))
def test_no_grouping_costs_less(lengths):
    batches = length_sorted_batches(lengths, LIMIT)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= LIMIT for batch in batches)
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    if not order:
        return
    others = []
    for cuts in range(len(order)):
        for places in combinations(range(1, len(order)), cuts):
            edges = [0, *places, len(order)]
            grouping = [order[a:b] for a, b in pairwise(edges)]
            if all(len(batch) == 1 or len(batch) * lengths[batch[-1]] <= LIMIT for batch in grouping):
                others.append(cost(grouping, lengths))
    assert cost(batches, lengths) == min(others)


def test_texts_read_together_have_the_outputs_that_each_has_alone(screener):
    kinds = ("ad", "clause", "product", None)
    inputs = [Input(f"第{n}条会员卡售出不退" * (1 + n % 5), kinds[n % 4], "健身") for n in range(WIDE_TEXTS + 6)]
    for own, together in zip(inputs, screener.classifier.run(inputs), strict=True):
        (alone,) = screener.classifier.run([own])
        assert together.offsets == alone.offsets
        assert np.allclose(together.logits, alone.logits, atol=1e-4)
        assert np.allclose(together.parts(3), alone.parts(3), atol=1e-4)
