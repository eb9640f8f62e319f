"""Counts the lists of a Word file: the numbers that Word shows are not in the text of its paragraphs.

They are written as in Word, but for 〇, which Word writes ○ in some formats: segmentation knows numbers with 〇.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from docx.oxml.ns import qn

from service.documents.word_styles import (
    HIDDEN,
    LIST,
    LIST_ID,
    LIST_LEVEL,
    PARAGRAPH_PROPERTIES,
    PARAGRAPH_STYLE,
    RUN_PROPERTIES,
    Styles,
    below,
    number,
    switch,
    value,
)

ABSTRACT, ABSTRACT_ID, NUM, STYLE_LINK = (
    qn(f"w:{name}") for name in ("abstractNum", "abstractNumId", "num", "numStyleLink")
)
LEVEL, START, FORMAT, LABEL, LEGAL, RESTART, SUFFIX = (
    qn(f"w:{name}") for name in ("lvl", "start", "numFmt", "lvlText", "isLgl", "lvlRestart", "suff")
)
OVERRIDE, START_OVERRIDE = qn("w:lvlOverride"), qn("w:startOverride")
LEVELS = range(9)
# No label of Word's is longer; what a file says must not make each of its paragraphs long.
MAX_LABEL = 40
BULLET = "•"
_PLACE = re.compile("%([1-9])")
_DIGITS = "零一二三四五六七八九"
_DIGITS_ALONE = "〇一二三四五六七八九"
_UNITS = ((1000, "千"), (100, "百"), (10, "十"))
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_MAX_ROMAN, _MAX_COUNTED = 3999, 9999
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
# Word writes aa after z, bb next, and starts anew after 30 rounds.
_MAX_LETTERS = 30 * len(_ALPHABET)
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def _roman(count: int) -> str:
    if not 0 < count <= _MAX_ROMAN:
        return str(count)
    found = ""
    for worth, sign in _ROMAN:
        times, count = divmod(count, worth)
        found += sign * times
    return found


def _letters(count: int) -> str:
    if not 0 < count <= _MAX_LETTERS:
        return str(count)
    rounds, place = divmod(count - 1, len(_ALPHABET))
    return _ALPHABET[place] * (rounds + 1)


def _digits(count: int) -> str:
    """Write 12 as 一二."""
    return "".join(_DIGITS_ALONE[int(digit)] for digit in str(count))


def _counting(count: int) -> str:
    """Write 12 as 十二, but 112 as 一一二."""
    return _thousands(count) if 0 < count < 100 else _digits(count)  # noqa: PLR2004


def _thousands(count: int) -> str:
    """Write 112 as 一百一十二."""
    if not 0 < count <= _MAX_COUNTED:
        return _digits(count)
    found, rest, has_gap = "", count, False
    for worth, unit in _UNITS:
        digit, rest = divmod(rest, worth)
        if digit:
            found += (_DIGITS[0] if has_gap else "") + _DIGITS[digit] + unit
        has_gap = bool(found) and not digit
    if rest:
        found += (_DIGITS[0] if has_gap else "") + _DIGITS[rest]
    return found.removeprefix("一") if found.startswith("一十") else found


def _japanese(count: int) -> str:
    """Write 112 as 百十二."""
    if not 0 < count <= _MAX_COUNTED:
        return _digits(count)
    found, rest = "", count
    for worth, unit in _UNITS:
        digit, rest = divmod(rest, worth)
        if digit:
            found += (_DIGITS[digit] if digit > 1 else "") + unit
    return found + (_DIGITS[rest] if rest else "")


def _one_of(signs: Sequence[str]) -> Callable[[int], str]:
    """Write numbers with signs of their own as long as there are some."""
    return lambda count: signs[count - 1] if 0 < count <= len(signs) else str(count)


def _signs(first: str, count: int) -> Callable[[int], str]:
    return _one_of([chr(ord(first) + place) for place in range(count)])


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda count: f"{count:02}",
    "decimalFullWidth": lambda count: str(count).translate(_FULL_WIDTH),
    "decimalFullWidth2": lambda count: str(count).translate(_FULL_WIDTH),
    "decimalEnclosedCircle": _signs("①", 20),
    "decimalEnclosedCircleChinese": _signs("①", 20),
    "decimalEnclosedParen": _signs("⑴", 20),
    "decimalEnclosedFullstop": _signs("⒈", 20),
    "ideographEnclosedCircle": _signs("㈠", 10),
    "ideographTraditional": _one_of("甲乙丙丁戊己庚辛壬癸"),
    "ideographZodiac": _one_of("子丑寅卯辰巳午未申酉戌亥"),
    "ideographDigital": _digits,
    "japaneseDigitalTenThousand": _digits,
    "taiwaneseDigital": _digits,
    "chineseCounting": _counting,
    "taiwaneseCounting": _counting,
    "chineseCountingThousand": _thousands,
    "taiwaneseCountingThousand": _thousands,
    "japaneseCounting": _japanese,
    "upperRoman": _roman,
    "lowerRoman": lambda count: _roman(count).lower(),
    "upperLetter": lambda count: _letters(count).upper(),
    "lowerLetter": _letters,
    "numberInDash": lambda count: f"- {count} -",
    "bullet": lambda _: "",
    "none": lambda _: "",
}


def written(count: int, number_format: str) -> str:
    """Write a number in one of Word's formats; in digits where the format is unknown or has no sign for it."""
    return _FORMATS.get(number_format, str)(count)


@dataclass(frozen=True, slots=True)
class Level:
    """How one level of a list is counted and shown. `restart` is the level, from 1, after which it starts anew.

    It starts anew after every level above it where that is None, and never where it is 0.
    """

    start: int
    number_format: str
    label: str
    is_legal: bool
    restart: int | None
    gap: str
    style_id: str
    is_hidden: bool

    def starts_anew(self, own: int, after: int) -> bool:
        """Tell whether this level, of index `own`, is counted anew after one of index `after`."""
        return after < own and (self.restart is None or after < self.restart)


@dataclass(frozen=True, slots=True)
class _List:
    """A list as paragraphs name it; several may count on in one `group`. `starts` are where this one begins anew."""

    group: str
    levels: dict[int, Level]
    starts: dict[int, int] = field(default_factory=dict)

    def start(self, index: int) -> int:
        return self.starts.get(index, self.levels[index].start)


def _level(element: Any) -> Level:  # noqa: ANN401 - python-docx has no types
    number_format = value(element, FORMAT) or "decimal"
    label = value(element, LABEL)[:MAX_LABEL]
    return Level(
        number(value(element, START)) or 0,
        number_format,
        BULLET if number_format == "bullet" and label else label,
        bool(switch(element, LEGAL)),
        number(value(element, RESTART)),
        "" if value(element, SUFFIX) == "nothing" else " ",
        value(element, PARAGRAPH_STYLE),
        bool(switch(element, RUN_PROPERTIES, HIDDEN)),
    )


def _levels(element: Any) -> dict[int, Level]:  # noqa: ANN401
    """Return the levels of a list, or the one of an override, by index."""
    found = ((number(own.get(LIST_LEVEL)), own) for own in element.findall(LEVEL))
    return {index: _level(own) for index, own in found if index is not None and index in LEVELS}


class Numbering:
    """The lists that a Word file defines; `element` is the root of its part for them, None where it has none."""

    def __init__(self, element: Any, styles: Styles) -> None:  # noqa: ANN401
        self._styles = styles
        self._lists: dict[int, _List] = {}
        if element is None:
            return
        groups = {own.get(ABSTRACT_ID) or "": own for own in element.findall(ABSTRACT)}
        group_of = {number(own.get(LIST_ID)): value(own, ABSTRACT_ID) for own in element.findall(NUM)}
        levels = {group: _levels(own) for group, own in groups.items()}
        for own in element.findall(NUM):
            list_id, group = number(own.get(LIST_ID)), value(own, ABSTRACT_ID)
            if link := value(groups.get(group), STYLE_LINK):
                group = next((group_of.get(style.list_id, "") for style in styles.line(link)), "")
            if list_id is not None and group in levels:
                self._lists[list_id] = self._overridden(_List(group, levels[group]), own)

    @staticmethod
    def _overridden(found: _List, element: Any) -> _List:  # noqa: ANN401
        levels, starts = dict(found.levels), {}
        for override in element.findall(OVERRIDE):
            index = number(override.get(LIST_LEVEL))
            levels.update({at: level for at, level in _levels(override).items() if at == index})
            start = number(value(override, START_OVERRIDE))
            if index is not None and start is not None:
                starts[index] = start
        return replace(found, levels=levels, starts=starts)

    def place(self, paragraph: Any) -> tuple[int, _List, int] | None:  # noqa: ANN401
        """Return the id of the list that a paragraph is an item of, the list, and the index of its level."""
        own = below(paragraph, PARAGRAPH_PROPERTIES, LIST)
        list_id, index = number(value(own, LIST_ID)), number(value(own, LIST_LEVEL))
        line = self._styles.line_of(paragraph)
        if list_id is None:
            list_id = next((style.list_id for style in line if style.list_id is not None), None)
        found = None if list_id is None else self._lists.get(list_id)
        if list_id is None or found is None:
            return None
        if index is None:
            by_style = {level.style_id: at for at, level in found.levels.items() if level.style_id}
            named = (by_style.get(style.style_id, style.list_level) for style in line)
            index = next((at for at in named if at is not None), 0)
        return (list_id, found, index) if index in found.levels else None


class Counter:
    """Counts the items of the lists of one story, that is, of the body, the notes or a header, in order."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._counts: dict[str, dict[int, int]] = {}
        self._started: set[tuple[int, int]] = set()

    def label(self, paragraph: Any) -> str:  # noqa: ANN401
        """Count a paragraph; return its number as Word shows it, with the gap behind, empty for no item of a list."""
        place = self._numbering.place(paragraph)
        if place is None:
            return ""
        list_id, own, index = place
        counts = self._counts.setdefault(own.group, {})
        if index in own.starts and (list_id, index) not in self._started:
            self._started.add((list_id, index))
            counts.pop(index, None)
        counts[index] = counts[index] + 1 if index in counts else own.start(index)
        for deeper in [at for at, level in own.levels.items() if level.starts_anew(at, index)]:
            counts.pop(deeper, None)
        return self._shown(own, index, counts)

    @staticmethod
    def _shown(own: _List, index: int, counts: dict[int, int]) -> str:
        level = own.levels[index]

        def count(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            if at > index or at not in own.levels:
                return ""
            number_format = "decimal" if level.is_legal else own.levels[at].number_format
            return written(counts.get(at, own.start(at)), number_format)

        label = "" if level.is_hidden else _PLACE.sub(count, level.label)[:MAX_LABEL].strip()
        return label and label + level.gap
