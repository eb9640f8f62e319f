"""Finds licence, approval and patent numbers in a text, and checks their form and, where public, their check digit.

They are looked for in compatibility forms and capitals ("ＪＹ１３", "zl"), with a blank or a hyphen between any two
characters ("9111 0000 6000 3734 1L").

These are facts beside the findings: whether the number was ever granted, and to whom, a register must tell. Forms are
those of the issuing rules: GB 32100 (credit codes), 食品经营许可和备案管理办法, 食品生产许可管理办法, 药品注册管理办法,
保健食品注册与备案管理办法, 医疗器械注册与备案管理办法, 广告审查管理暂行办法 and the patent office's numbering.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from stdnum.cn import ric, uscc
from stdnum.exceptions import InvalidComponent

from screening.normalise import CharacterTable, Normalised, compatible, map_characters
from screening.taxonomy import InspectionRow

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼新"
REGIONS = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54,
           61, 62, 63, 64, 65}  # fmt: skip
OLD_PATENT_DIGITS = 8
# A number of 18 places may be anything; one that fails the check is a wrong credit code only where it is called one.
CREDIT_CODE_NAMED = re.compile("(?:信用代码|营业执照|纳税人识别号|税号)[^,;。、0-9]{0,12}$")
NAME_CHARS = 20
IDENTITY_CARD = re.compile("[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9X]")


class LicenceType(StrEnum):
    """What a number stands for."""

    CREDIT_CODE = "统一社会信用代码"
    FOOD_TRADE = "食品经营许可证编号"
    FOOD_MAKING = "食品生产许可证编号"
    DRUG = "药品批准文号"
    HEALTH_FOOD = "保健食品注册或备案号"
    DEVICE = "医疗器械注册证编号"
    DEVICE_RECORD = "医疗器械备案号"
    AD_REVIEW = "广告审查批准文号"
    MEDICAL_AD = "医疗广告审查证明文号"
    PATENT = "专利号"


class Licence(BaseModel):
    """A number in the text as posted, characters start:end; `valid` tells of its form alone, `fault` what is wrong.

    `inspection_row` is the row of the inspection record under which the number is checked against its register.
    """

    model_config = ConfigDict(frozen=True)

    type: LicenceType
    number: str
    start: int
    end: int
    valid: bool
    fault: str = ""
    inspection_row: InspectionRow = "主体资格"

    @property
    def form(self) -> str:
        """What is to be said of its form, in Chinese."""
        return "格式有效" if self.valid else self.fault


# What was found of a number, by the names of its pattern's groups, without blanks and hyphens.
_Parts = Mapping[str, str]


@dataclass(frozen=True)
class _Form:
    """How a number looks at a glance, and the check that says what is wrong with it."""

    type: LicenceType
    pattern: re.Pattern[str]
    check: Callable[[_Parts], str]


def _credit_code(parts: _Parts) -> str:
    number = parts["number"]
    return "" if uscc.calc_check_digit(number[:-1]) == number[-1] else "校验位不符"


def _region_at(digits: str, place: int) -> str:
    return "" if int(digits[place : place + 2]) in REGIONS else "省级代码不存在"


def _food_trade(parts: _Parts) -> str:
    digits = parts["digits"]
    if len(digits) != 14:  # noqa: PLR2004
        return "JY 后应为 14 位数字"
    return "主体业态代码应为 1、2 或 3" if digits[0] not in "123" else _region_at(digits, 1)


def _food_making(parts: _Parts) -> str:
    digits = parts["digits"]
    return "SC 后应为 14 位数字" if len(digits) != 14 else _region_at(digits, 3)  # noqa: PLR2004


def _drug(parts: _Parts) -> str:
    if not re.fullmatch(r"[HZSBTFJ]|[HZS][JC]", parts["letters"]):
        return "字母应为 H、Z、S、B、T、F、J 等"
    return "" if len(parts["digits"]) == 8 else "字母后应为 8 位数字"  # noqa: PLR2004


def _year_of(parts: _Parts) -> str:
    return "" if 1990 <= int(parts["year"]) <= 2099 else "年份不合理"  # noqa: PLR2004


def _device(parts: _Parts) -> str:
    return _year_of(parts) or ("" if parts["grade"] in "123" else "管理类别应为 1、2 或 3")


def _patent(parts: _Parts) -> str:
    digits, given = parts["digits"], parts["check"]
    if len(digits) not in (OLD_PATENT_DIGITS, 12):
        return "应为 8 位或 12 位数字，另有校验位"
    kind = digits[2] if len(digits) == OLD_PATENT_DIGITS else digits[4]
    if kind not in "12389":
        return "专利种类代码不存在"
    if not given:
        return "缺少校验位"
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    return "" if given == ("X" if rest == 10 else str(rest)) else "校验位不符"  # noqa: PLR2004


def _no_fault(_: _Parts) -> str:
    return ""


def _form(kind: LicenceType, pattern: str, check: Callable[[_Parts], str]) -> _Form:
    return _Form(kind, re.compile(pattern), check)


_DIVIDER = "[ \u2010\u2013-]"
_GAP = f"{_DIVIDER}?"
# Those of credit codes.
_LETTERS = "A-HJ-NPQRTUWXY"
_SEPARATOR = r"[\s:]*"
# Blanks follow the sign alone: two runs of blanks side by side are tried in every division, which takes quadratic time.
_ORDINAL = r"(?:第\s*)?"


def _digits(count: int, characters: str = "0-9") -> str:
    """Return the pattern of so many digits, or other characters, with a blank or a hyphen between any two."""
    return f"[{characters}](?:{_GAP}[{characters}]){{{count - 1}}}"


def _exactly(count: int, least: int, most: int) -> str:
    """Return the pattern of a part of so many digits; of wrong ones too, `least` to `most` that stand together."""
    return f"(?P<digits>{_digits(count)}(?![0-9])|[0-9]{{{least},{most}}}(?![0-9]))"


_PATENT_NUMBER = rf"(?P<digits>{_digits(12)}|{_digits(8)}|[0-9]{{8,18}})(?:(?:\s*\.\s*)?(?P<check>[0-9X]))?(?![0-9])"
FORMS = (
    _form(
        LicenceType.CREDIT_CODE,
        rf"(?<![0-9A-Z])(?P<number>[1-9{_LETTERS}]{_GAP}{_digits(7)}{_GAP}{_digits(10, f'0-9{_LETTERS}')})(?![0-9A-Z])",
        _credit_code,
    ),
    _form(LicenceType.FOOD_TRADE, rf"(?<![A-Z])(?P<number>JY{_GAP}{_exactly(14, 8, 18)})", _food_trade),
    _form(LicenceType.FOOD_MAKING, rf"(?<![A-Z])(?P<number>SC{_GAP}{_exactly(14, 8, 18)})", _food_making),
    _form(
        LicenceType.DRUG,
        rf"(?P<number>国药准字{_SEPARATOR}(?P<letters>[A-Z](?:{_GAP}[A-Z])?){_GAP}{_exactly(8, 5, 12)})",
        _drug,
    ),
    _form(
        LicenceType.HEALTH_FOOD,
        rf"(?P<number>国食健[注字]\s*[GJ]{_GAP}(?P<year>{_digits(4)}){_GAP}{_digits(4)}|食健备\s*[GJ]{_GAP}{_digits(12)}|"
        rf"卫[食进]食?健字[\s(〔\[]*[0-9]{{4}}[\s)〕\]]*{_ORDINAL}[0-9]{{3,4}}\s*号)(?![0-9])",
        lambda parts: _year_of(parts) if parts["year"] else "",
    ),
    _form(
        LicenceType.DEVICE,
        rf"(?P<number>[国{PROVINCES}]械注[准进许]\s*"
        rf"(?P<year>{_digits(4)}){_GAP}(?P<grade>[0-9]){_GAP}{_digits(6)})(?![0-9])",
        _device,
    ),
    _form(
        LicenceType.DEVICE_RECORD,
        rf"(?P<number>[国{PROVINCES}][\u4e00-\u9fff]{{0,3}}械备\s*"
        rf"(?P<year>{_digits(4)}){_GAP}{_digits(4)}(?:{_GAP}[0-9])?(?![0-9])(?:\s*号)?)",
        _year_of,
    ),
    _form(
        LicenceType.AD_REVIEW,
        rf"(?P<number>[国{PROVINCES}]?(?:药|械|食健|特食)广审\s*[(〔【\[]\s*[文视声]\s*[)〕】\]]\s*{_ORDINAL}"
        rf"[0-9]{{6,10}}(?:\s*-\s*[0-9]{{3,6}})?(?:\s*号)?)",
        _no_fault,
    ),
    _form(
        LicenceType.MEDICAL_AD,
        rf"(?P<number>[{PROVINCES}][\u4e00-\u9fff]{{0,3}}医广\s*[(〔【\[]\s*(?P<year>[0-9]{{4}})\s*[)〕】\]]\s*{_ORDINAL}"
        rf"[0-9](?:{_GAP}[0-9]){{3,15}}(?:\s*号)?)",
        _year_of,
    ),
    _form(LicenceType.PATENT, rf"(?<![A-Z])(?P<number>ZL{_SEPARATOR}{_PATENT_NUMBER})", _patent),
    _form(LicenceType.PATENT, rf"专利号[码为是\s:]*(?P<number>{_PATENT_NUMBER})", _patent),
)


_PLAIN = CharacterTable(lambda character: compatible(character).upper())


def _plain(text: str) -> Normalised:
    """Return a text in compatibility forms and capitals, without hidden characters."""
    return map_characters(Normalised.unchanged(text), _PLAIN)


def _is_identity_card(number: str) -> bool:
    """Tell whether a number of 18 places is one of a resident identity card: a date of birth and a check digit."""
    if not IDENTITY_CARD.fullmatch(number) or ric.calc_check_digit(number) != number[-1]:
        return False
    try:
        ric.get_birth_date(number)
    except InvalidComponent:
        return False
    return True


def _is_other(form: _Form, parts: _Parts, fault: str, before: str) -> bool:
    """Tell whether what looks like a credit code is another number, by what stands before it."""
    if form.type is not LicenceType.CREDIT_CODE:
        return False
    return _is_identity_card(parts["number"]) or bool(fault and not CREDIT_CODE_NAMED.search(before))


def find_licences(text: str) -> tuple[Licence, ...]:
    """Return the numbers in a text, in order; each as posted, with its place there."""
    plain = _plain(text)
    found = []
    for form in FORMS:
        for match in form.pattern.finditer(plain.text):
            parts = {name: re.sub(_DIVIDER, "", value or "") for name, value in match.groupdict().items()}
            fault = form.check(parts)
            first = match.start("number")
            if _is_other(form, parts, fault, plain.text[max(0, first - NAME_CHARS) : first]):
                continue
            start, end = plain.original_span(first, match.end("number"))
            found.append(
                Licence(type=form.type, number=text[start:end], start=start, end=end, valid=not fault, fault=fault)
            )
    return tuple(sorted(found, key=lambda licence: licence.start))
