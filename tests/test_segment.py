from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from screening.segment import OVERLAP_CHARS, WINDOW_CHARS, segment

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


def words(text, piece):
    lead = text[slice(*piece.lead)] if piece.lead else ""
    return lead, text[piece.start : piece.end]


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
    st.text(alphabet="第一二条、（）()1.2①②：:；。\n 甲方乙退款x", max_size=900),
    st.sampled_from(["ad", "clause", "product", None]),
)
def test_nothing_is_left_out(text, kind):
    covered = set()
    for piece in segment(text, kind):
        covered.update(range(piece.start, piece.end))
        if piece.lead:
            covered.update(range(*piece.lead))
    assert all(i in covered for i, character in enumerate(text) if not character.isspace())


def test_lines_of_a_listing_stand_apart_and_headings_do_not():
    listing = "滩羊后腿 真空分割\n自家熬的奶皮子，没办证\n满两百减二十"
    assert [listing[s.start : s.end] for s in segment(listing, "product", in_lines=True)] == listing.split("\n")
    assert len(segment(listing, "product")) == 1
    contract = "一、协议变更\n1.1 修改前三十日公告。\n1.2 您可以退出。"
    pieces = [contract[s.start : s.end] for s in segment(contract, "clause", in_lines=True)]
    assert pieces == ["一、协议变更\n1.1 修改前三十日公告。", "1.2 您可以退出。"]
