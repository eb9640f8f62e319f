"""Reads unlabelled text for pre-training: folders of .txt, .txt.xz and .jsonl files, one passage a line."""

import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

from screening.errors import MingjianError

SUFFIXES = (".txt", ".txt.xz", ".jsonl")


class TextsError(MingjianError):
    """Unlabelled texts cannot be read."""


def text_files(paths: Iterable[Path]) -> list[Path]:
    """List the text files among `paths` and, for folders, anywhere below them, sorted.

    Raises TextsError where a path does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise TextsError(f"文件或文件夹不存在：{path}")
        found = path.rglob("*") if path.is_dir() else [path]
        files.extend(file for file in found if file.name.endswith(SUFFIXES))
    return sorted(files)


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Yield every passage of the files; of a .jsonl file, the field `text` of each line."""
    for file in text_files(paths):
        packed = file.suffix == ".xz"
        with lzma.open(file, "rt", encoding="utf-8") if packed else file.open(encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line)["text"] if file.suffix == ".jsonl" else line
                if text.strip():
                    yield text.strip()
