"""Licence numbers: found where they stand, judged by their form."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.licences import FORMS, find_licences

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
    assert [own.valid for own in find_licences(f"本店证照 {code}")] == [True]


# It fails the check of a credit code, as nearly all numbers of orders and parcels do.
FAILING = "911100006000373411"


@pytest.mark.parametrize(
    "before", ["统一社会信用代码：", "营业执照编号为 ", "营业执照\n", "纳税人识别号（税号）：", "信用代码/"]
)
def test_a_credit_code_that_fails_its_check_is_told_where_it_is_called_one(before):
    (licence,) = find_licences(before + FAILING)
    assert (licence.number, licence.fault) == (FAILING, "校验位不符")


@pytest.mark.parametrize("before", ["", "订单号：", "运单 ", "证照齐全，持有营业执照，订单号", "已办营业执照。"])
def test_another_number_of_eighteen_digits_is_no_credit_code(before):
    assert find_licences(before + FAILING) == ()


@pytest.mark.parametrize("before", ["身份证号：", "统一社会信用代码："])
@pytest.mark.parametrize("number", ["11010519491231002X", "11010519491231002x", "110105 19491231 002X"])
def test_an_identity_card_is_no_credit_code(before, number):
    assert find_licences(before + number) == ()


def test_a_credit_code_that_is_an_identity_card_too_is_left_alone():
    from stdnum.cn import ric, uscc

    both = [
        number
        for n in range(1000)
        if uscc.is_valid(number := (body := f"11010519491231{n:03}") + ric.calc_check_digit(body + "0"))
    ]
    assert both
    assert [find_licences(f"信用代码：{number}") for number in both] == [()] * len(both)


def test_a_credit_code_may_begin_with_a_letter():
    from stdnum.cn import uscc

    body = "N2640500MF1234567"
    (licence,) = find_licences(f"村集体经济组织 {body}{uscc.calc_check_digit(body)}")
    assert licence.valid


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("9111 0000 6000 3734 1L", "统一社会信用代码"),
        ("91110000-600037341l", "统一社会信用代码"),
        ("９１１１００００６０００３７３４１Ｌ", "统一社会信用代码"),
        ("9111\u200b0000600037341L", "统一社会信用代码"),
        ("ＪＹ１６４０１０５００１２３４５", "食品经营许可证编号"),
        ("jy 1640 1050 0123 45", "食品经营许可证编号"),
        ("sc-10664050200123", "食品生产许可证编号"),
        ("国药准字h20203045", "药品批准文号"),
        ("国药准字 H 2020 3045", "药品批准文号"),
        ("国食健注ｇ20150432", "保健食品注册或备案号"),
        ("宁械注准 2020 214 0012", "医疗器械注册证编号"),
        ("宁银械备2021 0012号", "医疗器械备案号"),
        ("粤药广审(文)第250101-00001号", "广告审查批准文号"),
        ("zl85100001.0", "专利号"),
        ("ZL 2010 1 0123456.9", "专利号"),
        ("ZL：201010123456．9", "专利号"),
        ("ZL2010101234569", "专利号"),
    ],
)
def test_a_number_may_be_written_in_parts_wide_or_small(number, kind):
    text = f"㎏资质 {number}，2025 年"
    (licence,) = find_licences(text)
    assert (licence.type, licence.number, licence.valid) == (kind, number, True), licence.fault
    assert text[licence.start : licence.end] == number


@pytest.mark.parametrize(
    ("text", "number", "fault"),
    [
        ("专利号：201010123456.9", "201010123456.9", ""),
        ("专利号码为 ２０１０１０１２３４５６．７", "２０１０１０１２３４５６．７", "校验位不符"),
        ("专利号：2010101234", "2010101234", "应为 8 位或 12 位数字，另有校验位"),
        ("专利号：ZL201010123456", "ZL201010123456", "缺少校验位"),
    ],
)
def test_a_patent_number_is_found_by_its_name_alone(text, number, fault):
    (licence,) = find_licences(text)
    assert (licence.type, licence.number, licence.fault) == ("专利号", number, fault)


def test_the_number_that_follows_is_not_part_of_it():
    text = "JY16401050012345 20250101 国药准字H20203045 3盒 ZL85100001.0 2 项"
    assert [own.number for own in find_licences(text)] == ["JY16401050012345", "国药准字H20203045", "ZL85100001.0"]


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


@given(st.text(alphabet="国药准字ZLzlJYSCHＪ１9０0123456789.·第号（）京械注专利号 -㎏\u200b", max_size=80))
def test_any_text_is_survived_and_places_are_right(text):
    for licence in find_licences(text):
        assert text[licence.start : licence.end] == licence.number


def test_a_start_of_a_number_and_blanks_without_end_are_read_at_once():
    examples = [unicodedata.normalize("NFKC", text) for text in (*(own[0] for own in CASES), "专利号：201010123456.9")]
    for form in FORMS:
        own = [text for text in examples if form.pattern.search(text)]
        assert own, form
        for start in {text[:end] for text in own for end in range(1, len(text) + 1)}:
            text = start + " " * 190_000
            began = time.process_time()
            list(form.pattern.finditer(text))
            assert time.process_time() - began < 1, (form.type, start)
