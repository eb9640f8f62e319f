"""The stored texts with hidden words: what they are, and what the shipped model makes of them."""

import json

import pytest

from screening.resources import shipped_model
from tests.conftest import ROOT
from training.corpus import read_corpus
from training.robustness import hidden_set, measure_robustness

WAYS = {"符号", "空格", "表情", "零宽字符", "繁体", "拼音", "谐音", "拆字"}


@pytest.fixture(scope="module")
def rows():
    return read_corpus([ROOT / "data/hidden_twins.jsonl"])


def test_the_stored_texts_are_none_that_the_model_learned(rows):
    held_out = set(json.loads((shipped_model() / "split.json").read_text(encoding="utf-8"))["held_out"])
    plain = {row.id: row for row in rows if "~" not in row.id}
    assert len(plain) == 400
    assert set(plain) <= held_out
    twins = [row for row in rows if "~" in row.id]
    assert {row.id.rpartition("~")[2] for row in twins} == WAYS
    assert all(twin.text != plain[twin.id.rpartition("~")[0]].text for twin in twins)
    assert all(twin.labels == plain[twin.id.rpartition("~")[0]].labels for twin in twins)


def test_the_same_texts_are_hidden_alike_every_time(rows):
    plain = [row for row in rows if "~" not in row.id]
    assert [row.text for row in hidden_set(plain, 400)] == [row.text for row in rows]


def test_most_is_found_again_and_lawful_texts_stay_quiet(rows, screener):
    quality = measure_robustness(rows, screener.classifier, screener.artifact.decisions)
    assert set(quality.found) == WAYS
    assert min(quality.found.values()) >= 0.85, quality
    assert max(quality.alarms.values()) <= quality.plain_alarms + 0.08, quality
