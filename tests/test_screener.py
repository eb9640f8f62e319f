"""The shipped model, end to end."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screening.evidence import evidence_spans
from screening.resources import shipped_model
from screening.results import Evidence, Verdict
from screening.screener import (
    DOCUMENT_PIECES,
    MAX_CHARS,
    Judgement,
    Screener,
    TextError,
    TextInput,
    violation_score,
)
from tests.conftest import FILLER, ROOT


@pytest.mark.parametrize(
    ("text", "kind", "category", "label"),
    [
        ("本次活动最终解释权归商家所有。", "clause", "商场促销海报", "clause_sole_interpretation"),
        ("学费一经缴纳，无论何种原因概不退还。", "clause", "英语培训", "clause_limit_termination"),
        ("喝半个月，高血压糖尿病全好了，药都停了", "ad", "普通食品", "ad_medical_claim"),
        ("保底年化12%，本金零风险，到期连本带息返还", "ad", "投资理财", "ad_investment_return"),
        ("零基础签约保过，考不上全额退", "ad", "公考培训", "ad_education_promise"),
        ("五星好评截图发客服，返现三元", "product", "网店 好评卡", "product_fake_transaction"),
        ("交998入会费当代理，拉一个人奖200，下线再拉还有提成", "product", "代理招募", "product_pyramid"),
    ],
)
def test_plain_violations_are_found_with_the_words_that_show_them(screener, text, kind, category, label):
    (result,) = screener.screen([TextInput(text, kind, category)])
    finding = next(finding for finding in result.findings if finding.label == label)
    assert result.verdict is Verdict.SUSPECTED
    assert finding.evidence
    for evidence in finding.evidence:
        assert text[evidence.start : evidence.end] == evidence.text


@pytest.mark.parametrize(
    ("text", "kind", "category"),
    [
        ("营业时间上午九点到晚上九点，周一休息。", "product", "面馆"),
        ("纯棉短袖T恤男夏季圆领宽松半袖上衣", "product", "服装"),
        ("您可以在“我的—设置”中查看、更正或者删除您的个人信息。", "clause", "购物App隐私政策"),
        ("", "ad", ""),
        ("   \n ", None, ""),
    ],
)
def test_plain_lawful_texts_are_clear(screener, text, kind, category):
    (result,) = screener.screen([TextInput(text, kind, category)])
    assert result.findings == ()


def test_hidden_spelling_is_found_and_evidence_stands_as_posted(screener):
    text = "这款茶饮能根*治\u200b糖尿病，喝三盒不用再吃药"
    (result,) = screener.screen([TextInput(text, "ad", "普通食品 代用茶")])
    finding = next(finding for finding in result.findings if finding.label == "ad_medical_claim")
    assert any("根*治" in evidence.text or "糖尿病" in evidence.text for evidence in finding.evidence)


def test_a_batch_answers_as_single_texts_do_and_every_time_the_same(screener):
    lines = (ROOT / "data/corpus/clause.jsonl").read_text(encoding="utf-8").splitlines()[::60]
    items = [TextInput(row["text"], row["kind"], row["category"]) for row in map(json.loads, lines)]
    batch = screener.screen(items)
    assert batch == screener.screen(items)
    for item, together in zip(items, batch, strict=True):
        (alone,) = screener.screen([item])
        assert [f.label for f in alone.findings] == [f.label for f in together.findings]
        assert abs(alone.score - together.score) <= 0.1  # the score's last digit


def test_a_long_contract_is_judged_clause_by_clause(screener):
    plain = "乙方应当按照约定的时间到店锻炼，爱护器械，遵守秩序。"
    text = "\n".join(
        [f"第{n}条 {plain * 2}" for n in "一二三四五"]
        + ["第六条 会员卡一经售出，概不退款，亦不得转让。", f"第七条 {plain}", "第八条 本合同最终解释权归本会所所有。"]
    )
    (result,) = screener.screen([TextInput(text, "clause", "健身会员卡")])
    assert {"clause_limit_termination", "clause_sole_interpretation"} <= {finding.label for finding in result.findings}
    marked = [segment for segment in result.segments if segment.labels]
    assert [text[segment.start : segment.start + 3] for segment in marked] == ["第六条", "第八条"]


def test_a_text_that_cannot_be_read_is_refused(screener):
    with pytest.raises(TextError, match="无效字符"):
        screener.screen([TextInput("退\ud800款")])
    with pytest.raises(TextError, match="过长"):
        screener.screen([TextInput("长" * (MAX_CHARS + 1))])
    with pytest.raises(TextError, match="无效字符"):
        screener.screen([TextInput("退\0款")])


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80),
    st.sampled_from(["ad", "clause", "product", None]),
)
def test_any_text_gets_a_sound_result(screener, text, kind):
    (result,) = screener.screen([TextInput(text, kind)])
    assert 0 <= result.score <= 100
    for finding in (*result.findings, *result.review):
        assert all(text[e.start : e.end] == e.text and e.text for e in finding.evidence)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 1))
def test_the_score_never_falls_when_a_probability_rises(values, index, rise):
    thresholds, weights = np.array([0.3, 0.5, 0.7]), np.array([0.5, 0.8, 1.0])
    lower = np.array(values)
    higher = lower.copy()
    higher[index] = max(values[index], rise)
    assert violation_score(higher, thresholds, weights) >= violation_score(lower, thresholds, weights)


def test_evidence_joins_neighbours_and_skips_what_speaks_against():
    parts = np.array([0.0, 1.0, 0.9, -2.0, 0.8, 0.0, 0.0, 0.0, 0.0, 0.5], dtype=np.float32)
    offsets = [(i, i + 1) for i in range(10)]
    spans = evidence_spans(parts, offsets)
    assert [(span.start, span.end) for span in spans] == [(1, 5), (9, 10)]
    assert sum(span.weight for span in spans) == pytest.approx(1)
    assert evidence_spans(-abs(parts), offsets) == []


def test_the_shipped_model_has_not_drifted():
    folder = shipped_model()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    parity = manifest["metrics"]["parity"]
    assert parity["texts"] >= 500
    assert parity["fp32_flips"] == 0
    assert parity["int8_flips"] <= 0.003 * parity["decisions"]
    Screener.load(folder).check_golden()


def test_words_read_with_several_items_are_shown_once(screener):
    text = "下列情形本店概不退款：\n1、会员本人原因；\n2、教练离职；\n本店营业时间为每日九点至二十一点" + FILLER
    (result,) = screener.screen([TextInput(text, "clause", "健身", by_segment=True)])
    foremost = (*result.findings, *result.review)[0]
    assert sum("概不退" in own.text for own in foremost.evidence) == 1
    hours = next(own for own in result.segments if text[own.start : own.end].startswith("本店营业时间"))
    assert hours.findings == ()


def test_items_are_judged_by_the_lead_ins_of_every_level(screener):
    text = (
        "第二条 有下列情形之一的，本公司不承担任何责任：\n（一）会员在场内发生下列情况：\n1.受伤；\n2.财物丢失；"
        "\n（二）教练原因造成下列后果：\n1.课程取消；" + FILLER
    )
    (result,) = screener.screen([TextInput(text, "clause", "健身")])
    assert "clause_exempt_liability" in {finding.label for finding in result.findings}


def test_nothing_is_cut_off_where_a_segment_has_more_tokens_than_the_network_reads(screener):
    text = "㎡㈱⑴" * 80 + "会员卡一经售出概不退款"
    (result,) = screener.screen([TextInput(text, "clause", "健身")])
    assert len(result.segments) > 1
    assert result.segments[-1].end == len(text)


def test_odd_letters_that_resemble_latin_ones_are_read(screener):
    (result,) = screener.screen([TextInput("zuı佳产品 zuİ佳产品")])
    assert result.segments


@pytest.mark.parametrize("by_segment", [False, True])
def test_a_long_text_is_judged_more_strictly_however_it_came(screener, by_segment):
    text = "会员卡一经售出概不退款，最终解释权归本店所有。"
    short, long = screener.screen(
        [TextInput(own, "clause", "健身会员卡", by_segment=by_segment) for own in (text, text + FILLER)]
    )
    assert len(short.segments) < DOCUMENT_PIECES <= len(long.segments)
    usual = {decision.label: decision.threshold for decision in screener.artifact.decisions}
    assert short.findings
    assert long.findings
    assert all(finding.threshold == usual[finding.label] for finding in short.findings)
    assert all(finding.probability >= finding.threshold > usual[finding.label] for finding in long.findings)
    kept = {own.label for own in (*long.findings, *long.review)}
    assert {finding.label for finding in short.findings} <= kept


@pytest.mark.parametrize(
    "text",
    [
        "\ufdfa" * 60,
        "".join(f"{mark}{'甲方乙方' * 24}如下：\n" for mark in ("第一条 ", "一、", "（一）", "1、", "（1）"))
        + "①概不退款。",
    ],
)
def test_what_grows_when_it_is_made_plain_or_has_long_lead_ins_is_still_read_whole(screener, text):
    pieces = screener.cut(TextInput(text, "clause", by_segment=True))
    assert pieces
    assert all(screener.classifier.holds(piece.input) for piece in pieces)
    assert max(piece.end for piece in pieces) == len(text)


def test_the_words_of_a_finding_come_from_pieces_that_reach_its_threshold(screener):
    item = TextInput("概不退款。\n周一休息。", "clause", by_segment=True)
    pieces = screener.cut(item)
    decision = screener.artifact.decisions[0]
    sure, doubtful = decision.threshold + 0.01, decision.review_threshold + 0.01

    def judged(probability, start, end):
        probabilities = np.zeros(len(screener.artifact.decisions), dtype=np.float32)
        probabilities[0] = probability
        words = Evidence(start=start, end=end, text=item.text[start:end], weight=1)
        return Judgement(probabilities, {0: [words]})

    result = screener.gather(item, pieces, [judged(sure, 0, 4), judged(doubtful, 6, 10)])
    assert [own.text for own in result.findings[0].evidence] == ["概不退款"]
    result = screener.gather(item, pieces, [judged(doubtful, 0, 4), judged(doubtful, 6, 10)])
    assert [own.text for own in result.review[0].evidence] == ["概不退款", "周一休息"]
