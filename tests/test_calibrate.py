import numpy as np

from training.calibrate import MAX_FALSE_ALARMS, decide


def held_out(texts=1200, seed=5):
    draw = np.random.default_rng(seed)
    targets = (draw.random((texts, 3)) < [0.25, 0.1, 0.01]).astype(np.float32)
    logits = (draw.normal(size=targets.shape) + 4 * targets - 2).astype(np.float32)
    return targets, logits, np.ones(targets.shape, dtype=bool)


def test_thresholds_keep_false_alarms_low_and_find_most():
    targets, logits, known = held_out()
    decisions = decide(("a", "b", "c"), targets, logits, known)
    slope, offset, threshold = (np.array([getattr(d, n) for d in decisions]) for n in ("slope", "offset", "threshold"))
    given = 1 / (1 + np.exp(-(logits * slope + offset))) >= threshold
    assert given[~targets.any(1).astype(bool)].any(1).mean() <= MAX_FALSE_ALARMS + 0.01
    assert given[targets[:, 0] > 0, 0].mean() > 0.6
    assert all(d.review_threshold < d.threshold for d in decisions)


def test_a_label_with_few_positives_is_calibrated_with_all():
    decisions = decide(("a", "b", "c"), *held_out())
    assert [d.calibrated for d in decisions] == [True, True, False]


def test_probabilities_mean_what_they_say():
    targets, logits, known = held_out(8000)
    first = decide(("a", "b", "c"), targets, logits, known)[0]
    probability = 1 / (1 + np.exp(-(logits[:, 0] * first.slope + first.offset)))
    for low, high in ((0.1, 0.4), (0.6, 0.9)):
        inside = (probability > low) & (probability < high)
        assert abs(targets[inside, 0].mean() - probability[inside].mean()) < 0.08
