"""Licence numbers: found where they stand, judged by their form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.licences import find_licences

# Real public numbers: the credit code of a ministry's own example, and a patent of the patent office's own guide.
CASES = [
    ("统一社会信用代码：91110000100000007X，", "统一社会信用代码", False),
    ("JY16401050012345 号", "食品经营许可证编号", True),
    ("JY96401050012345", "食品经营许可证编号", False),
    ("JY1640105001", "食品经营许可证编号", False),
    ("生产许可证 SC10664050200123", "食品生产许可证编号", True),
    ("SC10699050200123", "食品生产许可证编号", False),
    ("国药准字H20203045", "药品批准文号", True),
    ("国药准字：Z2020304", "药品批准文号", False),
    ("国药准字K20203045", "药品批准文号", False),
    ("国食健注G20150432", "保健食品注册或备案号", True),
    ("食健备G202264000123", "保健食品注册或备案号", True),
    ("卫食健字（2002）第0123号", "保健食品注册或备案号", True),
    ("宁械注准20202140012", "医疗器械注册证编号", True),
    ("国械注进20173405678", "医疗器械注册证编号", True),
    ("国械注进20179405678", "医疗器械注册证编号", False),
    ("宁银械备20210012号", "医疗器械备案号", True),
    ("粤药广审（文）第250101-00001号", "广告审查批准文号", True),
    ("京医广【2023】第01-12-0010号", "医疗广告审查证明文号", True),
    ("专利号ZL201010152345.6", "专利号", False),
    ("ZL85100001.0", "专利号", True),
    ("ZL85100001.3", "专利号", False),
    ("ZL2010101523", "专利号", False),
]


@pytest.mark.parametrize(("text", "kind", "valid"), CASES)
def test_each_kind_of_number(text, kind, valid):
    (licence,) = find_licences(f"资质：{text}")
    assert licence.type == kind
    assert licence.inspection_row == "主体资格"
    assert f"资质：{text}"[licence.start : licence.end] == licence.number
    assert licence.valid == valid, licence.fault
    assert bool(licence.fault) != valid


def test_a_credit_code_with_the_right_check_digit():
    from stdnum.cn import uscc

    body = "91640500MA75W0000"
    code = body + uscc.calc_check_digit(body)
    (licence,) = find_licences(f"营业执照{code}。")
    assert licence.valid
    (spoiled,) = find_licences(code[:-1] + ("0" if code[-1] != "0" else "1"))
    assert not spoiled.valid


def test_a_patent_with_the_right_check_digit():
    digits = "202110123456"
    rest = sum(int(d) * w for d, w in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=True)) % 11
    (licence,) = find_licences(f"ZL {digits}.{'X' if rest == 10 else rest}")
    assert licence.valid


@pytest.mark.parametrize(
    "text", ["今日特价 13812345678", "满 20200101 元", "ABC123", "订单号 20231010152345678901", ""]
)
def test_other_numbers_are_left_alone(text):
    assert find_licences(text) == ()


@given(st.text(alphabet="国药准字ZLJYSCH0123456789.·第号（）京械注", max_size=80))
def test_any_text_is_survived_and_places_are_right(text):
    for licence in find_licences(text):
        assert text[licence.start : licence.end] == licence.number
