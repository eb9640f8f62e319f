"""Uploads that would take more time or memory than they should, and rows that would sink their file."""

import asyncio
import io
import os
import signal
import time
import zipfile
from itertools import pairwise

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from service.documents.model import DocumentError, Limits
from service.documents.parse import PARSERS, parse_document
from service.problems import ProblemError
from service.reading import BYTES_AT_ONCE, MAX_WAITING, READERS, ROWS_AT_ONCE, STOPPING, Readers
from service.records import Failure, Record, read_records, read_upload
from service.settings import Settings
from tests.service.bad_parsers import (
    crash,
    endless,
    hang,
    presence,
    rows_in_time,
    size_of,
    stumble,
    swell,
    told_to_stop,
    too_large_to_send,
    wait_for_file,
)
from tests.service.conftest import BAD, GOOD
from tests.service.test_documents import CLAUSES, excel_file, word_file, zip_of


def with_part(content, name, change):
    """A docx or xlsx file with one of its parts changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zip_of(
            [(own, change(archive.read(own)) if own == name else archive.read(own)) for own in archive.namelist()]
        )


def refused(parse):
    start = time.monotonic()
    with pytest.raises(DocumentError) as caught:
        parse()
    assert time.monotonic() - start < 10
    return caught.value.status


def sheet_with_gap():
    return with_part(
        excel_file(), "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b'<row r="3"', b'<row r="99999999999"')
    )


def test_a_gap_between_the_rows_of_a_sheet_is_not_walked():
    assert refused(lambda: parse_document("a.xlsx", sheet_with_gap(), Limits(rows=1000))) == 413
    assert refused(lambda: list(read_upload("a.xlsx", sheet_with_gap(), Limits(rows=1000)))) == 413


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (with_part(excel_file(), "xl/styles.xml", lambda xml: xml.replace(b"</cellXfs>", b"<xf/>" * 400_000 + b"</cellXfs>")), "a.xlsx"),
        (with_part(word_file(CLAUSES), "word/document.xml", lambda xml: xml.replace(b"<w:p>", b"<w:p>" + b"<w:r/>" * 2_100_000, 1)), "a.docx"),
    ],
)  # fmt: skip
def test_xml_that_would_be_a_huge_tree_is_refused(content, name):
    assert refused(lambda: parse_document(name, content, Limits())) == 413


def test_a_merged_cell_is_read_once_however_many_columns_it_claims():
    def change(xml):
        assert b"<w:tcPr>" in xml
        return xml.replace(b"<w:tcPr>", b'<w:tcPr><w:gridSpan w:val="999999999"/>')

    content = with_part(word_file(CLAUSES), "word/document.xml", change)
    assert "营业时间　九点至二十一点" in parse_document("a.docx", content, Limits()).text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", b"<p>a" * 1_000_000),
        ("a.html", b"<p " + b" ".join(b"a%d" % n for n in range(100_000)) + b">x"),
        ("a.html", b" " * (17 * 1024 * 1024)),
        ("a.txt", b"a\n" * 5_000_000),
        ("a.md", b"a\n" * 5_000_000),
        ("a.csv", b"a\n" * 5_000_000),
    ],
)
def test_long_files_are_refused_as_they_are_read(name, content):
    assert refused(lambda: parse_document(name, content, Limits(chars=100_000))) == 413


def test_what_is_hidden_in_a_page_and_what_stands_in_it():
    page = (
        "<html><head><title>题</title></head><body><h1>须知</h1><p hidden>藏<b>起</b></p><script>var x;</script>"
        f"甲<p>乙<br>丙<img src='data:image/png;base64,{'A' * 600_000}'><table><tr><td>丁<td>戊</table></body></html>"
    )
    document = parse_document("a.html", page.encode(), Limits())
    assert [block.text for block in document.blocks] == ["题", "须知", "甲", "乙", "丙", "丁　戊"]
    assert [block.is_heading for block in document.blocks] == [True, True, False, False, False, False]


def html_blocks(page):
    return [(block.text, block.is_heading) for block in parse_document("a.html", page.encode(), Limits()).blocks]


def test_cells_of_a_row_are_kept_apart():
    page = (
        "<table><tr><th>项目</th> <th>价格<th>说明</tr>\n<tr><td>面部<b>护理</b></td>\n<td>199</td><td></td><td>3次见效</td></tr>"
        "<tr><td>会员卡<td hidden>藏<td><p>概不退款</p><p>不得转让</p></table>续"
    )
    assert [text for text, _ in html_blocks(page)] == [
        "项目　价格　说明",
        "面部护理　199　3次见效",
        "会员卡",
        "概不退款",
        "不得转让",
        "续",
    ]


def test_a_page_is_read_with_its_title_and_description():
    head = '<meta name="Description" content="三天\n见效"><meta name="keywords" content="甲"><title>祛斑霜 无效退款</title>'
    svg = "<svg><title>购物车</title></svg>"
    for page in (f"<html><head>{head}</head><body>{svg}<p>正文</body></html>", f"{head}{svg}<p>正文"):
        assert html_blocks(page) == [("祛斑霜 无效退款", True), ("三天 见效", False), ("正文", False)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>首页</p><h1> 会员须知 </h1><p>正文", [("首页", False), ("正文", False)]),
        ("<h1>店铺</h1><h2>会员须知</h2>", [("店铺", True), ("会员须知", True)]),
        ("<p>会员须知</p>", [("会员须知", False)]),
    ],
)
def test_a_title_is_not_repeated_by_the_first_heading(body, expected):
    assert html_blocks(f"<head><title>会员须知</title></head>{body}") == [("会员须知", True), *expected]
    assert ("购物车", True) in html_blocks("<p>甲</p><svg><title>购物车</title></svg><h1>购物车</h1>")


def test_what_pictures_are_named_is_read_once():
    page = (
        "<title>祛斑霜甲</title><p>规格<img alt='全国 销量第一'>50ml<img alt='全国 销量第一'></p><img alt='购物车'><img>"
        "<img alt='祛斑霜甲'><div hidden><img alt='藏起来的'></div><img hidden alt='藏起来的'><img alt='三天见效'>"
    )
    assert html_blocks(page) == [("祛斑霜甲", True), ("规格50ml", False), ("全国 销量第一", False), ("三天见效", False)]


def test_a_page_in_an_encoding_that_is_none():
    content = '<meta charset="undefined"><p>概不退款</p>'.encode()
    assert parse_document("a.html", content, Limits()).text == "概不退款"


def test_a_parquet_file_is_not_unfolded_beyond_the_limit():
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"text": ["字" * 100_000] * 500}), buffer, compression="zstd")
    assert len(buffer.getvalue()) < 10_000
    assert refused(lambda: list(read_upload("a.parquet", buffer.getvalue(), Limits(unpacked_bytes=2_000_000)))) == 413
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"text": ["字" * 1_000_000]}), buffer, compression="zstd")
    assert refused(lambda: list(read_upload("a.parquet", buffer.getvalue(), Limits(unpacked_bytes=2_000_000)))) == 413


def test_a_job_has_a_greatest_size():
    rows = f'{{"text": "{GOOD}"}}\n'.encode() * 1000
    assert refused(lambda: list(read_upload("a.jsonl", rows, Limits(unpacked_bytes=10_000)))) == 413
    assert refused(lambda: list(read_upload("a.jsonl", rows, Limits(rows=999)))) == 413
    assert len(list(read_upload("a.jsonl", rows, Limits(rows=1000)))) == 1000


def test_reading_ends_at_its_deadline():
    late = Limits(deadline=time.monotonic() - 1)
    for name, content in (("a.txt", BAD.encode()), ("a.xlsx", excel_file()), ("a.docx", word_file(CLAUSES))):
        assert refused(lambda name=name, content=content: parse_document(name, content, late)) == 504
    assert refused(lambda: list(read_upload("a.zip", zip_of([("a.txt", BAD.encode())]), late))) == 504


@pytest.fixture
def readers(monkeypatch):
    """Readers that wait less long, and may take less memory; their processes end with the test."""
    monkeypatch.setattr("service.reading.PATIENCE_S", 1.0)
    readers = Readers(Settings(read_timeout=8, max_reader_bytes=2 * 1024**3))
    yield readers
    readers.stop()


def test_few_uploads_are_read_at_once_and_few_wait(tmp_path):
    readers, leave = Readers(Settings(read_timeout=30)), tmp_path / "leave"
    *files, refused = (io.BytesIO(b"abc") for _ in range(READERS + MAX_WAITING + 1))

    async def go():
        reading = [readers.read(wait_for_file, str(leave), own) for own in files]
        tasks = [asyncio.create_task(own) for own in reading]
        while not all(file.tell() for file in files[:READERS]):
            await asyncio.sleep(0.1)
        with pytest.raises(ProblemError) as caught:
            await readers.read(size_of, "a.txt", refused)
        assert (caught.value.status, list(caught.value.headers)) == (429, ["Retry-After"])
        assert not any(file.tell() for file in [*files[READERS:], refused])  # what waits is not in memory
        leave.touch()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.1)
        assert await readers.read(size_of, "a.txt", io.BytesIO(b"abc")) == ("a.txt", 3)

    asyncio.run(go())
    readers.stop()


@pytest.mark.parametrize(("parser", "status"), [(hang, 504), (crash, 422), (swell, 413), (too_large_to_send, 413)])
def test_what_hangs_crashes_or_swells_fails_alone(readers, parser, status):
    async def go():
        reading = [readers.read(parser, "a.pdf", io.BytesIO()) for _ in range(READERS)]
        return await asyncio.gather(*reading, return_exceptions=True)

    assert [error.status for error in asyncio.run(go())] == [status] * READERS
    content = b"a" * 50_000_000
    assert asyncio.run(readers.read(size_of, "a.txt", io.BytesIO(content))) == ("a.txt", len(content))


def test_rows_come_in_lists_and_nobody_need_take_them_all(readers):
    async def read(parser, take):
        return await readers.read_rows(parser, "a.jsonl", io.BytesIO(f"{GOOD}\n".encode() * 2500), take)

    assert asyncio.run(read(rows_in_time, lambda lists: [len(own) for own in lists])) == [
        ROWS_AT_ONCE,
        ROWS_AT_ONCE,
        500,
    ]
    for _ in range(READERS + 1):
        assert asyncio.run(read(endless, next)) == list(range(ROWS_AT_ONCE))
    with pytest.raises(ProblemError) as caught:
        asyncio.run(read(stumble, list))
    assert caught.value.status == 422


def test_rows_that_are_kept_slowly_are_not_late(monkeypatch):
    monkeypatch.setattr("service.reading.PATIENCE_S", 0.0)
    readers = Readers(Settings(read_timeout=3))

    def keep(lists):
        return sum(len(own) for own in lists if not time.sleep(2))

    file = io.BytesIO(f"{GOOD}\n".encode() * 2500)
    assert asyncio.run(readers.read_rows(rows_in_time, "a.jsonl", file, keep)) == 2500
    readers.stop()


def test_documents_of_an_archive_come_unread_and_before_they_are_much_together(readers):
    contents = [os.urandom(BYTES_AT_ONCE // 2) for _ in range(5)]

    async def go():
        file = io.BytesIO(zip_of([(f"{n}.pdf", content) for n, content in enumerate(contents)]))
        return await readers.read_rows(read_upload, "a.zip", file, list)

    lists = asyncio.run(go())
    assert [len(rows) for rows in lists] == [2, 2, 1]
    assert [row.content for rows in lists for row in rows] == contents


def test_stopped_readers_say_so(readers):
    readers.stop()
    with pytest.raises(ProblemError) as caught:
        asyncio.run(readers.read(size_of, "a.txt", io.BytesIO()))
    assert (caught.value.status, caught.value.detail) == (503, STOPPING)
    with pytest.raises(DocumentError, match=STOPPING):
        readers.read_for_job(size_of, "a.txt", b"")


def test_a_reader_is_not_ended_by_a_signal_to_the_whole_group(readers):
    async def process():
        number, *_ = await readers.read(presence, "a.pdf", io.BytesIO())
        return number

    before = asyncio.run(process())
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(before, number)
    time.sleep(0.5)
    assert asyncio.run(process()) == before


@pytest.mark.parametrize(("parser", "status", "words"), [(crash, 422, "意外中断"), (told_to_stop, 503, "正在停止")])
def test_reading_that_broke_off_is_told(readers, parser, status, words):
    with pytest.raises(ProblemError, match=words) as caught:
        asyncio.run(readers.read(parser, "a.pdf", io.BytesIO()))
    assert (caught.value.status, "Retry-After" in (caught.value.headers or {})) == (status, status == 503)


def test_a_process_reads_one_upload_at_a_time(readers):
    """PDFium brings a process down, sooner or later, where two threads are in it."""

    async def go():
        return await asyncio.gather(*(readers.read(presence, "a.pdf", io.BytesIO()) for _ in range(3 * READERS)))

    found = sorted(asyncio.run(go()))
    assert os.getpid() not in {process for process, *_ in found}
    assert all(end <= start for (one, _, end), (other, start, _) in pairwise(found) if one == other)


def test_what_a_parser_did_not_foresee_quotes_nothing(readers, capfd):
    for _ in range(2):
        with pytest.raises(ProblemError) as caught:
            asyncio.run(readers.read(stumble, "a.txt", io.BytesIO("喝药治百病".encode())))
        assert caught.value.status == 422
    readers.stop()
    told = "".join(capfd.readouterr())
    assert "LookupError" in told
    assert "喝药治百病" not in told + str(caught.value)


def test_reading_ends_when_the_service_does(readers):
    async def go():
        task = asyncio.create_task(readers.read(hang, "a.pdf", io.BytesIO()))
        await asyncio.sleep(1.5)
        readers.stop()
        with pytest.raises(ProblemError) as caught:
            await task
        assert (caught.value.status, list(caught.value.headers)) == (503, ["Retry-After"])

    start = time.monotonic()
    asyncio.run(go())
    assert time.monotonic() - start < 2.5


def test_rows_that_cannot_be_kept_fail_alone():
    lines = [
        '{"id": "\\ud800", "text": "好"}',
        '{"id": "2", "text": "\\u0000"}',
        '{"id": "3", "text": "好", "category": "' + "类" * 101 + '"}',
        '{"id": "' + "号" * 201 + '", "text": "好"}',
        '{"id": "5", "text": "字字字字字字"}',
        '{"id": "6", "text": "好"}',
    ]
    rows = list(read_upload("a.jsonl", "\n".join(lines).encode(), Limits(text_chars=5)))
    assert [type(row) for row in rows] == [Failure] * 5 + [Record]
    assert rows[0].id == "\ufffd"
    assert "控制字符" in rows[1].error
    assert "category 过长" in rows[2].error
    assert len(rows[3].id) == 200
    assert "上限 5 字" in rows[4].error
    for row in rows:
        row.id.encode()


def test_a_file_that_no_parser_foresaw_fails_alone(monkeypatch, tmp_path):
    def broken(*_):
        raise UnicodeError("odd")

    monkeypatch.setitem(PARSERS, ".md", broken)
    (file := tmp_path / "a.zip").write_bytes(zip_of([("a.md", b"x"), ("b.txt", b"a\x00b")]))
    rows = list(read_records(file))
    assert isinstance(rows[0], Failure)
    assert rows[1].item.text == "ab"


def test_columns_have_the_same_names_in_jobs_and_in_documents():
    for content in (excel_file(), f"编号,文案\n1,{GOOD}\n2,{BAD}\n".encode()):
        name = "a.xlsx" if content[:2] == b"PK" else "a.csv"
        assert [row.item.text for row in read_upload(name, content, Limits())] == [GOOD, BAD]
        assert [block.text for block in parse_document(name, content, Limits()).blocks] == [GOOD, BAD]


def test_rows_of_a_csv_file_are_numbered_by_their_lines():
    content = f'id,text\n\n1,"{GOOD}\n第二行"\n\n2,{BAD}\n'.encode()
    assert [row.row for row in read_upload("a.csv", content, Limits())] == [3, 6]
    assert [block.paragraph for block in parse_document("a.csv", content, Limits()).blocks] == [3, 6]


def test_a_sheet_whose_size_is_wrong_is_read_whole():
    def change(xml):
        assert b"<dimension" in xml
        return xml.replace(b'ref="A1:B3"', b'ref="A1"')

    content = with_part(excel_file(), "xl/worksheets/sheet1.xml", change)
    assert [row.item.text for row in read_upload("a.xlsx", content, Limits())] == [GOOD, BAD]
    assert openpyxl.load_workbook(io.BytesIO(content)).active.max_row == 3
