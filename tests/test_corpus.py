"""The corpus that ships, and the checks that it must pass."""

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from screening.taxonomy import KINDS, load_taxonomy
from service.cli import app
from tests.conftest import ROOT
from training.config import TrainConfig
from training.corpus import CorpusError, Row, read_corpus
from training.split import Split, stratified_folds
from training.train import divide
from training.validate import validate

CORPUS = ROOT / "data/corpus"


@pytest.fixture(scope="module")
def report():
    return validate([CORPUS])


def test_the_corpus_is_sound(report):
    assert report.errors == []


def test_it_is_large_and_varied_enough(report):
    written = [row for row in report.rows if row.note != "variant"]
    assert len(written) >= 20_000
    counted = Counter(code for row in written for code in row.labels)
    assert min(counted[code] for code in load_taxonomy().codes) >= 300
    for kind in KINDS:
        own = [row for row in written if row.kind == kind]
        assert sum(not row.labels for row in own) / len(own) >= 0.4, kind


def row(**changes):
    return {
        "id": "x1",
        "text": "概不退款",
        "kind": "clause",
        "category": "健身",
        "labels": ["clause_limit_termination"],
        **changes,
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "第 1 行：不是有效的 JSON"),
        ([row(labels=["clause_x"])], "未知标签 clause_x"),
        ([row(source="clause_forced_deal")], "不应为标签 clause_forced_deal"),
        (["5"], "第 1 行：应为 JSON 对象"),
        ([row(kind="poster")], "kind：取值无效，可选 ad、clause、product"),
        ([row(text="")], "text：不能为空"),
        ([row(colour="红")], "colour：多余的字段"),
        ([row(labels="x")], "labels：应为列表"),
        ([row(labels=[5])], "labels.0：应为文字"),
        ([row(readings=0)], "readings：数值过小"),
        ([row(readings=1.5)], "readings：应为整数"),
        ([{name: value for name, value in row().items() if name != "kind"}], "kind：缺少字段"),
        ([row(spans=[{"start": 0, "end": 9, "label": "clause_limit_termination"}])], "超出文本"),
        ([row(spans=[{"start": 0, "end": 4, "label": "clause_forced_deal"}])], "不在本条的标签之中"),
        ([row(), row(id="x2")], "第 2 行 与 rows.jsonl 第 1 行 重复"),
        ([row(), row(id="x2", labels=[])], "同文异标"),
        ([row(), row(text="另一条")], "编号 x1"),
    ],
)
def test_faults_are_named_with_their_rows(tmp_path, lines, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines),
        encoding="utf-8",
    )
    (error,) = validate([path]).errors
    assert message in error
    done = CliRunner().invoke(app, ["data", "validate", str(path)])
    assert done.exit_code == 1


def test_near_repeats_are_pointed_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    long = "会员卡一经办理不予退款亦不得转让他人使用请您在办卡之前仔细考虑并阅读本店公示的全部规则"
    rows = [row(text=long), row(id="x2", text=long + "谢谢")]
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    report = validate([path])
    assert [line.endswith("近似重复") for line in report.warnings if "近似" in line] == [True]
    assert (report.near[False], report.near[True]) == (1, 0)
    report = validate([path], held_out={"x2"})
    assert any("一条留作检验" in line for line in report.warnings)
    assert (report.near[False], report.near[True]) == (0, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_files_of_chinese_offices_are_read(tmp_path, encoding):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(row(), ensure_ascii=False).encode(encoding))
    assert read_corpus([path])[0].text == "概不退款"


def test_the_first_bad_line_stops_a_reader(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row()) + "\n{}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"rows.jsonl 第 2 行"):
        read_corpus([path])


def test_texts_are_counted_by_trade_and_category(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        row(),
        row(id="x2", text="办卡当日可退", labels=[]),
        row(id="x3", text="包你学会", kind="ad", category="驾校"),
    ]
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["data", "validate", str(path)])
    line = next(line for line in done.output.splitlines() if "健身 2" in line)
    assert "50%" in line
    assert "驾校 1" in done.output


def test_a_folder_without_files_is_an_error(tmp_path):
    done = CliRunner().invoke(app, ["data", "validate", str(CORPUS / "pilot.jsonl"), str(tmp_path)])
    assert done.exit_code == 2
    with pytest.raises(CorpusError, match="没有 JSONL 文件"):
        read_corpus([tmp_path])


def test_one_wording_stays_in_one_fold_under_any_category_and_punctuation():
    rows = [
        Row.model_validate(row(id=f"{number}-{category}", text=f"第{number}次办卡{mark}概不退款", category=category))
        for number in range(20)
        for category, mark in (("健身", "，"), ("美发", "！"))
    ]
    fold = stratified_folds(rows, 4, seed=1)
    assert fold[::2] == fold[1::2]
    assert Row.model_validate(row(text="？！")).group == "？！"
    assert Row.model_validate(row(source="https://example.org/1")).group == "https://example.org/1"


def test_what_an_earlier_run_held_out_is_learned_in_no_other_form(tmp_path):
    def write(name, rows):
        (tmp_path / name).write_text("\n".join(json.dumps(own) for own in rows), encoding="utf-8")
        return tmp_path / name

    split = tmp_path / "split.json"
    split.write_text(Split(data_version="", held_out=("x1",)).model_dump_json(), encoding="utf-8")
    others = [row(id="x2", category="美发"), row(id="x3", text="概不退换")]
    extra = [row(id="e1", text="概不退款！"), row(id="e2", text="另一条")]
    corpora = divide(
        TrainConfig(
            base="x",
            corpus=(write("corpus.jsonl", [row(), *others]),),
            extra=(write("extra.jsonl", extra),),
            split=split,
        )
    )
    assert [own.id for own in corpora.held_out] == ["x1"]
    assert [own.id for own, _ in corpora.training] == ["x3", "e2"]
