"""The command `mingjian`, as its user runs it."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from screening.screener import TextInput
from service.cli import app
from service.terminal import show
from tests.conftest import ROOT

BAD = "喝半个月，高血压糖尿病全好了，药都停了"
GOOD = "营业时间上午九点到晚上九点，周一休息。"
run = CliRunner()


def screen(*arguments, **options):
    return run.invoke(app, ["screen", *map(str, arguments)], **options)


def test_a_text_is_shown_with_its_findings_in_chinese():
    done = screen(BAD, "--kind", "ad", "--category", "普通食品", env={"COLUMNS": "160"})
    assert done.exit_code == 1
    for words in ("违规嫌疑", "非药品宣称疾病防治", "《广告法》第十七条", "广告宣传", "仅为线索"):
        assert words in done.stdout


def test_a_lawful_text_ends_with_zero():
    done = screen(GOOD, "--kind", "product")
    assert done.exit_code == 0
    assert "未见异常" in done.stdout


def test_standard_input_and_txt_files(tmp_path):
    path = tmp_path / "广告.txt"
    path.write_bytes(BAD.encode("gb18030"))
    for done in (screen("-", "--json", "--kind", "ad", input=BAD), screen(path, "--json", "--kind", "ad")):
        assert done.exit_code == 1
        assert json.loads(done.stdout)["findings"][0]["label"].startswith("ad_")


def command(*arguments, **options):
    """The command in a process of its own, its output as bytes."""
    code = [sys.executable, "-c", "from service.cli import app; app()", *map(str, arguments)]
    return subprocess.run(code, cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=60, **options)


def test_results_go_to_their_file_while_a_terminal_shows_the_progress(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(json.dumps({"id": f"甲{n}", "text": f"{GOOD}{n}"}) for n in range(260)))
    terminal, other = pty.openpty()
    done = command("screen", "--json", path, stderr=other)
    os.close(other)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert [json.loads(line)["id"] for line in done.stdout.decode().splitlines()] == [f"甲{n}" for n in range(260)]
    assert "筛查" in shown
    assert "甲0" not in shown


def test_results_are_utf_8_whatever_the_machine_prefers(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"id": "😀", "text": f"😀{BAD}", "kind": "ad", "category": "普通食品"}))
    for arguments in (["--json", path], ["--kind", "ad", "--category", "普通食品", f"😀{BAD}"]):
        done = command("screen", *arguments, env={**os.environ, "PYTHONIOENCODING": "gbk"})
        assert done.returncode == 1
        assert "😀" in done.stdout.decode()


def rows_of(tmp_path, content):
    """What the command makes of a CSV file."""
    path = tmp_path / "表.csv"
    path.write_text(content, encoding="utf-8")
    done = screen("--json", path)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_no_cell_of_a_table_is_lost(tmp_path):
    _, (cut, whole) = rows_of(tmp_path, f"id,kind,text\n1,ad,欢迎光临, {BAD}\n2,ad,欢迎光临,,\n")
    assert "第 2 行：列数多于表头" in cut["error"]
    assert "error" not in whole
    _, (found,) = rows_of(tmp_path, f"id,kind,类别,描述,描述\n1,ad,普通食品,{BAD},欢迎光临\n")
    assert found["findings"]
    done, _ = rows_of(tmp_path, f'id,text\n1,"{BAD}\n2,{GOOD}\n3,{GOOD}\n')
    assert done.exit_code == 2
    assert "第 2 行有引号没有闭合" in done.stderr
    _, found = rows_of(tmp_path, f'id,text\n1,{GOOD}\n2,"27""显示器\n{GOOD}"\n')
    assert [row["id"] for row in found] == ["1", "2"]


def test_columns_of_other_systems_and_blank_ids(tmp_path):
    _, (first, second) = rows_of(tmp_path, f"id,来源,文本\n,京东,{GOOD}\n ,广告,{BAD}\n")
    assert (first["id"], first["kind"]) == ("2", None)
    assert (second["id"], second["kind"]) == ("3", "ad")
    _, (wrong,) = rows_of(tmp_path, f"kind,text\n京东,{GOOD}\n")
    assert "kind 取值无效" in wrong["error"]


def test_rows_are_answered_one_by_one_and_bad_ones_do_not_stop_the_rest(tmp_path):
    path = tmp_path / "in.jsonl"
    rows = [
        json.dumps({"id": "a", "text": BAD, "kind": "ad", "category": "普通食品", "more": 1}),
        "{broken",
        json.dumps({"id": "c", "kind": "ad"}),
        json.dumps({"id": "d", "text": GOOD, "kind": "poster"}),
        json.dumps({"id": 5, "text": GOOD}),
        "[]",
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    done = screen("--json", path)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["id"] for r in results] == ["a", "2", "c", "d", "5", "6"]
    assert [r["row"] for r in results] == [1, 2, 3, 4, 5, 6]
    assert results[0]["findings"]
    assert "第 2 行" in results[1]["error"]
    assert "缺少文本列 text（也可用 文案、内容、标题……）" in results[2]["error"]
    assert "kind 取值无效" in results[3]["error"]
    assert "error" not in results[4]
    assert all(r["findings"] == [] for r in results[1:])


def test_csv_of_chinese_excel(tmp_path):
    path = tmp_path / "in.csv"
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [["id", "text", "kind"], ["甲", BAD, "ad"], ["乙", f"第一行\n{GOOD}", "product"], ["丙", "", "ad"]]
        )
    results = [json.loads(line) for line in screen(path).stdout.splitlines()]
    assert [r["id"] for r in results] == ["甲", "乙", "丙"]
    assert results[0]["findings"]
    assert "文本不能为空" in results[2]["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["  "], "文本为空"),
        (["x", "--kind", "poster"], "来源 'poster' 无效"),
        (["no-such.jsonl"], "文件不存在"),
        (["退\udcff款"], "无效字符"),
        (["x", "--model", "/nonexistent"], "缺少文件"),
    ],
)
def test_wrong_use_ends_with_two_and_says_why(arguments, words):
    done = screen(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_evaluate_stands_beside_two_baselines(tmp_path):
    lines = (ROOT / "data/corpus/examples.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    gold = tmp_path / "gold.jsonl"
    gold.write_text("\n".join(lines), encoding="utf-8")
    done = run.invoke(app, ["evaluate", str(gold), "--corpus", str(ROOT / "data/corpus/pilot.jsonl"), "--json"])
    assert done.exit_code == 0, done.output
    systems = json.loads(done.stdout)["systems"]
    assert list(systems) == ["明鉴", "TF-IDF 线性模型", "关键词表"]
    assert systems["明鉴"]["macro_f1"] > systems["关键词表"]["macro_f1"]


def test_the_base_install_needs_neither_torch_nor_transformers():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "datasets", "sklearn", "onnx", "scipy", "matplotlib"}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Block())
import screening, service.api, service.cli
from screening import Screener
from screening.screener import TextInput
assert Screener.load().screen([TextInput("最终解释权归本店所有", "clause")])[0].findings
from typer.testing import CliRunner
done = CliRunner().invoke(service.cli.app, ["train", "--config", "x.yaml", "--out", "y"])
assert done.exit_code == 2 and "pip install '.[train]'" in done.stderr, done.output
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_carries_taxonomy_and_model(tmp_path):
    import zipfile

    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    code = "import screening, sys; assert screening.__file__.startswith(sys.argv[1]); from service.cli import app; app(['screen', '概不退款，最终解释权归本店', '--kind', 'clause', '--json'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["findings"]


@pytest.mark.parametrize("name", ["missing.txt", "合同.docx", "页面.html"])
def test_a_file_that_is_not_there_is_not_screened_as_a_text(name):
    done = screen(name)
    assert done.exit_code == 2
    assert "文件不存在" in done.stderr
    assert screen(f"详情见官网，{name}为准：{GOOD}").exit_code == 0


@pytest.mark.parametrize("command", [["data", "validate"], ["data", "coverage"], ["data", "doubts"]])
def test_a_corpus_that_is_not_there_is_told(command):
    done = run.invoke(app, [*command, "nowhere.jsonl"])
    assert done.exit_code == 2
    assert "文件不存在" in done.stderr


@pytest.mark.parametrize("name", ["my contract.txt", "合同：最终版.txt", "C:\\a.txt", "大写.TXT"])
def test_a_file_of_any_name_is_screened_by_what_it_holds(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = screen(name)
    assert done.exit_code == 2
    assert f"文件不存在：{name}" in done.stderr
    (tmp_path / name).write_text(BAD, encoding="utf-8")
    assert screen(name, "--kind", "ad").exit_code == 1


@pytest.mark.parametrize(
    ("name", "words"), [("文件夹", "不能筛查文件夹"), ("合同.docx", "不能直接筛查此类文件"), ("说明", "不能直接筛查")]
)
def test_what_is_there_and_cannot_be_screened_is_told(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "文件夹").mkdir()
    for file in ("合同.docx", "说明"):
        (tmp_path / file).touch()
    done = screen(name)
    assert done.exit_code == 2
    assert words in done.stderr
    assert name in done.stderr


@pytest.mark.parametrize("text", [GOOD * 20, f"{GOOD}\n详见须知.txt", f"{GOOD * 11}详见须知.txt"])
def test_a_text_that_is_no_name_is_screened(text):
    assert screen(text, "--kind", "product").exit_code == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_standard_input_may_come_in_any_known_encoding(encoding):
    done = screen("-", "--json", "--kind", "ad", input=BAD.encode(encoding))
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["findings"][0]["evidence"][0]["text"] in BAD


def test_standard_input_in_no_known_encoding_is_told():
    done = screen("-", input=b"\xff\xff\xff")
    assert done.exit_code == 2
    assert "标准输入 的编码无法识别" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["screen", "x", "--model", "empty.txt"], "路径中有一级不是文件夹：empty.txt"),
        (["evaluate", "empty.txt", "--corpus", "empty.txt"], "没有可用的文本：empty.txt"),
        (["evaluate-hidden", "empty.txt"], "没有可用的文本：empty.txt"),
        (["evaluate-twins", "empty.txt"], "没有可用的文本：empty.txt"),
        (["data", "doubts", "empty.txt"], "没有可用的文本：empty.txt"),
        (["card", "model", "missing.json"], "文件不存在：missing.json"),
        (["card", "model", "empty.txt"], "不是 mingjian evaluate --json 的输出：empty.txt"),
        (["card", "model", "."], "应为文件，实为文件夹：."),
    ],
)
def test_a_file_that_cannot_be_used_is_told_without_a_traceback(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    done = run.invoke(app, arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "words", "failures"),
    [
        ("空.jsonl", "", "没有可以筛查的文本", 0),
        ("坏.jsonl", "{broken\n[]\n", "没有可以筛查的文本", 2),
        ("缺列.csv", f"编号,说明\n1,{BAD}\n", "没有文本列", 0),
    ],
)
def test_a_file_without_a_row_that_can_be_screened_is_wrong_use(name, content, words, failures, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    done = screen(path)
    assert done.exit_code == 2
    assert words in done.stderr
    assert ["error" in json.loads(line) for line in done.stdout.splitlines()] == [True] * failures


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
def test_the_hints_are_for_rows_that_name_none(name, tmp_path):
    path = tmp_path / name
    rows = [{"text": GOOD, "kind": "product", "category": "餐饮"}, {"text": GOOD, "kind": "", "category": ""}]
    with path.open("w", encoding="utf-8", newline="") as file:
        if name.endswith(".csv"):
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    done = screen(path, "--kind", "ad", "--category", "普通食品")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["kind"], r["category"]) for r in results] == [("product", "餐饮"), ("ad", "普通食品")]


def test_marks_and_words_are_shown_as_posted(screener):
    text = f"本店公告\r\n\x1b[2J\f[/b]\r\n{BAD}"
    (result,) = screener.screen([TextInput(text, "ad", "普通食品")])
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=200)
    show(console, text, result)
    shown = console.file.getvalue()
    marked = re.findall(r"\x1b\[37;41m(.*?)\x1b\[0m", shown)
    assert sorted(marked) == sorted({own.text for finding in result.findings for own in finding.evidence})
    assert "\x1b[2J" not in shown
    assert "[/b]" in shown
