"""Rows of uploads: several sheets, several text columns, archives of other systems."""

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.documents.model import Limits
from service.records import read_records, read_upload
from tests.service.conftest import BAD, GOOD
from tests.service.test_documents import workbook, zip_of


def test_rows_of_several_sheets_are_told_apart():
    content = workbook(
        说明=[["填表说明"]],
        甲=[["文案"], [GOOD], ["字" * 70]],
        乙=[["编号", "标题", "描述"], ["7", GOOD, BAD], [None, BAD, None]],
    )
    rows = list(read_upload("a.xlsx", content, Limits(text_chars=69)))
    assert [(row.id, row.row) for row in rows] == [("甲-2", 2), ("甲-3", 3), ("7", 2), ("乙-3", 3)]
    assert rows[1].error.startswith("工作表“甲”第 3 行：")
    assert rows[2].item.text == f"{GOOD}\n{BAD}"
    assert rows[3].item.text == BAD


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_title_and_description_are_one_text(name):
    rows = {"标题": ["苦荞茶", "绿茶"], "id": ["1", "2"], "描述": ["降血糖", ""]}
    buffer = io.BytesIO()
    parquet.write_table(pa.table(rows), buffer)
    content = {
        "a.jsonl": '{"标题": "苦荞茶", "描述": "降血糖"}\n{"标题": "绿茶", "描述": " "}'.encode(),
        "a.csv": "标题,id,描述\n苦荞茶,1,降血糖\n绿茶,2,\n".encode(),
        "a.parquet": buffer.getvalue(),
    }[name]
    assert [row.item.text for row in read_upload(name, content, Limits())] == ["苦荞茶\n降血糖", "绿茶"]


def test_names_of_a_windows_archive_are_read_and_each_entry_is(tmp_path):
    """Chinese Windows writes names in GBK without a sign; an archive may hold one name twice."""
    content = zip_of([("name00.txt", GOOD), ("name01.txt", BAD)])
    for place in (b"name00.txt", b"name01.txt"):
        content = content.replace(place, "广告词.txt".encode("gbk"))
    (file := tmp_path / "a.zip").write_bytes(content)
    assert [(row.id, row.item.text) for row in read_records(file)] == [("广告词.txt", GOOD), ("广告词.txt", BAD)]
    unmarked = zip_of([("name000000.txt", GOOD)]).replace(b"name000000", "条款.".encode() + b"...")
    assert [row.id for row in read_upload("a.zip", unmarked, Limits())] == ["条款.....txt"]
    marked = zip_of([("广告é.txt", GOOD)])
    assert [row.id for row in read_upload("a.zip", marked, Limits())] == ["广告é.txt"]
