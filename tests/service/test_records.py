"""Rows of uploads: several sheets, several text columns, archives of other systems."""

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.documents.archive import RATIO_FROM_BYTES
from service.documents.model import DocumentError, Limits
from service.records import Enclosed, Failure, read_records, read_upload
from tests.service.conftest import BAD, GOOD
from tests.service.test_documents import encrypted, workbook, zip_of


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


def test_an_entry_that_cannot_be_unpacked_fails_alone_by_its_name():
    zeros = b"0" * (2 * RATIO_FROM_BYTES)
    entries = [("一.txt", GOOD), ("密/合同.txt", BAD), ("零.txt", zeros), ("二.txt", BAD)]
    first, locked, bomb, last = read_upload("a.zip", encrypted(zip_of(entries), "密/合同.txt"), Limits())
    assert [(row.id, row.row, row.content.decode()) for row in (first, last)] == [
        ("一.txt", 1, GOOD),
        ("二.txt", 4, BAD),
    ]
    assert locked == Failure("密/合同.txt", 2, "密/合同.txt：文件已加密，请先解除密码")
    assert bomb == Failure("零.txt", 3, "零.txt：文件的压缩比异常，拒绝处理")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("一.txt", GOOD), ("../x.txt", GOOD)], "不安全的路径名"),
        ([("一.txt", GOOD), ("__MACOSX/../../x.txt", GOOD)], "不安全的路径名"),
        ([(f"{n}.txt", "") for n in range(10_001)], "文件过多"),
        ([(f"{n}.txt", "0" * 600) for n in range(2)], "过大"),
    ],
)
def test_an_archive_that_is_unsafe_or_too_large_is_refused_whole(entries, words):
    with pytest.raises(DocumentError, match=words):
        list(read_upload("a.zip", zip_of(entries), Limits(unpacked_bytes=1000)))


def test_what_systems_put_into_an_archive_is_no_row():
    system = [
        "__MACOSX/合同/._条款.txt",
        "合同/__MACOSX/x.txt",
        "._条款.txt",
        "合同/.DS_Store",
        "合同/Thumbs.db",
        "desktop.ini",
        "Desktop.ini",
        "合同\\~$条款.docx",
        "~$价格.XLSX",
    ]
    documents = ["合同/条款.txt", "a._b.txt", "~$.txt", "Thumbs.db.txt", "MACOSX/a.txt", "~$a.docx/b.txt"]
    rows = list(read_upload("a.zip", zip_of([(name, GOOD) for name in (*system, *documents)]), Limits()))
    assert [(row.id, row.row) for row in rows] == list(zip(documents, range(1, 7), strict=True))
    assert all(isinstance(row, Enclosed) for row in rows)
    assert list(read_upload("a.zip", zip_of([(name, GOOD) for name in system]), Limits())) == []
