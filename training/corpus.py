"""The corpus: one labelled text a line of a JSONL file."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from screening.artifact import sha256
from screening.errors import MingjianError
from screening.taxonomy import KINDS, Kind, load_taxonomy
from screening.textfile import read_text_file
from training.config import Origin

AUTHORED = "authored"
MESSAGES = {
    "json_invalid": "不是有效的 JSON",
    "model_type": "应为 JSON 对象",
    "missing": "缺少字段",
    "extra_forbidden": "多余的字段",
    "literal_error": f"取值无效，可选 {'、'.join(KINDS)}",
    "string_type": "应为文字",
    "string_too_short": "不能为空",
    "string_unicode": "含有不完整的字符",
    "tuple_type": "应为列表",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "greater_than": "数值过小",
    "greater_than_equal": "数值过小",
}


class CorpusError(MingjianError):
    """A corpus file cannot be read; the message names file and line."""


class MarkedWords(BaseModel):
    """Words of the text, characters start:end, that show a label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(gt=0)]
    label: str


class Row(BaseModel):
    """A labelled text.

    `unclear` are codes that careful readers differ on: they are left out of the loss. `source` is "authored" or the
    address of the page that reports the decided case which the text retells. `readings` counts those who labelled it.
    `spans` show labels that the row has, or unclear ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=1)]
    kind: Kind
    category: str
    labels: tuple[str, ...]
    unclear: tuple[str, ...] = ()
    spans: tuple[MarkedWords, ...] = ()
    source: str = AUTHORED
    readings: Annotated[int, Field(ge=1)] = 1
    note: str = ""

    @model_validator(mode="after")
    def _is_sound(self) -> "Row":
        taxonomy = load_taxonomy()
        carried = (*self.labels, *self.unclear)
        for code in carried:
            if code not in taxonomy:
                raise ValueError(f"未知标签 {code}")
        if both := set(self.labels) & set(self.unclear):
            raise ValueError(f"标签同时列为确定和存疑：{'、'.join(sorted(both))}")
        if self.source in taxonomy:
            raise ValueError(f"source 应为 authored 或网页地址，不应为标签 {self.source}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("标签重复")
        for span in self.spans:
            if not span.start < span.end <= len(self.text):
                raise ValueError(f"标注范围 {span.start}:{span.end} 超出文本（{len(self.text)} 字）")
            if span.label not in carried:
                raise ValueError(f"标注范围 {span.start}:{span.end} 的标签 {span.label} 不在本条的标签之中")
        return self

    @property
    def group(self) -> str:
        """What keeps texts of one origin in one split: the retold page, or the wording under whatever category."""
        if self.source != AUTHORED:
            return self.source
        return "".join(filter(str.isalnum, self.text)) or self.text


def _fault(fault: ErrorDetails) -> str:
    place = ".".join(map(str, fault["loc"]))
    is_own = fault["type"] == "value_error"
    message = str(fault["ctx"]["error"]) if is_own else MESSAGES.get(fault["type"], "格式不对")
    return f"{place}：{message}" if place else message


def faults(error: ValidationError) -> str:
    """Say in Chinese what is wrong with a line, and in which field."""
    return "；".join(map(_fault, error.errors()))


def corpus_files(paths: Iterable[Path]) -> list[Path]:
    """List the JSONL files among the paths and directly in the folders; raises CorpusError where one has none."""
    files: list[Path] = []
    for path in paths:
        own = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not own:
            raise CorpusError(f"文件夹 {path} 中没有 JSONL 文件")
        files += own
    if missing := [file for file in files if not file.is_file()]:
        raise CorpusError(f"文件不存在：{missing[0]}")
    return files


def parse_lines(file: Path) -> Iterator[tuple[int, Row | str]]:
    """Yield line number and row, or line number and what is wrong with the line."""
    for number, line in enumerate(read_text_file(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, Row.model_validate_json(line)
        except ValidationError as error:
            yield number, faults(error)


def read_corpus(paths: Iterable[Path]) -> list[Row]:
    """Read all rows; raises CorpusError at the first bad line."""
    rows = []
    for file in corpus_files(paths):
        for number, row in parse_lines(file):
            if isinstance(row, str):
                raise CorpusError(f"{file.name} 第 {number} 行：{row}")
            rows.append(row)
    return rows


def _loose_row(file: Path, number: int, line: str) -> Row:
    """Make a row of a line that may lack an id, names doubtful codes `unsure`, or carries further fields."""
    try:
        fields: dict[str, Any] = json.loads(line)
        unclear = list(dict.fromkeys([*fields.get("unclear", []), *fields.get("unsure", [])]))
        kept = {name: value for name, value in fields.items() if name in Row.model_fields}
        labels = [code for code in fields["labels"] if code not in unclear]
        return Row.model_validate({"id": f"{file.stem}-{number}", **kept, "labels": labels, "unclear": unclear})
    except ValidationError as error:
        raise CorpusError(f"{file.name} 第 {number} 行：{faults(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"{file.name} 第 {number} 行：不是带 labels 的 JSON 对象") from error


def read_loosely(paths: Iterable[Path]) -> list[Row]:
    """Read labelled texts that are no part of the corpus: a gold file to judge by, or extra texts to train on.

    Raises CorpusError at the first bad line.
    """
    return [
        _loose_row(file, number, line)
        for file in corpus_files(paths)
        for number, line in enumerate(read_text_file(file).split("\n"), 1)
        if line.strip()
    ]


def of_origin(rows: Sequence[Row], origin: Origin) -> list[Row]:
    """Return the rows written freely, those that retell decided cases, or all."""
    return [row for row in rows if origin == "all" or (row.source == AUTHORED) == (origin == AUTHORED)]


def files_version(files: Iterable[Path]) -> str:
    """Return a short hash of the files' names and contents."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + sha256(file).encode())
    return digest.hexdigest()[:12]


def data_version(paths: Sequence[Path]) -> str:
    """Return a short hash of the corpus files' names and contents; raises CorpusError where there are none."""
    return files_version(corpus_files(paths))
