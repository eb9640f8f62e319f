"""Makes twins of texts as sellers write them who hide words from a filter: for training and for the robustness test."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import yaml
from opencc import OpenCC
from pypinyin import lazy_pinyin

from screening.normalise import normalise
from screening.resources import data_file
from training.corpus import Row

# Some of them the normaliser takes out, some it does not.
SIGNS = "*·.-_/~|、丨♪々…+"
EMOJI = "❤🌟🔥💊🍀✨👍💰"
HIDDEN = "\u200b"
# Hidden characters in each stretch of telling words, at most.
CHANGED = 2
# What is hidden in a lawful text, as nothing in it is marked.
WORDS = re.compile("[\u4e00-\u9fff]{2,6}")
COMMON_CHARACTERS = 2500

Change = Callable[[str, np.random.Generator], str]


def _between(signs: str) -> Change:
    def change(words: str, draw: np.random.Generator) -> str:
        return str(draw.choice(list(signs))).join(words)

    return change


def _some(words: str, draw: np.random.Generator, replacement: Callable[[str], str | None]) -> str:
    """Replace up to CHANGED of the characters that have a replacement."""
    characters = list(words)
    able = [place for place, character in enumerate(characters) if replacement(character)]
    for place in draw.permutation(able)[:CHANGED].tolist():
        characters[place] = replacement(characters[place]) or characters[place]
    return "".join(characters)


@cache
def _parts() -> dict[str, str]:
    table: dict[str, dict[str, str]] = yaml.safe_load(data_file("split_characters.yaml").read_text(encoding="utf-8"))
    return table["joined"] | table["ambiguous"]


@cache
def _converter() -> OpenCC:
    return OpenCC("s2t")


def _is_hanzi(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _pinyin(character: str) -> str | None:
    return lazy_pinyin(character)[0] if _is_hanzi(character) else None


class Evader:
    """Hides words; characters that sound alike are taken from the given texts' own common characters."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts: dict[str, int] = defaultdict(int)
        for text in texts:
            for character in text:
                if _is_hanzi(character):
                    counts[character] += 1
        common = sorted(counts, key=lambda character: -counts[character])[:COMMON_CHARACTERS]
        self._sounds: dict[str, list[str]] = defaultdict(list)
        for character in common:
            self._sounds[lazy_pinyin(character)[0]].append(character)
        self.changes: dict[str, Change] = {
            "符号": _between(SIGNS),
            "空格": _between(" "),
            "表情": _between(EMOJI),
            "零宽字符": _between(HIDDEN),
            "繁体": lambda words, _: str(_converter().convert(words)),
            "拼音": lambda words, draw: _some(words, draw, _pinyin),
            "谐音": self._homophones,
            "拆字": lambda words, draw: _some(words, draw, lambda character: _parts().get(character)),
        }

    def _homophones(self, words: str, draw: np.random.Generator) -> str:
        def other(character: str) -> str | None:
            alike = [own for own in self._sounds.get(_pinyin(character) or "", []) if own != character]
            return str(draw.choice(alike)) if alike else None

        return _some(words, draw, other)

    def twin(self, row: Row, way: str, draw: np.random.Generator) -> Row | None:
        """Return the row with its telling words hidden in this way, or some words where it is lawful.

        None where nothing changes, or words of a text with labels are not marked.
        """
        text, end = [], 0
        stretches = sorted({(span.start, span.end) for span in row.spans})
        if not row.labels and (words := [match.span() for match in WORDS.finditer(row.text)]):
            stretches = [words[int(draw.integers(len(words)))]]
        for start, stop in stretches:
            if start < end:
                continue
            text += [row.text[end:start], self.changes[way](row.text[start:stop], draw)]
            end = stop
        changed = "".join([*text, row.text[end:]])
        if changed == row.text:
            return None
        return row.model_copy(update={"id": f"{row.id}~{way}", "text": changed, "spans": (), "note": "variant"})


def _hidden_twin(evader: Evader, row: Row, draw: np.random.Generator) -> Row | None:
    """Return a twin that the normaliser does not read as its plain text, if one of the ways makes it."""
    ways = list(evader.changes)
    plain = normalise(row.text).text
    for way in draw.permutation(ways).tolist():
        twin = evader.twin(row, way, draw)
        if twin and normalise(twin.text).text != plain:
            return twin
    return None


def evasive_twins(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Return twins of a share of the rows with marked words, and of half as many lawful ones, each with words hidden.

    Ways that the normaliser sees through are left out: the twin would be its plain text over again.
    """
    draw = np.random.default_rng((seed, 2))
    evader = Evader([row.text for row in rows])
    marked = [row for row in rows if row.spans and draw.random() < share]
    lawful = [row for row in rows if not row.labels and not row.unclear]
    rate = len(marked) / 2 / max(1, len(lawful))
    chosen = marked + [row for row in lawful if draw.random() < rate]
    return [twin for row in chosen if (twin := _hidden_twin(evader, row, draw))]
