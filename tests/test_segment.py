from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from screening.segment import LEAD_CHARS, OVERLAP_CHARS, WHOLE_CHARS, WINDOW_CHARS, segment
from tests.conftest import FILLER

CONTRACT = (
    """健身服务合同
第一条 服务内容。甲方在约定时间内向乙方提供健身场地、器械及更衣淋浴设施，乙方凭会员卡入场锻炼，具体开放时间以前台公示为准，节假日另行通知，乙方应当爱护器械并遵守场内秩序，不得擅自带未成年人入场。
第二条 责任。场内设监控。有下列情形之一的，甲方不承担责任：
（一）会员在场内受伤的；
（二）器械故障造成损失的。
第三条 其他。1.甲方可以随时调整价格。2.争议由甲方所在地法院管辖。
一、补充约定如下：
①会员卡不得转让；
②会员卡不得退款。
"""
    + "乙方已经阅读并理解上述内容。" * 8
)


LINES = st.one_of(
    st.builds(
        lambda mark, words, end: mark + words + end,
        st.sampled_from(["第二条 ", "一、", "（一）", "1.", "1.1 ", "①", "", "  "]),
        st.text(alphabet="甲方乙退款会员，、（）()x2\u3000 ", max_size=60),
        st.sampled_from(["：", "；", "。", "", "，", ":"]),
    ),
    st.text(alphabet="第一二条、（）()1.2①②：:；。 甲方乙退款x", max_size=30),
    st.just("有下列情形之一的，" + "本公司" * 60 + "不承担责任："),
)


def words(text, piece):
    return "".join(text[slice(*lead)] for lead in piece.leads), text[piece.start : piece.end]


def test_a_short_text_is_judged_whole():
    (piece,) = segment("  本店概不退换。谢谢。\n", "clause")
    assert (piece.start, piece.end) == (2, 12)


def test_items_keep_the_lead_in_they_hang_on():
    pieces = [words(CONTRACT, piece) for piece in segment(CONTRACT, "clause")]
    assert ("有下列情形之一的，甲方不承担责任：", "（一）会员在场内受伤的；") in pieces
    assert ("有下列情形之一的，甲方不承担责任：", "（二）器械故障造成损失的。") in pieces
    assert ("", "1.甲方可以随时调整价格。") in pieces
    assert ("一、补充约定如下：", "①会员卡不得转让；") in pieces
    assert not any(own.endswith("甲方不承担责任：") for _, own in pieces)


def test_long_unbroken_text_is_read_in_overlapping_windows():
    text = "长" * 1000
    pieces = segment(text, "ad")
    assert all(piece.end - piece.start <= WINDOW_CHARS for piece in pieces)
    assert all(b.start == a.end - OVERLAP_CHARS for a, b in pairwise(pieces))
    assert (pieces[0].start, pieces[-1].end) == (0, 1000)


@given(
    st.lists(LINES, min_size=15, max_size=40).map("\n".join),
    st.sampled_from(["ad", "clause", "product", None]),
    st.booleans(),
)
def test_nothing_is_left_out(text, kind, in_lines):
    assume(len(text.strip()) > WHOLE_CHARS)
    pieces = segment(text, kind, in_lines)
    read = set()
    for piece in pieces:
        for start, end in (*piece.leads, (piece.start, piece.end)):
            assert 0 <= start < end <= len(text)
            read.update(range(start, end))
    assert all(i in read for i, character in enumerate(text) if not character.isspace())
    assert all(end <= piece.start for piece in pieces for _, end in piece.leads)
    assert all(a.start < b.start for a, b in pairwise(pieces))


def test_items_keep_the_lead_ins_of_every_level():
    text = (
        "第二条 有下列情形之一的，本公司不承担任何责任：\n（一）会员在场内发生下列情况：\n1.受伤；\n2.财物丢失；\n"
        "（二）教练原因造成课程取消。" + FILLER
    )
    pieces = [words(text, piece) for piece in segment(text, "clause")]
    outer, inner = "第二条 有下列情形之一的，本公司不承担任何责任：", "（一）会员在场内发生下列情况："
    assert pieces[:3] == [
        (outer + inner, "1.受伤；"),
        (outer + inner, "2.财物丢失；"),
        (outer, "（二）教练原因造成课程取消。"),
    ]


def test_a_short_item_is_no_heading_and_a_heading_is_read_once():
    text = "第二条 退款\n下列情形概不退款：\n（一）会员本人原因\n（二）教练离职" + FILLER
    pieces = [words(text, piece) for piece in segment(text, "clause")]
    lead = "下列情形概不退款："
    assert pieces[:2] == [("第二条 退款" + lead, "（一）会员本人原因"), (lead, "（二）教练离职")]
    assert pieces[2][0] == ""


def test_lines_below_a_list_do_not_hang_on_its_lead_in():
    text = (
        "下列情形本店概不退款：\n1、会员本人原因；\n2、教练因个人原因或者俱乐部人员调整等原因提前\n离职。\n本店营业时间为每日九点至二十一点"
        + FILLER
    )
    pieces = [words(text, piece) for piece in segment(text, "clause")]
    assert ("下列情形本店概不退款：", "离职。") in pieces
    assert ("", "本店营业时间为每日九点至二十一点") in pieces


def test_of_a_long_lead_in_the_end_is_kept():
    lead = "有下列情形之一的，" + "本公司" * 60 + "不承担责任："
    text = f"第一条 {lead}\n（一）会员受伤。" + FILLER
    first, second = segment(text, "clause")[:2]
    assert text[first.start : second.leads[0][0]].startswith("第一条 有下列情形之一的")
    assert second.leads[0][1] - second.leads[0][0] == LEAD_CHARS


def test_lines_of_a_listing_stand_apart_and_headings_do_not():
    listing = "滩羊后腿 真空分割\n自家熬的奶皮子，没办证\n满两百减二十"
    assert [listing[s.start : s.end] for s in segment(listing, "product", in_lines=True)] == listing.split("\n")
    assert len(segment(listing, "product")) == 1
    contract = "一、协议变更\n1.1 修改前三十日公告。\n1.2 您可以退出。"
    pieces = [contract[s.start : s.end] for s in segment(contract, "clause", in_lines=True)]
    assert pieces == ["一、协议变更\n1.1 修改前三十日公告。", "1.2 您可以退出。"]


def test_a_short_contract_is_cut_at_its_lines_and_an_advertisement_is_not():
    text = "会员卡一经售出，概不退换\r\n本店营业时间为每日九点至二十一点\r\n储物柜当日清空"
    pieces = [words(text, piece) for piece in segment(text, "clause")]
    assert [own for _, own in pieces] == [
        "会员卡一经售出，概不退换",
        "本店营业时间为每日九点至二十一点",
        "储物柜当日清空",
    ]
    assert len(segment(text, "ad")) == 1
    assert len(segment(text, None)) == 1


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("1.1 出现下列情形，本公司不承担任何责任：\n1.1.1 财物丢失\n1.1.2 人身损害", "1.1.2 人身损害"),
        ("出现下列情形，本公司不承担任何责任：\nA. 财物丢失\nB. 人身损害", "B. 人身损害"),
        ("出现下列情形，本公司不承担任何责任：\n⑴ 财物丢失\n⑵ 人身损害", "⑵ 人身损害"),
        ("出现下列情形，本公司不承担任何责任：\n- 财物丢失\n- 人身损害", "- 人身损害"),
        ("出现下列情形，本公司不承担任何责任：\n· 财物丢失\n· 人身损害", "· 人身损害"),
        ("出现下列情形，本公司不承担任何责任：\n1、人身损害", "1、人身损害"),
    ],
)
def test_items_of_every_form_keep_their_lead_in(text, item):
    pieces = [words(text, piece) for piece in segment(text, "clause")]
    assert any(own == item and "本公司不承担任何责任：" in lead for lead, own in pieces), pieces


def test_a_list_in_a_listing_keeps_its_lead_in():
    text = "以下商品不退不换：1、已拆封的；2、定制的。" + "现货当天发出，江浙沪包邮。" * 25
    pieces = [words(text, piece) for piece in segment(text, "product")]
    assert ("以下商品不退不换：", "1、已拆封的；") in pieces


def test_what_follows_a_short_last_item_does_not_hang_on_the_lead_in():
    text = "下列情形本馆不承担责任：\n1、会员财物丢失\n2、会员在馆外受伤\n场馆介绍\n前台每日提供免费饮用水，请自备水杯取用。"
    pieces = [words(text, piece) for piece in segment(text, "clause")]
    assert ("下列情形本馆不承担责任：", "2、会员在馆外受伤") in pieces
    assert all("本馆不承担责任" not in lead for lead, own in pieces if "饮用水" in own)
