"""Rows of uploads: several sheets, several text columns, archives of other systems."""

import datetime
import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.documents.archive import RATIO_FROM_BYTES
from service.documents.model import DocumentError, Limits
from service.documents.parse import parse_document
from service.documents.screen import inputs
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


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["图.bmp.txt"], "gb18030"),  # valid in UTF-8, too, but no Chinese then
        (["图.bmp.txt", "文案.txt"], "gb18030"),
        (["图.bmp.txt", "a.txt", "文案.txt"], "utf-8"),
        (["a.txt", "b.txt"], "ascii"),
    ],
)
def test_all_unmarked_names_of_an_archive_are_in_one_encoding(names, encoding):
    content = zip_of([(f"{number:0{len(name.encode(encoding))}}", GOOD) for number, name in enumerate(names)])
    for number, name in enumerate(names):
        content = content.replace(f"{number:0{len(name.encode(encoding))}}".encode(), name.encode(encoding))
    assert [row.id for row in read_upload("a.zip", content, Limits())] == names


def test_a_name_that_is_marked_does_not_decide_for_the_others():
    content = zip_of([("广告.txt", GOOD), ("name.txt", BAD)]).replace(b"name", "图图".encode("gbk"))
    assert [row.id for row in read_upload("a.zip", content, Limits())] == ["广告.txt", "图图.txt"]


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


def csv_of(rows):
    return "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows).encode()


def both(rows):
    """The rows as an Excel and as a CSV file."""
    return ("a.xlsx", workbook(甲=rows)), ("a.csv", csv_of(rows))


NAMES = ["序号", "店铺", "标题", "描述"]
GOODS = [1, "某某食品专营店旗舰店官方网店（总店）电话一二三四五六七八九十", "降糖茶", BAD]


@pytest.mark.parametrize(
    ("above", "names"),
    [
        ([], NAMES),
        ([["网络商品监测表"]], NAMES),
        ([["网络商品监测表"] * 4], NAMES),  # as some programs write merged cells
        ([["商品标题"]], NAMES),
        ([["网络商品监测表"], ["填报单位：", "某局", "日期：", "2024-05-01"]], NAMES),
        ([["填表说明：" + "请逐项填写，" * 20], [None, None, None, "单位：条"]], NAMES),
        ([["监测表"], ["序号", "店铺", "商品", None]], [None, None, "标题", "描述"]),
        ([["监测表"], ["序号", "店铺", "内容", None]], [None, None, "标题", "描述"]),
        ([], ["编号", "店铺", "*商品 标题（必填）", "商品描述\u3000"]),
    ],
)
def test_a_header_is_found_under_titles(above, names):
    rows = [*above, names, GOODS, [2, "甲店", "绿茶", "新茶"]]
    first = len(above) + 2
    for name, content in both(rows):
        found = [(row.id, row.row, row.item.text) for row in read_upload(name, content, Limits())]
        assert found == [("1", first, f"降糖茶\n{BAD}"), ("2", first + 1, "绿茶\n新茶")]
        blocks = parse_document(name, content, Limits()).blocks
        assert [(block.paragraph, block.text) for block in blocks] == [own[1:] for own in found]


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        ([["条款汇总"], ["条款内容"], [GOOD], [BAD]], [GOOD, BAD]),
        ([["文案", 2024], [GOOD, 1], ["内容", 2]], [GOOD, "内容"]),
        # Values that are names of columns as well.
        ([["text", "kind"], ["概不退款", "条款"], ["好茶", "广告"]], ["概不退款", "好茶"]),
    ],
)
def test_a_row_below_the_header_is_a_text(rows, texts):
    for name, content in both(rows):
        assert [row.item.text for row in read_upload(name, content, Limits())] == texts
        assert [block.text for block in parse_document(name, content, Limits()).blocks] == texts


@pytest.mark.parametrize(
    "rows",
    [
        [[GOOD], [BAD], ["内容"], ["好茶"]],
        [["甲", BAD], ["乙", "条款"], ["丙", "广告"]],
        [["甲店", "好茶" * 20], ["标题", "描述"]],
    ],
)
def test_a_row_among_texts_is_no_header(rows):
    for name, content in both(rows):
        texts = [block.text for block in parse_document(name, content, Limits()).blocks]
        assert texts == ["　".join(row) for row in rows]
        with pytest.raises(DocumentError, match="没有文本列"):
            list(read_upload(name, content, Limits()))


@pytest.mark.parametrize("name", ["条款内容", "商品名称", "广告内容", "宣传语", "商品标题", "商品描述", "详情", "内容"])
def test_chinese_names_of_columns(name):
    header = ["商品编号", name, "文本类型", "商品类别", "链接"]
    row = ["A1", BAD, "条款", "健身会员卡", "https://item.example.com/" + "a" * 60]
    for file, content in both([header, row]):
        (record,) = read_upload(file, content, Limits())
        assert (record.id, record.item.text, record.item.kind, record.item.category) == (
            "A1",
            BAD,
            "clause",
            "健身会员卡",
        )
        assert parse_document(file, content, Limits()).text == BAD


def test_serial_numbers_of_several_sheets_are_told_apart():
    rows = [["序号", "文案"], [1, GOOD], [None, BAD]]
    found = list(read_upload("a.xlsx", workbook(甲=rows, 乙=rows), Limits()))
    assert [row.id for row in found] == ["甲-1", "甲-3", "乙-1", "乙-3"]


def test_all_texts_of_a_row_are_read_where_no_column_of_texts_is_known():
    url, licence = "https://item.example.com/" + "a" * 80, "91110000600037341L"
    rows = [
        ["监测表"],
        ["序号", "类别", "宝贝大名", "网址", "日期", "价格", "证号", "许可", "话术"],
        [1, "普通食品", "降糖茶", url, "2024年5月1日 10:30", "￥99.00元", licence, "国药准字H20030001", BAD],
        [
            2,
            "普通食品",
            "TOP1 好茶",
            "item.example.com/1.html",
            "2024-05-01",
            9.9,
            "SKU-12345",
            "JY13301234567890",
            "100% 有效",
        ],
        [3, "普通食品", None, url, "2024/5/1", "1000元", licence, None, None],
    ]
    for name, content in both(rows):
        blocks = parse_document(name, content, Limits()).blocks
        assert [(block.paragraph, block.text) for block in blocks] == [
            (3, f"降糖茶　{BAD}"),
            (4, "TOP1 好茶　100% 有效"),
        ]
        (enclosed,) = read_upload("a.zip", zip_of([(name, content)]), Limits())
        text = enclosed.read(lambda own, data: parse_document(own, data, Limits()).text, Limits()).item.text
        assert text == f"降糖茶　{BAD}\nTOP1 好茶　100% 有效"


def test_dates_and_numbers_of_a_sheet_are_no_text():
    rows = [[BAD, datetime.datetime(2024, 5, 1), datetime.time(10, 30), 3, 4.5, True]]
    assert parse_document("a.xlsx", workbook(甲=rows), Limits()).text == BAD


def test_a_file_without_a_column_of_texts_is_refused_once():
    rows = [["序号", "宝贝大名", "链接"], [1, BAD, "https://example.com"]]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"宝贝大名": [BAD]}), buffer)
    for name, content in (*both(rows), ("a.parquet", buffer.getvalue())):
        with pytest.raises(
            DocumentError, match=r"没有文本列.*text、文案、内容、标题.*商品名称.*序号.*类型.*品类"
        ) as caught:
            list(read_upload(name, content, Limits()))
        assert caught.value.status == 422
    with pytest.raises(DocumentError, match="工作表“甲”"):
        list(read_upload("a.xlsx", workbook(甲=rows, 乙=rows), Limits()))


def test_only_a_text_file_has_commas_too_many():
    rows = [["编号", "文案"], ["1", GOOD, "好"], ["2", None]]
    for (name, content), words in zip(
        both(rows), ("单元格多于表头的列数", "列数多于表头，单元格中的逗号"), strict=True
    ):
        stray, blank = read_upload(name, content, Limits())
        assert (stray.id, stray.error[: len("第 2 行：") + len(words)]) == ("1", f"第 2 行：{words}")
        assert blank.error == "第 3 行：文本不能为空"


@pytest.mark.parametrize(
    ("header", "row", "kind"),
    [
        (["文案", "来源"], [GOOD, "ad"], "ad"),
        (["文案", "类型"], [GOOD, "Product"], "product"),
        (["文案", "来源", "类型"], [GOOD, "淘宝网", "条款"], "clause"),
        (["文案", "类型", "来源"], [GOOD, "商品", "广告"], "ad"),
        (["文案", "kind", "类型"], [GOOD, "auto", "条款"], "clause"),
        (["文案", "kind"], [GOOD, " AD "], "ad"),
        (["文案", "文本类型"], [GOOD, "ＡＤ"], "ad"),
        (["文案", "来源"], [GOOD, "淘宝网"], None),
        (["文案", "来源"], [GOOD, "#N/A"], None),
    ],
)
def test_the_kind_of_a_row_is_found_among_its_columns(header, row, kind):
    buffer = io.BytesIO()
    parquet.write_table(pa.table({name: [cell] for name, cell in zip(header, row, strict=True)}), buffer)
    line = json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False).encode()
    for name, content in (*both([header, row]), ("a.parquet", buffer.getvalue()), ("a.jsonl", line)):
        (record,) = read_upload(name, content, Limits())
        assert record.item.kind == kind, name
    for name, content in both([header, row]):
        (block,) = parse_document(name, content, Limits()).blocks
        assert block.kind == kind, name


def test_a_kind_that_is_none_fails_a_row_of_a_job_and_is_left_out_of_a_document():
    for name, content in both([["文案", "kind", "类型"], [GOOD, "海报", "条款"]]):
        (failure,) = read_upload(name, content, Limits())
        assert failure.error == "第 2 行：kind 取值无效，可选 ad、clause、product"
        assert parse_document(name, content, Limits()).blocks[0].kind is None


def test_rows_of_a_document_are_screened_by_their_own_kind_and_category():
    rows = [["文案", "类型", "品类"], [GOOD, "商品", "药品"], [BAD, None, "#N/A"], ["好茶", "广告", "长" * 101]]
    for name, content in both(rows):
        found = inputs(parse_document(name, content, Limits()), "clause", "健身")
        assert [(own.kind, own.category) for own in found] == [
            ("product", "药品"),
            ("clause", "健身"),
            ("ad", "长" * 100),
        ]


def test_dates_and_truth_values_are_read_as_text_alike():
    day, moment, hour = datetime.datetime(2026, 11, 1), datetime.datetime(2026, 10, 1, 8, 30), datetime.time(9, 5)
    rows = [
        ["编号", "标题", "描述", "品类"],
        [day, BAD, moment, hour],
        [True, True, day, False],
        [7, "#N/A", BAD, None],
    ]
    content = workbook(甲=rows)
    assert [(own.id, own.item.text, own.item.category) for own in read_upload("a.xlsx", content, Limits())] == [
        ("2026-11-01", f"{BAD}\n2026-10-01 08:30:00", "09:05:00"),
        ("TRUE", "TRUE\n2026-11-01", "FALSE"),
        ("7", BAD, ""),
    ]
    assert [(own.text, own.category) for own in parse_document("a.xlsx", content, Limits()).blocks] == [
        (f"{BAD}\n2026-10-01 08:30:00", "09:05:00"),
        ("TRUE\n2026-11-01", "FALSE"),
        (BAD, ""),
    ]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"id": [day.date()], "text": [BAD], "category": [moment]}), buffer)
    (record,) = read_upload("a.parquet", buffer.getvalue(), Limits())
    assert (record.id, record.item.category) == ("2026-11-01", "2026-10-01 08:30:00")


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("above", ["", "\n监测表\n"])
def test_other_separators_are_found_by_the_header(delimiter, above):
    header, *rows = ["编号", "文案", "类型"], ["A1", f'"甲{delimiter}乙, 丙"', "广告"], ["A2", BAD, "条款"]
    content = above + "\n".join(delimiter.join(row) for row in (header, *rows))
    records = list(read_upload("a.csv", content.encode(), Limits()))
    assert [(own.id, own.item.text, own.item.kind) for own in records] == [
        ("A1", f"甲{delimiter}乙, 丙", "ad"),
        ("A2", BAD, "clause"),
    ]
    blocks = parse_document("a.csv", content.encode(), Limits()).blocks
    assert [(own.text, own.kind) for own in blocks] == [(own.item.text, own.item.kind) for own in records]
    with pytest.raises(DocumentError, match="引号没有闭合"):
        parse_document("a.csv", f'{content}\nA3{delimiter}"{BAD}{delimiter}广告\nA4'.encode(), Limits())


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("文案\n一;标题\n二\t描述\n", ["一;标题", "二\t描述"]),
        ("宝贝大名,话术\n甲店,好茶;标题\n", ["宝贝大名　话术", "甲店　好茶;标题"]),
        ("买一送一;概不退款\n好茶;新茶\n", ["买一送一;概不退款", "好茶;新茶"]),
    ],
)
def test_a_file_with_commas_or_without_known_names_is_cut_at_commas(content, texts):
    assert [own.text for own in parse_document("a.csv", content.encode(), Limits()).blocks] == texts


def test_errors_of_excel_are_no_text():
    for name, content in both([["文案"], ["#REF!"], [" #DIV/0! "], [BAD]]):
        *failures, record = read_upload(name, content, Limits())
        assert [own.error[-6:] for own in failures] == ["文本不能为空"] * 2
        assert record.item.text == parse_document(name, content, Limits()).text == BAD
    assert parse_document("a.xlsx", workbook(甲=[["#N/A", BAD, "#VALUE!"]]), Limits()).text == BAD


@pytest.mark.parametrize(
    ("header", "row", "error"),
    [
        (["商品编号", "标题"], ["长" * 201, GOOD], "商品编号 过长"),
        (
            ["编号", "标题（必填）", "描述", "品类"],
            ["1", GOOD, "字\x01", "长" * 101],
            "描述 含有控制字符或不完整的字符；品类 过长",
        ),
        (["id", "text"], [[1], GOOD], "id 格式不对"),
        (["文案", "描述"], [None, {"a": 1}], "描述 格式不对"),
    ],
)
def test_what_is_wrong_is_told_by_the_name_of_the_column(header, row, error):
    line = json.dumps(dict(zip(header, row, strict=True))).encode()
    (failure,) = read_upload("a.jsonl", line, Limits())
    assert failure.error == f"第 1 行：{error}"
