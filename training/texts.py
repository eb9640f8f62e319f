"""Reads unlabelled text for pre-training: folders of .txt, .txt.xz and .jsonl files, one passage a line."""

import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from screening.errors import MingjianError
from screening.textfile import decode
from training.corpus import faults

SUFFIXES = (".txt", ".txt.xz", ".jsonl")


class TextsError(MingjianError):
    """Unlabelled texts cannot be read; the message names the file, and of a .jsonl file the line."""


class _Passage(BaseModel):
    """A line of a .jsonl file; its other fields do not matter."""

    text: str


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


def _read(file: Path) -> str:
    data = file.read_bytes()
    try:
        return decode(lzma.decompress(data) if file.suffix == ".xz" else data, file.name)
    except lzma.LZMAError as error:
        raise TextsError(f"文件 {file} 不是完整的 xz 压缩文件") from error


def _passage(file: Path, number: int, line: str) -> str:
    try:
        return _Passage.model_validate_json(line).text
    except ValidationError as error:
        raise TextsError(f"{file} 第 {number} 行：{faults(error)}") from error


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Yield every passage of the files; of a .jsonl file, the field `text` of each line.

    Raises TextsError at the first file or line that cannot be read, EncodingError where a file's encoding is unknown.
    """
    for file in text_files(paths):
        for number, line in enumerate(_read(file).split("\n"), 1):
            if not line.strip():
                continue
            text = _passage(file, number, line) if file.suffix == ".jsonl" else line
            if text.strip():
                yield text.strip()
