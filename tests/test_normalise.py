import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.normalise import MAX_CHARACTERS, CharacterTable, Normalised, map_characters, normalise


@pytest.mark.parametrize(
    ("posted", "plain"),
    [
        ("蕞好的", "最好的"),
        ("全网 zui 佳选择", "全网 最佳选择"),
        ("ZUI低价", "最低价"),
        ("根*治百病", "根治百病"),
        ("根 治 糖 尿 病", "根治糖尿病"),
        ("包❤治❤百❤病", "包治百病"),
        ("治.愈.率高", "治愈率高"),
        ("加薇❤领取", "加微信领取"),
        ("减\u200b肥\ufeff茶", "减肥茶"),
        ("臺灣減肥茶", "台湾减肥茶"),
        ("５折ＡＢ", "5折AB"),
        ("a huo 一比一", "A货 一比一"),
        ("木艮氵台百疒丙", "根治百病"),
        ("女子公寓月中入住", "女子公寓月中入住"),
        ("苹果 香蕉 梨", "苹果 香蕉 梨"),
        ("北京·上海·广州", "北京·上海·广州"),
        ("a\n\n b", "a b"),
    ],
)
def test_evasions_are_spelled_out(posted, plain):
    assert normalise(posted).text == plain


def test_offsets_lead_back_to_the_words_as_posted():
    posted = "本品能根*治\u200b糖尿病，zui 佳"
    result = normalise(posted)
    for words, original in (("根治", "根*治"), ("糖尿病", "糖尿病"), ("最佳", "zui 佳")):
        at = result.text.index(words)
        start, end = result.original_span(at, at + len(words))
        assert posted[start:end] == original
        assert result.normalised_span(start, end) == (at, at + len(words))


@given(st.text(max_size=60))
def test_offsets_are_ordered_and_in_bounds(text):
    result = normalise(text)
    assert len(result.text) == len(result.starts) == len(result.ends)
    assert list(result.starts) == sorted(result.starts)
    assert all(0 <= start < end <= len(text) for start, end in zip(result.starts, result.ends, strict=True))


@pytest.mark.parametrize(
    ("posted", "plain"),
    [
        ("請先瞭解規則", "请先了解规则"),
        ("不瞭解者勿拍", "不了解者勿拍"),
        ("逾期不予答覆", "逾期不予答复"),
        ("覆盖全国", "覆盖全国"),
    ],
)
def test_phrases_of_characters_that_both_scripts_have_are_simplified(posted, plain):
    assert normalise(posted).text == plain


def test_a_text_of_rare_characters_does_not_fill_a_table_for_good():
    table = CharacterTable(str.upper)
    map_characters(Normalised.unchanged("".join(map(chr, range(0x20000, 0x20000 + MAX_CHARACTERS + 100)))), table)
    assert map_characters(Normalised.unchanged("aß"), table) == Normalised("ASS", (0, 1, 1), (1, 2, 2))
    assert {ord("a"), ord("ß")} < table.keys()
    assert len(table) <= MAX_CHARACTERS
