"""Finds licence, approval and patent numbers in a text, and checks their form and, where public, their check digit.

These are facts beside the findings: whether the number was ever granted, and to whom, a register must tell. Forms are
those of the issuing rules: GB 32100 (credit codes), 食品经营许可和备案管理办法, 食品生产许可管理办法, 药品注册管理办法,
保健食品注册与备案管理办法, 医疗器械注册与备案管理办法, 广告审查管理暂行办法 and the patent office's numbering.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from stdnum.cn import uscc

from screening.taxonomy import InspectionRow

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼新"
REGIONS = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54,
           61, 62, 63, 64, 65}  # fmt: skip
OLD_PATENT_DIGITS = 8


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


@dataclass(frozen=True)
class _Form:
    """How a number looks at a glance, and the check that says what is wrong with it."""

    type: LicenceType
    pattern: re.Pattern[str]
    check: Callable[[re.Match[str]], str]


def _credit_code(match: re.Match[str]) -> str:
    return "" if uscc.is_valid(match["number"]) else "校验位不符"


def _region_at(digits: str, place: int) -> str:
    return "" if int(digits[place : place + 2]) in REGIONS else "省级代码不存在"


def _food_trade(match: re.Match[str]) -> str:
    digits = match["digits"]
    if len(digits) != 14:  # noqa: PLR2004
        return "JY 后应为 14 位数字"
    return "主体业态代码应为 1、2 或 3" if digits[0] not in "123" else _region_at(digits, 1)


def _food_making(match: re.Match[str]) -> str:
    digits = match["digits"]
    return "SC 后应为 14 位数字" if len(digits) != 14 else _region_at(digits, 3)  # noqa: PLR2004


def _drug(match: re.Match[str]) -> str:
    letters, digits = match["letters"], match["digits"]
    if not re.fullmatch(r"[HZSBTFJ]|[HZS][JC]", letters):
        return "字母应为 H、Z、S、B、T、F、J 等"
    return "" if len(digits) == 8 else "字母后应为 8 位数字"  # noqa: PLR2004


def _year_of(match: re.Match[str]) -> str:
    return "" if 1990 <= int(match["year"]) <= 2099 else "年份不合理"  # noqa: PLR2004


def _device(match: re.Match[str]) -> str:
    return _year_of(match) or ("" if match["grade"] in "123" else "管理类别应为 1、2 或 3")


def _patent(match: re.Match[str]) -> str:
    digits, given = match["digits"], match["check"]
    kind = digits[2] if len(digits) == OLD_PATENT_DIGITS else digits[4]
    if len(digits) not in (OLD_PATENT_DIGITS, 12):
        return "ZL 后应为 8 位或 12 位数字"
    if kind not in "12389":
        return "专利种类代码不存在"
    if not given:
        return "缺少校验位"
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    return "" if given.upper() == ("X" if rest == 10 else str(rest)) else "校验位不符"  # noqa: PLR2004


def _no_fault(_: re.Match[str]) -> str:
    return ""


def _form(kind: LicenceType, pattern: str, check: Callable[[re.Match[str]], str]) -> _Form:
    return _Form(kind, re.compile(pattern), check)


_SEPARATOR = r"[\s:：]*"
FORMS = (
    _form(
        LicenceType.CREDIT_CODE,
        r"(?<![0-9A-Za-z])(?P<number>[1-9A-Y]\d{7}[0-9A-HJ-NPQRTUWXY]{10})(?![0-9A-Za-z])",
        _credit_code,
    ),
    _form(LicenceType.FOOD_TRADE, r"(?<![A-Za-z])(?P<number>JY(?P<digits>\d{8,18}))(?!\d)", _food_trade),
    _form(LicenceType.FOOD_MAKING, r"(?<![A-Za-z])(?P<number>SC(?P<digits>\d{8,18}))(?!\d)", _food_making),
    _form(
        LicenceType.DRUG,
        rf"(?P<number>国药准字{_SEPARATOR}(?P<letters>[A-Z]{{1,2}})(?P<digits>\d{{5,12}}))(?!\d)",
        _drug,
    ),
    _form(
        LicenceType.HEALTH_FOOD,
        r"(?P<number>国食健[注字]\s*[GJ](?P<year>\d{4})\d{4}|食健备\s*[GJ]\d{12}|"
        r"卫[食进]食?健字[\s（(〔]*\d{4}[\s）)〕]*第?\s*\d{3,4}\s*号)(?!\d)",
        lambda match: _year_of(match) if match["year"] else "",
    ),
    _form(
        LicenceType.DEVICE,
        rf"(?P<number>[国{PROVINCES}]械注[准进许]\s*(?P<year>\d{{4}})(?P<grade>\d)\d{{6}})(?!\d)",
        _device,
    ),
    _form(
        LicenceType.DEVICE_RECORD,
        rf"(?P<number>[国{PROVINCES}][\u4e00-\u9fff]{{0,3}}械备\s*(?P<year>\d{{4}})\d{{4,5}}号?)(?!\d)",
        _year_of,
    ),
    _form(
        LicenceType.AD_REVIEW,
        rf"(?P<number>[国{PROVINCES}]?(?:药|械|食健|特食)广审\s*[（(〔【][文视声][）)〕】]\s*第?\s*\d{{6,10}}(?:-\d{{3,6}})?\s*号?)",
        _no_fault,
    ),
    _form(
        LicenceType.MEDICAL_AD,
        rf"(?P<number>[{PROVINCES}][\u4e00-\u9fff]{{0,3}}医广\s*[（(〔【\[]\s*(?P<year>\d{{4}})\s*[）)〕】\]]\s*第?\s*[\d-]{{4,16}}\s*号?)",
        _year_of,
    ),
    _form(
        LicenceType.PATENT,
        r"(?<![A-Za-z])(?P<number>ZL\s*(?P<digits>\d{8,12})(?:\s*[.．]\s*(?P<check>[\dXx]))?)(?!\d)",
        _patent,
    ),
)


def find_licences(text: str) -> tuple[Licence, ...]:
    """Return the numbers in a text, in order."""
    found = [
        Licence(
            type=form.type,
            number=match["number"],
            start=match.start("number"),
            end=match.end("number"),
            valid=not (fault := form.check(match)),
            fault=fault,
        )
        for form in FORMS
        for match in form.pattern.finditer(text)
    ]
    return tuple(sorted(found, key=lambda licence: licence.start))
