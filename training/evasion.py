"""Makes twins of texts as sellers write them who hide words from a filter: for training and for the robustness test."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import yaml
from opencc import OpenCC
from pypinyin import lazy_pinyin

from screening.resources import data_file
from training.corpus import Row

SIGNS = "*·.-_/~|"
EMOJI = "❤🌟🔥💊🍀✨👍💰"
HIDDEN = "\u200b"
# Hidden characters in each stretch of telling words, at most.
CHANGED = 2
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
    table: dict[str, str] = yaml.safe_load(data_file("split_characters.yaml").read_text(encoding="utf-8"))
    return table


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
        """Return the row with its telling words hidden in this way; None where nothing changes or none are marked."""
        text, end = [], 0
        for start, stop in sorted({(span.start, span.end) for span in row.spans}):
            if start < end:
                continue
            text += [row.text[end:start], self.changes[way](row.text[start:stop], draw)]
            end = stop
        changed = "".join([*text, row.text[end:]])
        if changed == row.text:
            return None
        return row.model_copy(update={"id": f"{row.id}~{way}", "text": changed, "spans": (), "note": "variant"})


def evasive_twins(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Return twins of a share of the rows with marked words, each hidden in a way of its own."""
    draw = np.random.default_rng((seed, 2))
    evader = Evader([row.text for row in rows])
    ways = list(evader.changes)
    chosen = [row for row in rows if row.spans and draw.random() < share]
    twins = [evader.twin(row, str(draw.choice(ways)), draw) for row in chosen]
    return [twin for twin in twins if twin]
