"""Whole documents and category twins: the shipped model on what it was not trained on."""

import json
from types import SimpleNamespace

from typer.testing import CliRunner

from screening.taxonomy import load_taxonomy
from service.cli import app
from tests.conftest import ROOT
from training.documents import measure_documents, read_documents
from training.twins import TwinCounts, TwinQuality, measure_twins, read_twins

TWINS = ROOT / "data/category_twins.jsonl"


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


def test_the_same_words_on_other_goods():
    done = CliRunner().invoke(app, ["evaluate-twins", str(TWINS), "--json"])
    assert done.exit_code == 0, done.output
    quality = TwinQuality.model_validate_json(done.stdout)
    assert quality.total.pairs == 120
    assert quality.total.told_apart / quality.total.pairs >= 0.6, quality.total
    for name, count in quality.total.model_dump().items():
        assert count == sum(getattr(own, name) for own in quality.by_label.values())


def test_what_is_found_on_which_category_is_counted(tmp_path):
    twin = read_twins(TWINS)[0]
    outcomes = {"区分": [True, False], "均有": [True, True], "均无": [False, False], "相反": [False, True]}

    class Finder:
        """Finds the label where the text's outcome for the category says so."""

        def screen(self, items):
            for item in items:
                found = outcomes[item.text][item.category == twin.lawful]
                yield SimpleNamespace(findings=[SimpleNamespace(label=twin.label)] if found else [])

    quality = measure_twins(Finder(), [twin.model_copy(update={"text": text}) for text in [*outcomes, "区分"]])
    assert quality.total == TwinCounts(pairs=5, told_apart=2, both=1, neither=1, wrong_one=1)
    assert quality.by_label == {twin.label: quality.total}


def test_the_counts_are_shown_by_label(tmp_path):
    path = tmp_path / "twins.jsonl"
    path.write_text(TWINS.read_text(encoding="utf-8").split("\n")[0], encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate-twins", str(path)], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    for words in (load_taxonomy()["ad_health_function"].name, "区分正确", "均检出", "均未检出", "合计"):
        assert words in done.stdout


def test_a_bad_line_of_twins_is_named(tmp_path):
    path = tmp_path / "twins.jsonl"
    line = json.loads(TWINS.read_text(encoding="utf-8").split("\n")[0])
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, "label": "ad_none"}), encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate-twins", str(path)])
    assert done.exit_code == 2, done.output
    assert "twins.jsonl 第 2 行：label：未知标签 ad_none" in done.stderr
