"""Whole documents and category twins: the shipped model on what it was not trained on."""

import json

from screening.screener import TextInput
from tests.conftest import ROOT
from training.documents import measure_documents, read_documents


def test_whole_documents(screener):
    quality = measure_documents(screener, read_documents(ROOT / "data/documents.jsonl"))
    assert quality.violating >= 600
    assert quality.lawful >= 4000
    assert quality.found >= 0.88, quality
    assert quality.false_per_100 <= 2.5, quality


def test_documents_are_not_in_the_corpus():
    rows = [
        json.loads(line)["text"]
        for file in (ROOT / "data/corpus").glob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    texts = {s.text for d in read_documents(ROOT / "data/documents.jsonl") for s in d.segments if len(s.text) > 12}
    assert not texts & set(rows)


def test_the_same_words_on_other_goods(screener):
    lines = (ROOT / "data/category_twins.jsonl").read_text(encoding="utf-8").splitlines()
    right = 0
    for twin in map(json.loads, lines):
        items = [TextInput(twin["text"], twin["kind"], twin[side]) for side in ("with", "without")]
        found = [twin["label"] in {own.label for own in result.findings} for result in screener.screen(items)]
        right += found == [True, False]
    assert right / len(lines) >= 0.6
