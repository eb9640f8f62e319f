"""Writes the results of a job as JSONL, CSV, xlsx or parquet."""

import csv
import io
import json
from collections.abc import Iterator
from typing import IO, Any

from openpyxl import Workbook

from screening.licences import find_licences
from screening.results import Screening
from service.reports.common import guarded, shown_name
from service.reports.excel import cell
from service.storage.tables import JobItem

TITLES = {
    "row": "行号",
    "id": "编号",
    "verdict": "结论",
    "score": "得分",
    "labels": "标签",
    "names": "标签名称",
    "evidence": "词句",
    "review": "待复核",
    "licences": "证照与批准文号",
    "error": "错误",
    "text": "文本",
    "model_version": "模型版本",
}
FLUSH_ROWS = 500


def json_line(item: JobItem) -> str:
    """Return a row's result as one line of JSON: as `mingjian screen` writes it, its text and the licence numbers.

    The places of evidence are in this text, which may stand nowhere in the file as it is: it may be of several columns.
    """
    licences = [own.model_dump(mode="json") for own in find_licences(item.text)]
    head: dict[str, Any] = {"id": item.item_id, "row": item.row, "text": item.text, "licences": licences}
    if item.answer is None:
        body: dict[str, Any] = {"error": item.error or "尚未筛查", "findings": []}
    else:
        body = Screening.model_validate_json(item.answer.result).model_dump(mode="json")
    return json.dumps(head | body, ensure_ascii=False)


def _flat(item: JobItem) -> tuple[Any, ...]:
    """Return a row's result as cells, by TITLES."""
    licences = "；".join(f"{own.type.value} {own.number}（{own.form}）" for own in find_licences(item.text))
    if item.answer is None:
        return (item.row, item.item_id, "", None, "", "", "", "", licences, item.error or "尚未筛查", item.text, "")
    result = Screening.model_validate_json(item.answer.result)
    return (
        item.row,
        item.item_id,
        result.verdict.value,
        result.score,
        " ".join(finding.label for finding in result.findings),
        "；".join(map(shown_name, result.findings)),
        "；".join(evidence.text for finding in result.findings for evidence in finding.evidence),
        "；".join(map(shown_name, result.review)),
        licences,
        "",
        item.text,
        result.model_version,
    )


def write_jsonl(items: Iterator[JobItem], file: IO[bytes]) -> None:
    """One JSON object a line."""
    for item in items:
        file.write(json_line(item).encode() + b"\n")


def write_csv(items: Iterator[JobItem], file: IO[bytes]) -> None:
    """CSV with a mark of UTF-8, which spreadsheets need."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(TITLES.values())
    for item in items:
        writer.writerow([guarded(value) if isinstance(value, str) else value for value in _flat(item)])
    text.detach()


def write_xlsx(items: Iterator[JobItem], file: IO[bytes]) -> None:
    """One sheet."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("筛查结果")
    sheet.append(list(TITLES.values()))
    for item in items:
        sheet.append([cell(value) for value in _flat(item)])
    book.save(file)


def write_parquet(items: Iterator[JobItem], file: IO[bytes]) -> None:
    """Write a table with the keys of TITLES; texts are given as they are, as no program takes them for formulas."""
    import pyarrow as pa  # noqa: PLC0415 - large, and needed for this format alone
    from pyarrow import parquet  # noqa: PLC0415

    types = {"row": pa.int64(), "score": pa.float64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in TITLES])
    with parquet.ParquetWriter(file, schema) as writer:
        rows: list[dict[str, Any]] = []
        for item in items:
            rows.append(dict(zip(TITLES, _flat(item), strict=True)))
            if len(rows) == FLUSH_ROWS:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema))


WRITERS = {"jsonl": write_jsonl, "csv": write_csv, "xlsx": write_xlsx, "parquet": write_parquet}
MEDIA_TYPES = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}


def write_results(items: Iterator[JobItem], result_format: str, file: IO[bytes]) -> None:
    """Write results to a file in one of the formats of WRITERS."""
    WRITERS[result_format](items, file)
