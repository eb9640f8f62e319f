"""Reads the rows of a file of texts (JSONL, CSV, xlsx, parquet, a zip of documents), and writes their results.

The documents of an archive come unread: reading one may take as long as a picture's text takes to be recognised.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening.results import Screening
from screening.screener import MAX_CHARS, TextInput
from screening.taxonomy import Kind
from screening.textfile import decode
from service.documents.archive import entry_names, is_system_file, open_archive, read_entry
from service.documents.columns import (
    COLUMNS,
    NAMED_IN_MESSAGES,
    TEXT_COLUMNS,
    Rows,
    header_of,
    is_blank,
    kind_of_row,
    places,
    split_header,
    text_places,
    written,
)
from service.documents.model import DocumentError, Limits
from service.documents.office import open_sheets
from service.documents.parse import parse_document, safe_name, suffix_of
from service.documents.table import csv_rows
from service.schemas.common import MAX_CATEGORY, MAX_ID, Printable, echo

PARQUET_ROWS = 1000
# A text of the greatest length, each character escaped as a pair.
MAX_LINE = MAX_CHARS * 12 + 1000
TOO_MUCH_TEXT = "文件的文字总量过大，请拆分后分别提交"
UNREAD = TextInput("")
NO_TEXT = f"缺少文本列 text（也可用 {'、'.join(TEXT_COLUMNS[1:4])}……）"
NO_TEXT_COLUMN = (
    f"表头中没有文本列，文本列的列名可用 {'、'.join(TEXT_COLUMNS[:NAMED_IN_MESSAGES])}等；"
    f"另可有编号列（{'、'.join(COLUMNS['id'])}）、来源列（{'、'.join(COLUMNS['kind'])}）、"
    f"类别列（{'、'.join(COLUMNS['category'])}）"
)
# Each sheet counts anew in it.
SERIAL_NUMBER = "序号"
# Why a row has more cells than the header.
STRAY_COMMA = "列数多于表头，单元格中的逗号等分隔符须加引号"
STRAY_CELL = "单元格多于表头的列数，请为多出的列写明列名，或删去多出的单元格"


class _Fields(BaseModel):
    """The columns that are read; others are ignored. A table may have a text in several."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: Annotated[str, Field(max_length=MAX_ID), Printable]
    text: list[Annotated[str, Printable]]
    kind: Kind | None = None
    category: Annotated[str, Field(max_length=MAX_CATEGORY), Printable] = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A row that can be screened; `row` is its place in the file."""

    id: str
    row: int
    item: TextInput

    def to_json(self, result: Screening) -> str:
        """Return the row's result as one line of JSON."""
        head = {"id": self.id, "row": self.row}
        return json.dumps(head | result.model_dump(mode="json"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that cannot be screened, and why, in Chinese."""

    id: str
    row: int
    error: str

    def to_json(self) -> str:
        """Return the row's failure as one line of JSON; it has no findings."""
        return json.dumps({"id": self.id, "row": self.row, "error": self.error, "findings": []}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A document of an archive that is still to be read; `name` ends in its file name, `item` has no text yet."""

    id: str
    row: int
    name: str
    content: bytes
    item: TextInput = UNREAD

    def read(self, text_of: Callable[[str, bytes], str], limits: Limits) -> Record | Failure:
        """Return the document as a row, of its whole text, which the screener reads as one."""
        try:
            text = text_of(self.name, self.content)
        except DocumentError as error:
            return Failure(self.id, self.row, f"{self.id}：{error}")
        if len(text) > limits.text_chars:
            most = f"压缩包中的一份文件上限 {limits.text_chars} 字，请用 POST /v1/documents 单独提交，或拆分"
            return Failure(self.id, self.row, f"{self.id}：文本过长：{len(text)} 字，{most}")
        return Record(self.id, self.row, replace(self.item, text=text))


Row = Record | Failure | Enclosed


def hinted(item: TextInput, kind: Kind | None, category: str) -> TextInput:
    """Return an item with the kind and category of its whole file, where it names none itself."""
    return replace(item, kind=item.kind or kind, category=item.category or category)


def document_text(name: str, data: bytes, limits: Limits) -> str:
    """Return the whole text of a document; raises DocumentError."""
    return parse_document(name, data, limits).text


def _why(error: ValidationError, names: Mapping[tuple[str | int, ...], str]) -> str:
    """Say what is wrong with the fields of a row, by the names of their columns."""
    messages = {
        "string_too_long": "过长",
        "literal_error": "取值无效，可选 ad、clause、product",
        "unprintable": "含有控制字符或不完整的字符",
        "string_unicode": "含有控制字符或不完整的字符",
    }
    faults = (
        NO_TEXT
        if fault["type"] == "missing"
        else f"{names.get(fault['loc'][:2], fault['loc'][0])} {messages.get(fault['type'], '格式不对')}"
        for fault in error.errors()
    )
    return "；".join(faults)


def _place(row: int, sheet: str) -> str:
    return f"工作表“{sheet}”第 {row} 行" if sheet else f"第 {row} 行"


def _record(
    row: int, header: tuple[str, ...], values: Sequence[Any], limits: Limits, sheet: str = ""
) -> Record | Failure:
    """Check a row; of several sheets each row is named with its own, as all of them count from 1."""
    place = _place(row, sheet)
    name = f"{sheet}-{row}" if sheet else str(row)
    columns = {field: own[0] for field, own in places(header).items()}
    filled = [own for own, value in enumerate(values) if not is_blank(value)]
    given = {field: written(values[own]) for field, own in columns.items() if own in filled}
    names: dict[tuple[str | int, ...], str] = {(field,): header[own] for field, own in columns.items()}
    if text_columns := text_places(header):
        own_texts = [own for own in text_columns if own in filled]
        given["text"] = [written(values[own]) for own in own_texts]
        names |= {("text", number): header[own] for number, own in enumerate(own_texts)}
    if sheet and "id" in given and header[columns["id"]] == SERIAL_NUMBER:
        given["id"] = f"{sheet}-{given['id']}"
    given.setdefault("id", name)
    given["kind"] = kind_of_row(header, values)
    try:
        checked = _Fields.model_validate(given)
    except ValidationError as error:
        return Failure(echo(given["id"]), row, f"{place}：{_why(error, names)}")
    text = "\n".join(own for own in checked.text if own.strip())
    if not text:
        return Failure(checked.id, row, f"{place}：文本不能为空")
    if len(text) > limits.text_chars:
        return Failure(checked.id, row, f"{place}：文本过长：{len(text)} 字，上限 {limits.text_chars} 字")
    return Record(checked.id, row, TextInput(text, checked.kind, checked.category))


def _json_rows(text: str, limits: Limits) -> Iterator[Record | Failure]:
    for row, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line) if len(line) <= MAX_LINE else None
        except (ValueError, RecursionError):
            yield Failure(str(row), row, f"第 {row} 行：不是有效的 JSON")
            continue
        if isinstance(fields, dict):
            yield _record(row, header_of(tuple(fields)), list(fields.values()), limits)
        else:
            yield Failure(str(row), row, f"第 {row} 行：不是 JSON 对象，或过长")


def _table_rows(rows: Rows, limits: Limits, stray: str, sheet: str = "") -> Iterator[Record | Failure]:
    """Yield the rows of a table, by the names of its header; raises DocumentError where it names no text.

    `stray` says what is wrong with a row of more cells than the header.
    """
    header, below = split_header(rows)
    if not text_places(header):
        if not header and next(below, None) is None:
            return
        raise DocumentError(f"工作表“{sheet}”：{NO_TEXT_COLUMN}" if sheet else NO_TEXT_COLUMN)
    for row, cells in below:
        record = _record(row, header, cells, limits, sheet)
        if all(map(is_blank, cells[len(header) :])):
            yield record
        else:
            yield Failure(echo(record.id), row, f"{_place(row, sheet)}：{stray}")


def _parquet_rows(data: bytes, limits: Limits) -> Iterator[Record | Failure]:
    """Yield the rows of a Parquet file; a text that it holds once for many rows is unfolded when its row comes."""
    import pyarrow as pa  # noqa: PLC0415 - large, and needed for this format alone
    from pyarrow import parquet  # noqa: PLC0415

    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
        if sum(group.total_byte_size for group in groups) > limits.unpacked_bytes:
            raise DocumentError("文件解开后过大", 413)
        schema = file.schema
        folded = [own.path for own in map(schema.column, range(len(schema))) if own.physical_type == "BYTE_ARRAY"]
        names = file.schema_arrow.names
        header = header_of(names)
        if not text_places(header):
            raise DocumentError(NO_TEXT_COLUMN)
        wanted = [names[place] for place in (*chain.from_iterable(places(header).values()), *text_places(header))]
        file = parquet.ParquetFile(pa.BufferReader(data), read_dictionary=folded)
        row = 0
        for batch in file.iter_batches(PARQUET_ROWS, columns=wanted):
            for place in range(batch.num_rows):
                row += 1
                yield _record(row, header_of(wanted), [batch.column(name)[place].as_py() for name in wanted], limits)
    except (DocumentError, MemoryError):
        raise
    except Exception as error:  # pyarrow raises errors of its own and of Python's
        raise DocumentError("Parquet 文件已损坏，无法读取") from error


def _zip_rows(data: bytes, limits: Limits) -> Iterator[Failure | Enclosed]:
    """Yield each document of an archive; one that cannot be unpacked fails alone."""
    archive = open_archive(data, limits)
    named = zip(entry_names(archive), archive.infolist(), strict=True)
    documents = [(name, entry) for name, entry in named if not entry.is_dir() and not is_system_file(name)]
    for_one = replace(limits, unpacked_bytes=limits.file_bytes)
    unpacked = 0
    for row, (name, entry) in enumerate(documents, 1):
        try:
            suffix_of(name)
            content = read_entry(archive, entry, for_one)
        except DocumentError as error:
            yield Failure(echo(name), row, f"{echo(name)}：{error}")
            continue
        unpacked += len(content)
        if unpacked > limits.unpacked_bytes:
            raise DocumentError("压缩文件解开后过大", 413)
        yield Enclosed(echo(name), row, safe_name(name), content)


def _rows(name: str, data: bytes, limits: Limits) -> Iterator[Row]:
    match PurePath(name).suffix.lower():
        case ".jsonl":
            return _json_rows(decode(data, name), limits)
        case ".csv":
            return _table_rows(csv_rows(decode(data, name), limits), limits, STRAY_COMMA)
        case ".xlsx":
            sheets = open_sheets(data, limits)
            return chain.from_iterable(_table_rows(own.rows, limits, STRAY_CELL, own.name) for own in sheets)
        case ".parquet":
            return _parquet_rows(data, limits)
        case ".zip":
            return _zip_rows(data, limits)
        case other:
            raise DocumentError(f"不支持的文件格式 {other or '（无扩展名）'}，支持 jsonl、csv、xlsx、parquet、zip", 415)


def read_upload(name: str, data: bytes, limits: Limits) -> Iterator[Row]:
    """Yield every row of an upload, good, bad or still to be read; raises EncodingError or DocumentError."""
    unpacked = 0
    for number, row in enumerate(_rows(name, data, limits), 1):
        limits.check_time()
        if number > limits.rows:
            raise DocumentError(f"一个任务最多 {limits.rows} 条", 413)
        if isinstance(row, Record):
            unpacked += len(row.item.text.encode())
        if unpacked > limits.unpacked_bytes:
            raise DocumentError(TOO_MUCH_TEXT, 413)
        yield row


def read_records(path: Path) -> Iterator[Record | Failure]:
    """Yield every row of a file, good or bad; raises as `read_upload` does."""
    limits = Limits()
    unpacked = 0
    for row in read_upload(path.name, path.read_bytes(), limits):
        if not isinstance(row, Enclosed):
            yield row
            continue
        read = row.read(partial(document_text, limits=limits), limits)
        unpacked += len(read.item.text) if isinstance(read, Record) else 0
        if unpacked > limits.unpacked_bytes:
            raise DocumentError(TOO_MUCH_TEXT, 413)
        yield read
