"""What the corpus covers is counted, and one-sided trades are found."""

import io
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from screening.taxonomy import load_taxonomy
from service.cli import app
from tests.conftest import ROOT
from training.corpus import Row
from training.coverage import coverage_of, medium_of, speaker_of, trade_of, wording_of


def row(n, category, labels):
    return Row(id=str(n), text="字" * 20, kind="ad", category=category, labels=labels)


def test_trades_come_from_the_words_of_the_category():
    assert trade_of("普通食品 直播间") == "食品"
    assert trade_of("电子烟") == "烟草烟花"
    assert trade_of("说不清的东西") == "其他"


def test_media_and_provinces_come_from_category_and_text():
    assert medium_of("普通食品 直播间") == "直播短视频"
    assert medium_of("白酒") == "其他"
    rows = [row(1, "民宿 公众号", ("ad_absolute",)).model_copy(update={"text": "来大理，住最好的院子"})]
    found = coverage_of(rows)
    assert found.media == {("ad_absolute", "社交平台"): 1}
    assert found.provinces == {("ad_absolute", "云南"): 1}


def test_wording_and_speaker_come_from_the_words_of_the_text():
    assert wording_of("家人们，三二一上链接") == "直播话术"
    assert wording_of("老客户都懂的，私聊报价") == "暗语影射"
    assert wording_of("净含量 500 克") == "其他"
    assert speaker_of("乙方逾期一日，甲方可解除") == "合同双方"
    assert speaker_of("本店会员卡概不退款") == "店家"
    assert speaker_of("净含量 500 克") == "其他"


def test_a_trade_with_few_lawful_texts_is_one_sided():
    rows = [row(n, "电子烟", ("ad_unreviewed",)) for n in range(8)] + [row(9, "电子烟", ())]
    rows += [row(10 + n, "白酒", ("ad_absolute",)) for n in range(8)] + [row(20 + n, "白酒", ()) for n in range(8)]
    one_sided = [(cell.label, cell.trade) for cell in coverage_of(rows).cells if cell.is_one_sided]
    assert one_sided == [("ad_unreviewed", "烟草烟花")]


def test_every_label_and_trade_has_its_share_of_lawful_texts_shown():
    rows = [row(n, "电子烟", ("ad_absolute",)) for n in range(3)] + [row(3, "电子烟", ())]
    rows += [row(10 + n, "白酒", ("ad_absolute",)) for n in range(2)]
    console = Console(file=io.StringIO(), width=100)
    coverage_of(rows).show_cells(console)
    shown = console.file.getvalue()
    name = load_taxonomy()["ad_absolute"].name
    lines = [line.replace("│", " ").split() for line in shown.splitlines() if name in line]
    assert lines == [[name, "烟草烟花", "3", "25%"], [name, trade_of("白酒"), "2", "0%"]]


def test_all_cells_are_shown_on_demand(tiny_corpus):
    short, full = (CliRunner().invoke(app, ["data", "coverage", str(tiny_corpus), *more]) for more in ([], ["--all"]))
    assert "不足 5 条的，数量过少，不作判断" in short.stdout
    assert "合规占比" not in short.stdout
    assert "合规占比" in full.stdout


def test_the_shipped_corpus_is_nowhere_one_sided():
    done = CliRunner().invoke(app, ["data", "coverage", str(Path(ROOT / "data/corpus"))])
    assert done.exit_code == 0, done.output
    assert "合规文本不足 30% 的“标签—行业”共 0 处" in done.stdout
    assert "没有文本的行业、载体、省份、说法、说话人" in done.stdout
