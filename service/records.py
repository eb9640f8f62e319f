"""Reads the rows of a JSONL or CSV file of texts, and writes their results."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening.errors import MingjianError
from screening.results import Screening
from screening.screener import MAX_CHARS, TextInput
from screening.taxonomy import Kind
from screening.textfile import read_text_file


class RecordsError(MingjianError):
    """The file as a whole cannot be read."""


class _Fields(BaseModel):
    """The columns that are read; others are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str
    text: str = Field(min_length=1, max_length=MAX_CHARS)
    kind: Kind | None = None
    category: str = ""


@dataclass(frozen=True)
class Record:
    """A row that can be screened."""

    id: str
    item: TextInput

    def to_json(self, result: Screening) -> str:
        """Return the row's result as one line of JSON."""
        return json.dumps({"id": self.id, **result.model_dump(mode="json")}, ensure_ascii=False)


@dataclass(frozen=True)
class Failure:
    """A row that cannot be screened, and why, in Chinese."""

    id: str
    row: int
    error: str

    def to_json(self) -> str:
        """Return the row's failure as one line of JSON; it has no findings."""
        return json.dumps({"id": self.id, "row": self.row, "error": self.error, "findings": []}, ensure_ascii=False)


def _why(error: ValidationError) -> str:
    messages = {
        "missing": "缺少字段",
        "string_too_short": "不能为空",
        "string_too_long": f"超过 {MAX_CHARS} 字",
        "literal_error": "取值无效，可选 ad、clause、product",
    }
    faults = (f"{fault['loc'][0]} {messages.get(fault['type'], '格式不对')}" for fault in error.errors())
    return "；".join(faults)


def _record(row: int, fields: dict[str, Any]) -> Record | Failure:
    given = {"id": str(row), **{name: value for name, value in fields.items() if value is not None}}
    if given.get("kind") in ("", "auto"):
        given["kind"] = None
    try:
        checked = _Fields.model_validate(given)
    except ValidationError as error:
        return Failure(str(given["id"]), row, f"第 {row} 行：{_why(error)}")
    if not checked.text.strip():
        return Failure(checked.id, row, f"第 {row} 行：text 不能为空")
    return Record(checked.id, TextInput(checked.text, checked.kind, checked.category))


def _json_rows(text: str) -> Iterator[Record | Failure]:
    for row, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            yield Failure(str(row), row, f"第 {row} 行：不是有效的 JSON")
            continue
        if isinstance(fields, dict):
            yield _record(row, fields)
        else:
            yield Failure(str(row), row, f"第 {row} 行：不是 JSON 对象")


def read_records(path: Path) -> Iterator[Record | Failure]:
    """Yield every row of a .jsonl or .csv file, good or bad; raises EncodingError or RecordsError."""
    text = read_text_file(path)
    if path.suffix.lower() == ".jsonl":
        yield from _json_rows(text)
        return
    csv.field_size_limit(MAX_CHARS * 2)
    try:
        for row, fields in enumerate(csv.DictReader(io.StringIO(text, newline="")), 2):
            yield _record(row, {name: value for name, value in fields.items() if isinstance(name, str)})
    except csv.Error as error:
        raise RecordsError(f"文件 {path.name} 不是有效的 CSV，或有单元格超过 {MAX_CHARS * 2} 字") from error
