"""Reads the rows of a file of texts (JSONL, CSV, xlsx, parquet, a zip of documents), and writes their results."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening.errors import MingjianError
from screening.results import Screening
from screening.screener import MAX_CHARS, TextInput
from screening.taxonomy import Kind
from screening.textfile import decode
from service.documents.archive import open_archive, read_entry
from service.documents.model import DocumentError, Limits
from service.documents.office import sheet_rows
from service.documents.parse import parse_document

PARQUET_ROWS = 1000


class RecordsError(MingjianError):
    """The file as a whole cannot be read; `status` is what the API answers with."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


# Columns and kinds may be named in Chinese.
COLUMNS = {
    "编号": "id",
    "文本": "text",
    "内容": "text",
    "正文": "text",
    "来源": "kind",
    "类型": "kind",
    "类别": "category",
}
KINDS = {
    "广告": "ad",
    "合同条款": "clause",
    "条款": "clause",
    "商品信息": "product",
    "商品": "product",
    "auto": None,
    "": None,
}


class _Fields(BaseModel):
    """The columns that are read; others are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str
    text: str = Field(min_length=1, max_length=MAX_CHARS)
    kind: Kind | None = None
    category: str = ""


@dataclass(frozen=True)
class Record:
    """A row that can be screened; `row` is its place in the file."""

    id: str
    row: int
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


def _record(row: int, fields: Mapping[str, Any]) -> Record | Failure:
    given = {COLUMNS.get(name.strip(), name.strip()): value for name, value in fields.items() if value is not None}
    given.setdefault("id", str(row))
    if isinstance(kind := given.get("kind"), str):
        given["kind"] = KINDS.get(kind.strip(), kind)
    try:
        checked = _Fields.model_validate(given)
    except ValidationError as error:
        return Failure(str(given["id"]), row, f"第 {row} 行：{_why(error)}")
    if not checked.text.strip():
        return Failure(checked.id, row, f"第 {row} 行：text 不能为空")
    return Record(checked.id, row, TextInput(checked.text, checked.kind, checked.category))


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


def _csv_rows(text: str, name: str) -> Iterator[Record | Failure]:
    csv.field_size_limit(MAX_CHARS * 2)
    try:
        for row, fields in enumerate(csv.DictReader(io.StringIO(text, newline="")), 2):
            yield _record(row, {column: value for column, value in fields.items() if isinstance(column, str)})
    except csv.Error as error:
        raise RecordsError(f"文件 {name} 不是有效的 CSV，或有单元格超过 {MAX_CHARS * 2} 字") from error


def _xlsx_rows(data: bytes, limits: Limits) -> Iterator[Record | Failure]:
    rows = sheet_rows(data, limits)
    header = ["" if cell is None else str(cell) for cell in next(rows, ())]
    for row, cells in enumerate(rows, 2):
        if any(cell is not None for cell in cells):
            yield _record(row, dict(zip(header, cells, strict=False)))


def _parquet_rows(data: bytes) -> Iterator[Record | Failure]:
    import pyarrow as pa  # noqa: PLC0415 - large, and needed for this format alone
    from pyarrow import parquet  # noqa: PLC0415

    row = 0
    try:
        for batch in parquet.ParquetFile(pa.BufferReader(data)).iter_batches(PARQUET_ROWS):
            for fields in batch.to_pylist():
                row += 1
                yield _record(row, fields)
    except (pa.ArrowException, OSError) as error:
        raise RecordsError("Parquet 文件已损坏，无法读取") from error


def _zip_rows(data: bytes, limits: Limits) -> Iterator[Record | Failure]:
    """Yield each document of an archive as one text."""
    archive = open_archive(data, limits)
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    unpacked = 0
    for row, name in enumerate(names, 1):
        try:
            content = read_entry(archive, name, limits)
            unpacked += len(content)
            if unpacked > limits.unpacked_bytes:
                raise RecordsError("压缩文件解开后过大", 413)
            text = parse_document(name, content, limits).text
        except DocumentError as error:
            yield Failure(name, row, f"{name}：{error}")
            continue
        yield _record(row, {"id": name, "text": text})


def read_upload(name: str, data: bytes, limits: Limits) -> Iterator[Record | Failure]:
    """Yield every row of an upload, good or bad; raises EncodingError, RecordsError or DocumentError."""
    match PurePath(name).suffix.lower():
        case ".jsonl":
            yield from _json_rows(decode(data, name))
        case ".csv":
            yield from _csv_rows(decode(data, name), name)
        case ".xlsx":
            yield from _xlsx_rows(data, limits)
        case ".parquet":
            yield from _parquet_rows(data)
        case ".zip":
            yield from _zip_rows(data, limits)
        case other:
            raise RecordsError(f"不支持的文件格式 {other or '（无扩展名）'}，支持 jsonl、csv、xlsx、parquet、zip", 415)


def read_records(path: Path) -> Iterator[Record | Failure]:
    """Yield every row of a file, good or bad; raises as `read_upload` does."""
    yield from read_upload(path.name, path.read_bytes(), Limits())
