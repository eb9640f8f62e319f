"""Brings a text into the plain spelling that the model reads, and keeps the way back to the text as posted."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self

import yaml
from opencc import OpenCC

from screening.resources import data_file

HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
HAN = "[\u3400-\u9fff]"
# Marks that nobody writes between two Chinese characters but to hide the word ("根*治", "疗●效").
WEDGE = re.compile(f"(?<={HAN})[*^_`#丶\u25a0-\u25ff]+(?={HAN})")
# A sign between single characters, three or more in a row ("根 治 百 病", "治...愈...率", "包❤治❤百❤病"): any sign
# but the marks that divide a sentence or a list.
SPACED = re.compile(f"{HAN}(([^\\w，。、；：？！,;:?!])\\2{{0,3}}){HAN}(?:\\1{HAN})+")
# Brackets around each of two or more single characters ("【根】【治】").
BRACKETED = re.compile(f"(?:[\\[(【〔「『{{<《]{HAN}[\\])】〕」』}}>》]){{2,}}")
WHITE = re.compile(r"\s+")
# Characters of both scripts that are simplified in some phrases only ("瞭解", "答覆").
IN_PHRASES = frozenset("瞭藉覆沈牴衹")
# Characters whose plain form is remembered: more than a trade text ever needs.
MAX_CHARACTERS = 1 << 14


@dataclass(frozen=True)
class Normalised:
    """A normalised text; character i comes from the original characters starts[i]:ends[i]."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def unchanged(cls, text: str) -> Self:
        """Return a text as it is."""
        return cls(text, tuple(range(len(text))), tuple(range(1, len(text) + 1)))

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original text that the normalised span start:end (not empty) comes from."""
        return self.starts[start], self.ends[end - 1]

    def shifted(self, offset: int) -> "Normalised":
        """Return the same for a text that begins `offset` characters into a larger one."""
        starts, ends = (tuple(place + offset for place in places) for places in (self.starts, self.ends))
        return Normalised(self.text, starts, ends)

    def followed_by(self, other: "Normalised") -> "Normalised":
        """Return this text and the other one after it."""
        return Normalised(self.text + other.text, self.starts + other.starts, self.ends + other.ends)

    def normalised_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the smallest normalised span that covers the original span start:end; (0, 0) where none is left."""
        inside = [
            i
            for i, (first, last) in enumerate(zip(self.starts, self.ends, strict=True))
            if first < end and last > start
        ]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)


class CharacterTable(dict[int, str]):
    """What each character becomes, none, one or several, by its code point; worked out when it first comes."""

    def __init__(self, change: Callable[[str], str]) -> None:
        super().__init__()
        self._change = change

    def __missing__(self, code: int) -> str:
        if len(self) >= MAX_CHARACTERS:  # filled by a text of rare characters
            self.clear()
        return self.setdefault(code, self._change(chr(code)))


def map_characters(source: Normalised, table: CharacterTable) -> Normalised:
    """Replace each character by what it becomes."""
    text = source.text.translate(table)
    if text == source.text:
        return source
    sizes = [len(table[ord(character)]) for character in source.text]
    if all(size == 1 for size in sizes):
        return Normalised(text, source.starts, source.ends)
    starts: list[int] = []
    ends: list[int] = []
    for size, start, end in zip(sizes, source.starts, source.ends, strict=True):
        starts += [start] * size
        ends += [end] * size
    return Normalised(text, tuple(starts), tuple(ends))


def _substitute(source: Normalised, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]) -> Normalised:
    """Replace each match; the new characters come from the whole of the old ones."""
    if not pattern.search(source.text):
        return source
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0

    def copy(until: int) -> None:
        parts.append(source.text[position:until])
        starts.extend(source.starts[position:until])
        ends.extend(source.ends[position:until])

    for match in pattern.finditer(source.text):
        copy(match.start())
        position = match.end()
        new = change(match)
        first, last = source.original_span(match.start(), match.end())
        parts.append(new)
        starts += [first] * len(new)
        ends += [last] * len(new)
    copy(len(source.text))
    return Normalised("".join(parts), tuple(starts), tuple(ends))


@dataclass(frozen=True)
class _Evasions:
    """Spellings that hide a word: of single characters, and `words` with the pattern that finds them.

    No text without one of the characters `telling` holds any of the words.
    """

    characters: CharacterTable
    words: dict[str, str]
    pattern: re.Pattern[str]
    telling: frozenset[str]

    def reveal(self, source: Normalised) -> Normalised:
        """Return the text with the words meant."""
        plain = map_characters(source, self.characters)
        if self.telling.isdisjoint(plain.text.lower()):
            return plain
        return _substitute(plain, self.pattern, lambda match: self.words[match[0].lower().replace(" ", "")])


@cache
def _evasions() -> _Evasions:
    table = yaml.safe_load(data_file("evasions.yaml").read_text(encoding="utf-8"))
    characters: dict[str, str] = table["characters"]
    words = {key.lower().replace(" ", ""): value for key, value in table["words"].items()}
    longest_first = sorted(table["words"], key=len, reverse=True)
    spelled = (
        " ?".join(re.escape(part) for part in re.findall("[a-z]+|[^a-z ]+", word.lower())) for word in longest_first
    )
    pattern = re.compile("(?<![a-z])(?:" + "|".join(spelled) + ")(?![a-z])", re.ASCII | re.IGNORECASE)
    telling = frozenset(character for word in words for character in re.findall("[a-z]", word) or word)
    return _Evasions(CharacterTable(lambda own: characters.get(own, own)), words, pattern, telling)


@cache
def _split_characters() -> tuple[dict[str, str], re.Pattern[str]]:
    """Return characters by the parts that sellers write in their place, and the pattern of those parts."""
    table = yaml.safe_load(data_file("split_characters.yaml").read_text(encoding="utf-8"))
    whole = {parts: character for character, parts in table["joined"].items()}
    return whole, re.compile("|".join(map(re.escape, whole)))


@cache
def _converter() -> OpenCC:
    return OpenCC("t2s")


def _simple(character: str) -> str:
    return str(_converter().convert(character))


_SIMPLE = CharacterTable(_simple)
# Nothing becomes of those that the phrase around them decides on: a text with one of them is never left as it is.
_SIMPLE_ALONE = CharacterTable(lambda character: "" if character in IN_PHRASES else _simple(character))


def _simplify(source: Normalised) -> Normalised:
    if source.text.translate(_SIMPLE_ALONE) == source.text:
        return source
    simple = _converter().convert(source.text)
    if len(simple) == len(source.text):  # phrases are converted in context, nearly always one for one
        return Normalised(simple, source.starts, source.ends)
    return map_characters(source, _SIMPLE)


def compatible(character: str) -> str:
    """Return a character's compatibility form, nothing for a hidden one."""
    return "" if HIDDEN.match(character) else unicodedata.normalize("NFKC", character)


_COMPATIBLE = CharacterTable(compatible)


def normalise(text: str) -> Normalised:
    """Normalise a text: compatibility forms, hidden characters, traditional script, separators, known evasions.

    White space becomes single spaces. The text may become empty.
    """
    whole, parts = _split_characters()
    result = map_characters(Normalised.unchanged(text), _COMPATIBLE)
    result = _substitute(result, WHITE, lambda _: " ")
    result = _simplify(result)
    result = _substitute(result, WEDGE, lambda _: "")
    result = _substitute(result, SPACED, lambda match: match[0].replace(match[1], ""))
    result = _substitute(result, BRACKETED, lambda match: match[0][1::3])
    result = _substitute(result, parts, lambda match: whole[match[0]])
    return _evasions().reveal(result)
