import numpy as np

from screening.classifier import Input
from screening.wide import BUCKETS, TEXT_LENGTHS, TEXT_SEED, WideModel, hash_grams
from tests.conftest import ROOT
from training.corpus import read_corpus
from training.curve import learning_curve
from training.doubts import find_doubts
from training.examples import Example
from training.plots import plot_curve
from training.wide import best_share, scaled, train_wide, wide_logits


def examples():
    lawful = ["营业时间九点到九点", "纯棉短袖圆领", "七天内可以退货", "周一休息", "买二送一", "包邮到家"]
    unlawful = ["概不退款", "本店概不退款", "会员卡概不退款", "学费概不退款"]
    ones = np.ones(1, dtype=np.float32)
    return [Example(Input(text, "clause", "店"), ones * (text in unlawful), ones) for text in lawful + unlawful]


def test_it_learns_a_phrase_and_points_at_its_characters(tmp_path):
    model = train_wide(examples())
    model.save(tmp_path / "wide.npz")
    model = WideModel.load(tmp_path / "wide.npz")
    bad, good = wide_logits(model, [Input("押金概不退款哦", "clause", "店"), Input("周一休息", "clause", "店")])
    assert bad[0] > good[0] + 1
    (reading,) = model.read(["押金概不退款哦"], ["合同条款 店"])
    characters = reading.characters(0)
    assert set(np.argsort(-characters)[:4]) == {2, 3, 4, 5}


def test_characters_and_context_add_up_to_the_logit():
    model = train_wide(examples())
    text, context = "学费概不退款退款", "合同条款 店"
    alone, other, whole = model.read(["", "包邮", text], [context, "", context])
    (by_itself,) = model.read([text], [context])
    np.testing.assert_array_equal(whole.logits, by_itself.logits)
    np.testing.assert_array_equal(whole.characters(0), by_itself.characters(0))
    assert other.characters(0).shape == (2,)
    assert alone.characters(0).shape == (0,)
    np.testing.assert_allclose(whole.logits, whole.characters(0).sum() + alone.logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaled(model, 0.5).read([text], [context])[0].logits, whole.logits / 2, rtol=1e-4)


def test_grams_are_stable_and_their_lengths_kept_apart():
    grams = hash_grams(["退款😀"], TEXT_LENGTHS, TEXT_SEED)
    assert list(grams.lengths) == [1, 1, 1, 2, 2, 3]
    assert list(grams.starts) == [0, 1, 2, 0, 1, 0]
    assert len(set(grams.buckets)) == 6
    assert all(0 <= bucket < BUCKETS for bucket in grams.buckets)
    assert hash_grams(["退"], TEXT_LENGTHS, TEXT_SEED).buckets[0] == grams.buckets[0] == 32309


def test_the_share_is_the_one_that_ranks_best():
    targets = np.array([[1], [0], [0], [1]], dtype=np.float32)
    network = np.array([[0.1], [0.2], [0.0], [0.3]], dtype=np.float32)
    wide = np.array([[1], [0], [0], [1]], dtype=np.float32)
    known = np.ones((4, 1), dtype=bool)
    assert best_share(targets, network, wide, known) > 0
    assert best_share(targets, network, -wide, known) == 0


def test_the_learning_curve_rises_and_tells_origins_apart(tmp_path):
    rows = read_corpus([ROOT / "data/corpus/clause.jsonl"])
    training = rows[::4][:1500]
    points = learning_curve(training, rows[1::11], parts=(0.1, 1.0))
    everything = [point for point in points if point.origin == "all"]
    assert everything[0].texts == 150
    assert everything[0].macro_ap < everything[1].macro_ap
    last = {point.origin: point.texts for point in points}
    assert last["authored"] + last["cases"] == last["all"] == 1500
    plot_curve(points, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_label_taken_away_is_doubted():
    rows = read_corpus([ROOT / "data/corpus/clause.jsonl"])[::3]
    label = "clause_sole_interpretation"
    plain = next(row for row in rows if row.labels == (label,) and "最终解释权" in row.text)
    spoilt = [row.model_copy(update={"labels": (), "spans": ()}) if row is plain else row for row in rows]
    doubts = find_doubts(spoilt, folds=2)
    own = [doubt for doubt in doubts if doubt.id == plain.id and doubt.label == label]
    assert [doubt.given for doubt in own] == [False]
    assert doubts == sorted(doubts, key=lambda doubt: -doubt.margin)
    assert len(doubts) < len(rows) / 2
