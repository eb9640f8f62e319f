"""Hidden twins: changed where the words are marked, readable again where the normaliser can."""

import numpy as np
import pytest

from screening.normalise import normalise
from training.corpus import MarkedWords, Row
from training.evasion import SIGNS, Evader, evasive_twins

TEXT = "这款茶饮包治百病，药店都断货了"
ROW = Row(
    id="x",
    text=TEXT,
    kind="ad",
    category="普通食品",
    labels=("ad_medical_claim",),
    spans=(MarkedWords(start=4, end=8, label="ad_medical_claim"),),
)
WAYS = ["符号", "空格", "表情", "零宽字符", "繁体", "拼音", "谐音", "拆字"]


@pytest.fixture(scope="module")
def evader(corpus_rows):
    return Evader([row["text"] for row in corpus_rows] + [TEXT])


@pytest.mark.parametrize("way", WAYS)
def test_the_marked_words_alone_are_hidden(evader, way):
    twin = evader.twin(ROW, way, np.random.default_rng(1))
    if twin is None:  # these words have no other traditional form
        assert way == "繁体"
        return
    assert twin.text != TEXT
    assert twin.text.startswith("这款茶饮")
    assert twin.text.endswith("，药店都断货了")
    assert twin.labels == ROW.labels


@pytest.mark.parametrize("way", ["空格", "表情", "零宽字符", "拆字"])
def test_the_normaliser_sees_through(evader, way):
    twin = evader.twin(ROW, way, np.random.default_rng(2))
    assert "包治百病" in normalise(twin.text).text


def test_the_normaliser_sees_through_some_signs_and_leaves_others_to_the_model():
    seen = {sign for sign in SIGNS if normalise(sign.join("包治百病")).text == "包治百病"}
    assert {"*", ".", "~", "|", "♪", "…"} <= seen
    assert "、" not in seen  # it divides honest lists


def test_words_of_a_lawful_text_are_hidden_too(evader):
    row = ROW.model_copy(update={"labels": (), "spans": ()})
    twin = evader.twin(row, "拼音", np.random.default_rng(1))
    assert twin.text != TEXT
    assert twin.labels == ()


def test_twins_for_training_are_those_that_the_normaliser_does_not_undo(corpus_rows):
    rows = {row["id"]: Row.model_validate(row) for row in corpus_rows}
    twins = evasive_twins(list(rows.values()), 0.5, seed=3)
    assert all(normalise(twin.text).text != normalise(rows[twin.id.split("~")[0]].text).text for twin in twins)
    assert {twin.id.split("~")[1] for twin in twins} >= {"拼音", "谐音"}
    lawful = sum(not twin.labels for twin in twins)
    assert 0.2 * len(twins) < lawful < 0.5 * len(twins)


def test_twins_are_made_of_a_share_and_the_same_each_time(corpus_rows):
    rows = [Row.model_validate(row) for row in corpus_rows]
    marked = sum(bool(row.spans) for row in rows)
    twins = evasive_twins(rows, 0.5, seed=3)
    assert 0.2 * marked < sum(bool(twin.labels) for twin in twins) < 0.7 * marked
    assert twins == evasive_twins(rows, 0.5, seed=3)
    assert len({twin.id for twin in twins}) == len(twins)
