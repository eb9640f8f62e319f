"""Documents of every format, whole and hostile."""

import asyncio
import io
import re
import struct
import zipfile
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import docx
import openpyxl
import pypdfium2
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Cm
from lxml import html
from openpyxl.cell.rich_text import CellRichText, TextBlock
from PIL import ExifTags, Image, ImageDraw, ImageFont, ImageOps
from sqlalchemy import select

from screening.screener import DOCUMENT_PIECES, MAX_CHARS
from service.documents.model import DocumentError, Limits
from service.documents.parse import parse_document
from service.documents.recognition import is_scanner_mark
from service.documents.screen import document_answer, parts
from service.storage.tables import DocumentRecord
from tests.service.conftest import BAD, GOOD

CLAUSES = [
    "第一条 乙方按照约定时间到店锻炼，爱护器械，遵守场馆秩序。",
    "第二条 会员卡一经售出，概不退款，亦不得转让。",
    "第三条 因不可抗力不能履行的，双方根据影响协商处理。",
    "第四条 本合同最终解释权归甲方所有。",
]
WAIVER = "如有争议，乙方放弃诉讼权利，不得向任何部门投诉举报。"
REPORTS = ("docx", "xlsx", "html")
LICENCE = "统一社会信用代码91110000600037341L"
FONTS = sorted(Path("/usr/share/fonts").rglob("*CJK*.tt[cf]"))


def word_file(lines, heading="健身服务合同"):
    document = docx.Document()
    document.add_heading(heading, level=1)
    for line in lines:
        document.add_paragraph(line)
    cells = document.add_table(rows=1, cols=2).rows[0].cells
    cells[0].text, cells[1].text = "营业时间", "九点至二十一点"
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def excel_file():
    book = openpyxl.Workbook()
    for row in (["编号", "文案"], [1, GOOD], [2, BAD]):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def picture(text, image_format="PNG"):
    font = next((ImageFont.truetype(str(path), 36) for path in FONTS), None)
    image = Image.new("RGB", (1000, 160), "white")
    ImageDraw.Draw(image).text((30, 50), text, fill="black", font=font)
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def pdf_file(*texts, scan=None, share=1.0):
    """A PDF page with a text layer, by the only writer among our libraries, maybe over a PNG that covers a share of it.

    Pillow's would have no text layer. The texts are of the standard font's characters, and stand below each other.
    """
    import pypdfium2.raw as pdfium

    pdf = pypdfium2.PdfDocument.new()
    page = pdf.new_page(595, 842)
    if scan:
        image = pypdfium2.PdfImage.new(pdf)
        image.set_bitmap(pypdfium2.PdfBitmap.from_pil(Image.open(io.BytesIO(scan))))
        image.set_matrix(pypdfium2.PdfMatrix().scale(595, 842 * share).translate(0, 842 * (1 - share)))
        page.insert_obj(image)
    font = pdfium.FPDFText_LoadStandardFont(pdf, b"Helvetica")
    for number, own in enumerate(texts):
        item = pdfium.FPDFPageObj_CreateTextObj(pdf, font, 12)
        text = own.encode("utf-16-le") + b"\0\0"
        pdfium.FPDFText_SetText(item, (pdfium.FPDF_WCHAR * (len(text) // 2)).from_buffer_copy(text))
        pdfium.FPDFPageObj_Transform(item, 1, 0, 0, 1, 60, 60 - 20 * number)
        pdfium.FPDFPage_InsertObject(page, item)
    page.gen_content()
    buffer = io.BytesIO()
    pdf.save(buffer)
    return buffer.getvalue()


def printed_pdf(*pages):
    """A PDF of pages of lines, each (left, bottom, size, text), in a Chinese font that every reader has: the text alone.

    Such a font's characters are as wide as it is large.
    """
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{5 + 2 * n} 0 R' for n in range(len(pages)))}]>>",
        "<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H/DescendantFonts[4 0 R]>>",
        "<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/DW 1000"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 0>>>>",
    ]
    for number, lines in enumerate(pages):
        shown = "\n".join(
            f"BT /F {size} Tf {left} {bottom} Td <{text.encode('utf-16-be').hex()}> Tj ET"
            for left, bottom, size, text in lines
        )
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents {6 + 2 * number} 0 R>>",
            f"<</Length {len(shown)}>>stream\n{shown}\nendstream",
        ]
    body = "%PDF-1.4\n"
    places = []
    for number, own in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{own}\nendobj\n"
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}"
    trailer = f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF"
    return (body + table + trailer).encode()


def printed(texts, width, indent=0, size=12, top=760, pitch=20):
    """The lines of texts that are broken at a width in characters, as `printed_pdf` takes them."""
    lines = []
    for own in texts:
        words = "　" * indent + own
        for start in range(0, len(words), width):
            line = words[start : start + width]
            shift = len(line) - len(line.lstrip("　"))
            lines.append((72 + size * shift, top - pitch * len(lines), size, line.strip()))
    return lines


def send(client, name, content, **fields):
    return client.post("/v1/documents", files={"file": (name, content)}, data=fields)


MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
BOX = "<w:drawing><w:txbxContent><w:p><w:r><w:t>文本框</w:t></w:r></w:p></w:txbxContent></w:drawing>"
WRAPPED = f"""
<w:body {nsdecls("w")} {MC}>
  <w:p><w:pPr><w:pStyle w:val="Heading1"/><w:tabs><w:tab w:val="left" w:pos="420"/></w:tabs></w:pPr>
    <w:ins w:id="1"><w:r><w:t>标题</w:t></w:r></w:ins></w:p>
  <w:sdt><w:sdtContent><w:p><w:r><w:t>块控件</w:t></w:r></w:p></w:sdtContent></w:sdt>
  <w:p><w:r><w:t xml:space="preserve">行内</w:t><w:tab/></w:r>
    <w:sdt><w:sdtContent><w:r><w:t>控件</w:t><w:br/></w:r></w:sdtContent></w:sdt>
    <w:ins w:id="2"><w:r><w:t>插入</w:t></w:r></w:ins><w:del w:id="3"><w:r><w:delText>删去</w:delText></w:r></w:del>
    <w:moveFrom w:id="4"><w:r><w:t>移走</w:t></w:r></w:moveFrom></w:p>
  <w:p><w:r><w:t>框前</w:t></w:r>
    <w:r><mc:AlternateContent><mc:Choice Requires="wps">{BOX}</mc:Choice><mc:Fallback>{BOX}</mc:Fallback>
    </mc:AlternateContent></w:r><w:r><w:t>框后</w:t></w:r>
    <w:r><mc:AlternateContent><mc:Choice Requires="wps"/><mc:Fallback><w:t>旧式</w:t></mc:Fallback>
    </mc:AlternateContent></w:r></w:p>
  <w:tbl><w:sdt><w:sdtContent><w:tr>
    <w:sdt><w:sdtContent><w:tc><w:p><w:r><w:t>格一</w:t></w:r></w:p></w:tc></w:sdtContent></w:sdt>
    <w:tc><w:p><w:r><w:t>格二</w:t></w:r></w:p>
      <w:tbl><w:tr><w:tc><w:p><w:r><w:t>内一</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>内二</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
      <w:p/></w:tc></w:tr></w:sdtContent></w:sdt></w:tbl>
</w:body>
"""
NOTES = f"""
<w:{{kind}}s {nsdecls("w")}>
  <w:{{kind}} w:type="separator" w:id="0"><w:p><w:r><w:t>线</w:t></w:r></w:p></w:{{kind}}>
  <w:{{kind}} w:id="1"><w:p><w:r><w:t>{{kind}}注</w:t></w:r></w:p></w:{{kind}}>
</w:{{kind}}s>
"""


def test_all_text_of_a_word_file_is_read_once():
    document = docx.Document()
    body = document.element.body
    for part in reversed(list(parse_xml(WRAPPED))):
        body.insert(0, part)
    for section in (document.sections[0], document.add_section()):
        section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text, section.footer.paragraphs[0].text = "页眉", "页脚"
    document.add_paragraph("末段")
    for kind in ("footnote", "endnote"):
        name, content = PackURI(f"/word/{kind}s.xml"), NOTES.format(kind=kind).encode()
        part = Part(name, "application/xml", content, document.part.package)
        document.part.relate_to(part, getattr(RELATIONSHIP_TYPE, f"{kind.upper()}S"))
    buffer = io.BytesIO()
    document.save(buffer)
    blocks = parse_document("a.docx", buffer.getvalue(), Limits()).blocks
    assert [(block.text, block.paragraph) for block in blocks] == [
        ("标题", 1),
        ("块控件", 2),
        ("行内\t控件\n插入", 3),
        ("框前框后旧式", 4),
        ("文本框", 4),
        ("格一　格二\n内一　内二", 5),
        ("末段", 7),  # after the paragraph that ends the section
        ("footnote注", None),
        ("endnote注", None),
        ("页眉", None),
        ("页脚", None),
    ]
    assert [block.text for block in blocks if block.is_heading] == ["标题"]
    assert [block.region for block in blocks[-5:]] == ["", "脚注", "尾注", "页眉", "页脚"]


def saved(document):
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def numbered(definitions, *paragraphs):
    """A Word file whose lists are these; a paragraph is (properties, text), its text that of one run."""
    document = docx.Document()
    numbering = document.part.numbering_part.element
    for own in list(numbering):
        numbering.remove(own)
    numbering.extend(parse_xml(f"<w:numbering {nsdecls('w')}>{definitions}</w:numbering>"))
    for properties, text in paragraphs:
        run = f"<w:r><w:t>{text}</w:t></w:r>" if text else ""
        own = parse_xml(f"<w:p {nsdecls('w')}><w:pPr>{properties}</w:pPr>{run}</w:p>")
        document.element.body.insert(len(document.element.body) - 1, own)
    return document


def level(index, number_format, label, start=1, more=""):
    return (
        f'<w:lvl w:ilvl="{index}"><w:start w:val="{start}"/><w:numFmt w:val="{number_format}"/>{more}'
        f'<w:lvlText w:val="{label}"/></w:lvl>'
    )


def a_list(list_id, *levels):
    abstract = f'<w:abstractNum w:abstractNumId="{list_id}">{"".join(levels)}</w:abstractNum>'
    return abstract, f'<w:num w:numId="{list_id}"><w:abstractNumId w:val="{list_id}"/></w:num>'


def item(list_id, index=0, text="甲", more=""):
    return f'<w:numPr><w:ilvl w:val="{index}"/><w:numId w:val="{list_id}"/></w:numPr>{more}', text


def texts(document):
    return [block.text for block in parse_document("a.docx", saved(document), Limits()).blocks]


@pytest.mark.parametrize(
    ("number_format", "start", "shown"),
    [
        ("decimal", 9, ["9", "10"]),
        ("decimalZero", 9, ["09", "10"]),
        ("decimalFullWidth", 9, ["９", "１０"]),
        ("decimalEnclosedCircle", 19, ["⑲", "⑳", "21"]),
        ("lowerLetter", 25, ["y", "z", "aa", "bb"]),
        ("upperLetter", 1, ["A", "B"]),
        ("lowerLetter", 780, ["z" * 30, "781"]),
        ("lowerRoman", 3, ["iii", "iv"]),
        ("upperRoman", 3999, ["MMMCMXCIX", "4000"]),
        ("chineseCounting", 9, ["九", "十", "十一"]),
        ("chineseCounting", 99, ["九十九", "一〇〇"]),
        ("chineseCountingThousand", 99, ["九十九", "一百", "一百零一"]),
        ("chineseCountingThousand", 109, ["一百零九", "一百一十"]),
        ("chineseCountingThousand", 1009, ["一千零九", "一千零一十"]),
        ("japaneseCounting", 19, ["十九", "二十"]),
        ("japaneseCounting", 110, ["百十", "百十一"]),
        ("ideographTraditional", 9, ["壬", "癸", "11"]),
        ("ideographDigital", 9, ["九", "一〇"]),
        ("decimal", 0, ["0", "1"]),
        ("noSuchFormat", 1, ["1", "2"]),
    ],
)
def test_numbers_of_lists_are_written_as_word_shows_them(number_format, start, shown):
    definitions = "".join(a_list(1, level(0, number_format, "第%1条", start)))
    document = numbered(definitions, *(item(1) for _ in shown))
    assert texts(document) == [f"第{number}条 甲" for number in shown]


def test_levels_of_a_list_restart_and_name_those_above_them():
    definitions = "".join(
        a_list(
            1,
            level(0, "chineseCounting", "第%1章"),
            level(1, "decimal", "%1.%2", more="<w:isLgl/>"),
            level(2, "lowerRoman", "%1-%2-%3)", more='<w:lvlRestart w:val="1"/>'),
            level(3, "decimal", "（%4）", more='<w:lvlRestart w:val="0"/><w:suff w:val="nothing"/>'),
        )
    )
    order = [1, 0, 1, 2, 3, 1, 2, 3, 0, 2, 3, 1]
    assert texts(numbered(definitions, *(item(1, index) for index in order))) == [
        "1.1 甲",  # below a level that has not begun, as if it had
        "第一章 甲",
        "1.1 甲",
        "一-1-i) 甲",
        "（1）甲",
        "1.2 甲",
        "一-2-ii) 甲",
        "（2）甲",
        "第二章 甲",
        "二-1-i) 甲",
        "（3）甲",
        "2.1 甲",
    ]


def test_lists_of_one_kind_count_on_but_where_one_is_made_to_begin_anew():
    abstract, first = a_list(1, level(0, "decimal", "%1."), level(1, "decimal", "%1.%2"))
    others = (
        '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="1"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>'
        '<w:num w:numId="4"><w:abstractNumId w:val="1"/>'
        f'<w:lvlOverride w:ilvl="1">{level(1, "upperLetter", "%2、")}</w:lvlOverride></w:num>'
    )
    places = [(1, 0), (1, 0), (2, 0), (3, 0), (3, 1), (3, 0), (1, 0), (4, 1), (4, 1)]
    assert texts(numbered(abstract + first + others, *(item(*place) for place in places))) == [
        "1. 甲",
        "2. 甲",
        "3. 甲",
        "5. 甲",
        "5.1 甲",
        "6. 甲",
        "7. 甲",
        "A、 甲",
        "B、 甲",
    ]


def test_lists_come_by_style_and_by_links_between_styles():
    abstract, nums = a_list(
        1,
        level(0, "chineseCounting", "%1、", more='<w:pStyle w:val="Clause"/>'),
        level(1, "decimal", "%2)", more='<w:pStyle w:val="Point"/>'),
    )
    linked = '<w:abstractNum w:abstractNumId="2"><w:numStyleLink w:val="Outline"/></w:abstractNum>'
    nums += '<w:num w:numId="2"><w:abstractNumId w:val="2"/></w:num>'
    unnumbered = '<w:numPr><w:numId w:val="0"/></w:numPr>'
    document = numbered(
        abstract + linked + nums,
        ('<w:pStyle w:val="Clause"/>', "甲"),
        ('<w:pStyle w:val="Point"/>', "乙"),
        (f'<w:pStyle w:val="Point"/>{unnumbered}', "丙"),
        item(2, 1, "丁"),
        ('<w:pStyle w:val="Own"/>', "戊"),
        ('<w:pStyle w:val="Clause"/>', "己"),
        ('<w:pStyle w:val="NoSuchStyle"/>', "庚"),
    )
    for style_id, kind, base, list_id in (
        ("Clause", "paragraph", "Normal", 1),
        ("Point", "paragraph", "Clause", 1),
        ("Own", "paragraph", "Point", None),
        ("Outline", "numbering", "", 1),
    ):
        own = f'<w:numPr><w:numId w:val="{list_id}"/></w:numPr>' if list_id else ""
        document.styles.element.append(
            parse_xml(
                f'<w:style {nsdecls("w")} w:type="{kind}" w:styleId="{style_id}"><w:name w:val="{style_id}"/>'
                f'<w:basedOn w:val="{base}"/><w:pPr>{own}</w:pPr></w:style>'
            )
        )
    assert texts(document) == ["一、 甲", "1) 乙", "丙", "2) 丁", "3) 戊", "二、 己", "庚"]


def test_bullets_and_lists_without_numbers():
    definitions = zip(
        a_list(1, level(0, "bullet", "\uf0b7"), level(1, "bullet", "")),
        a_list(2, level(0, "none", "附件"), level(1, "none", "")),
        a_list(3, level(0, "decimal", "%1.", more="<w:rPr><w:vanish/></w:rPr>")),
        strict=True,
    )
    places = [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (4, 0), (1, 8)]
    document = numbered("".join(map("".join, definitions)), *(item(*place) for place in places))
    assert texts(document) == ["• 甲", "甲", "附件 甲", "甲", "甲", "甲", "甲"]


def test_paragraphs_that_are_not_there_are_not_counted():
    definitions = "".join(a_list(1, level(0, "decimal", "%1.")))
    hidden = item(1, more="<w:rPr><w:vanish/></w:rPr>")
    deleted = item(1, text="", more='<w:rPr><w:del w:id="1"/></w:rPr>')
    document = numbered(definitions, item(1), hidden, deleted, item(1, text=""), item(1), item(1))
    document.paragraphs[1].runs[0].font.hidden = True
    table = document.add_table(1, 1)
    table.cell(0, 0)._tc.append(document.paragraphs[-1]._p)
    header = document.sections[0].header
    header.is_linked_to_previous = False
    properties = parse_xml(f"<w:pPr {nsdecls('w')}>{item(1)[0]}</w:pPr>")
    header.paragraphs[0]._p.get_or_add_pPr().extend(properties)
    header.paragraphs[0].add_run("页眉")
    assert texts(document) == ["1. 甲", "3. 甲", "4. 甲", "1. 页眉"]  # the empty one has the number 2


def test_what_numbering_says_wrongly_leaves_the_text_as_it_is():
    definitions = (
        a_list(1, level(0, "decimal", "%1" * 100_000, "9" * 5000))[0]
        + a_list("x", level(0, "decimal", "%1."))[0]
        + '<w:abstractNum w:abstractNumId="2"><w:numStyleLink w:val="Loop"/></w:abstractNum>'
        + "".join(f'<w:num w:numId="{own}"><w:abstractNumId w:val="{own}"/></w:num>' for own in ("1", "2", "x", "9"))
        + f'<w:num w:numId="3"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="0">{level("y", "decimal", "%1.")}'
        '<w:startOverride w:val="-1"/></w:lvlOverride><w:lvlOverride/></w:num><w:num/>'
    )
    ids = ["1", "2", "x", "9", "-1", "9" * 5000]
    loop = ('<w:pStyle w:val="Loop"/>', "甲")
    document = numbered(definitions, *(item(list_id) for list_id in ids), item("3"), item("1", "99"), loop)
    document.styles.element.append(
        parse_xml(
            f'<w:style {nsdecls("w")} w:type="paragraph" w:styleId="Loop"><w:basedOn w:val="Loop"/>'
            "<w:pPr><w:numPr><w:numId/></w:numPr></w:pPr></w:style>"
        )
    )
    found = texts(document)
    assert [text[-1] for text in found] == ["甲"] * 9
    assert {len(text) for text in found} == {1, 22}  # the label is cut at 40 signs


def test_a_word_file_without_styles_and_lists_is_read():
    document = numbered("", item(1))
    for relation in list(document.part.rels):
        if document.part.rels[relation].reltype in (RELATIONSHIP_TYPE.NUMBERING, RELATIONSHIP_TYPE.STYLES):
            del document.part.rels[relation]
    assert texts(document) == ["甲"]


def test_automatic_numbers_lead_to_the_findings_of_typed_ones(client):
    clauses = [
        (0, "会员应当遵守下列规定。"),
        (0, "有下列情形之一的，商家不承担任何责任："),
        (1, "会员在店内受伤的；"),
        (1, "商家设备故障造成会员损失的。"),
        (0, "会员卡遗失可以补办。"),
    ]
    definitions = "".join(a_list(1, level(0, "chineseCounting", "第%1条"), level(1, "chineseCounting", "（%2）")))
    automatic = send(client, "a.docx", saved(numbered(definitions, *(item(1, *own) for own in clauses))), kind="clause")
    numbers = ["第一条 ", "第二条 ", "（一） ", "（二） ", "第三条 "]
    typed = docx.Document()
    for number, (_, text) in zip(numbers, clauses, strict=True):
        typed.add_paragraph(number + text)
    assert automatic.json()["segments"] == send(client, "b.docx", saved(typed), kind="clause").json()["segments"]
    segments = automatic.json()["segments"]
    assert [own["text"] for own in segments] == [numbers[at] + clauses[at][1] for at in (0, 2, 3, 4)]
    assert [bool(own["findings"]) for own in segments] == [False, True, True, False]


def test_headings_are_told_by_outline_levels_too():
    document = docx.Document()
    for style_id, base, outline in (("Part", "Normal", 2), ("Below", "Part", None), ("Plain", "Heading1", 9)):
        own = "" if outline is None else f'<w:outlineLvl w:val="{outline}"/>'
        document.styles.element.append(
            parse_xml(
                f'<w:style {nsdecls("w")} w:type="paragraph" w:styleId="{style_id}"><w:name w:val="{style_id}"/>'
                f'<w:basedOn w:val="{base}"/><w:pPr>{own}</w:pPr></w:style>'
            )
        )
    for style, outline in (
        ("Part", None),
        ("Below", None),
        ("Plain", None),
        ("Title", None),
        ("Heading 1", None),
        ("Heading 1", 9),
        ("Normal", 0),
        ("Normal", None),
    ):
        paragraph = document.add_paragraph(f"{style}{'' if outline is None else outline}", style)
        if outline is not None:
            paragraph._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="{outline}"/>'))
    blocks = parse_document("a.docx", saved(document), Limits()).blocks
    assert [block.text for block in blocks if block.is_heading] == ["Part", "Below", "Title", "Heading 1", "Normal0"]


def test_hidden_text_and_pictures_of_a_word_file_are_left_out():
    document = docx.Document()
    paragraph = document.add_paragraph("全国第")
    paragraph.add_run("隐藏").font.hidden = True
    paragraph.add_run("一").font.hidden = False
    document.styles.add_style("藏字", WD_STYLE_TYPE.CHARACTER).font.hidden = True
    document.styles.add_style("藏段", WD_STYLE_TYPE.PARAGRAPH).font.hidden = True
    document.add_paragraph("可见").add_run("隐藏", "藏字")
    behind = document.add_paragraph("隐藏", "藏段")
    behind.add_run("显示").font.hidden = False
    behind.add_run("抵消", "藏字")
    shown_on_paper = document.add_paragraph().add_run("仅网页版式隐藏")
    shown_on_paper.font.web_hidden = True
    picture = document.add_paragraph("图").add_run()
    picture.add_picture(io.BytesIO(scan_of("HIDDEN")))
    picture.font.hidden = True
    assert texts(document) == ["全国第一", "可见", "显示抵消", "仅网页版式隐藏", "图"]
    nothing = docx.Document()
    nothing.add_paragraph().add_run("隐藏").font.hidden = True
    with pytest.raises(DocumentError, match="没有可筛查的文字"):
        parse_document("a.docx", saved(nothing), Limits())


def test_notes_headers_and_footers_are_segments_of_their_own(client):
    document = docx.Document()
    document.add_heading("其他", level=1)
    document.add_paragraph("本合同一式两份，双方各执一份")
    section = document.sections[0]
    section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
    section.header.paragraphs[0].text, section.footer.paragraphs[0].text = "健身会所合同", "内部资料"
    for kind in ("footnote", "endnote"):
        name, content = PackURI(f"/word/{kind}s.xml"), NOTES.format(kind=kind).encode()
        part = Part(name, "application/xml", content, document.part.package)
        document.part.relate_to(part, getattr(RELATIONSHIP_TYPE, f"{kind.upper()}S"))
    for kind in ("clause", None):
        body = send(client, "a.docx", saved(document), **({"kind": kind} if kind else {})).json()
        assert [(own["text"], own["heading"]) for own in body["segments"]][-4:] == [
            ("footnote注", "脚注"),
            ("endnote注", "尾注"),
            ("健身会所合同", "页眉"),
            ("内部资料", "页脚"),
        ]
        assert {own["heading"] for own in body["segments"][:-4]} == {"其他"}


def test_pictures_of_a_word_file_are_read_where_they_stand_and_once():
    document = docx.Document()
    document.add_paragraph("甲")
    for _ in range(2):
        document.add_picture(io.BytesIO(scan_of("NO REFUND")))
    deleted = document.add_paragraph()
    deleted.add_run().add_picture(io.BytesIO(scan_of("DELETED")))
    deleted._p.append(parse_xml(f"<w:del {nsdecls('w')} w:id='1'/>"))
    deleted._p[-1].append(deleted.runs[0]._r)
    document.add_table(1, 1).cell(0, 0).paragraphs[0].add_run().add_picture(io.BytesIO(scan_of("NO TRANSFER")))
    document.add_paragraph("乙")
    document.sections[0].header.paragraphs[0].add_run().add_picture(io.BytesIO(scan_of("HEADER")))
    found = parse_document("a.docx", saved(document), Limits())
    assert [(own.text.replace(" ", ""), own.paragraph) for own in found.blocks] == [
        ("甲", 1),
        ("NOREFUND", 2),
        ("NOTRANSFER", 5),
        ("乙", 6),
        ("HEADER", None),
    ]
    assert found.by_recognition


def word_file_with_pictures(*pictures):
    document = docx.Document()
    document.add_paragraph("甲")
    for content in pictures:
        document.add_picture(io.BytesIO(content))
    return document


def test_pictures_that_are_none_leave_a_word_file_as_it_is(monkeypatch):
    icon = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(icon, "PNG")
    document = word_file_with_pictures(scan_of("DAMAGED"), icon.getvalue())
    damaged = document.part.related_parts[document.inline_shapes[0]._inline.graphic.graphicData.pic.blipFill.blip.embed]
    damaged._blob = b"no picture"
    monkeypatch.setattr("service.documents.office.recognise", None)
    found = parse_document("a.docx", saved(document), Limits())
    assert (found.text, found.by_recognition) == ("甲", False)


def test_a_picture_without_text_is_no_recognised_text():
    found = parse_document("a.docx", saved(word_file_with_pictures(scan_of())), Limits())
    assert (found.text, found.by_recognition) == ("甲", False)


def test_pictures_of_a_word_file_have_limits(monkeypatch):
    content = saved(word_file_with_pictures(scan_of("ONE"), scan_of("TWO")))
    with pytest.raises(DocumentError, match="图像过大") as caught:
        parse_document("a.docx", content, Limits(pixels=1000))
    assert caught.value.status == 413
    with pytest.raises(DocumentError, match="超时"):
        parse_document("a.docx", content, Limits(deadline=0))
    monkeypatch.setattr("service.documents.office.MAX_PICTURES", 1)
    with pytest.raises(DocumentError, match="图片超过 1 张") as caught:
        parse_document("a.docx", content, Limits())
    assert caught.value.status == 413


def test_what_was_screened_before_is_answered_from_what_is_kept(client, monkeypatch):
    content = word_file(CLAUSES)
    first = send(client, "a.docx", content, kind="clause").json()
    monkeypatch.setattr(client.app.state.runtime.worker, "submit", None)
    second = send(client, "b.docx", content, kind="clause").json()
    assert second["segments"] == first["segments"] and second["id"] != first["id"]
    assert any(own["findings"] for own in first["segments"])


def workbook(**sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_every_sheet_with_a_text_column_is_read(client):
    content = workbook(
        说明=[["填表说明"], ["请勿改动"]], 甲=[["文案"], [GOOD]], 空=[], 乙=[[], ["编号", "文案"], [1, BAD]]
    )
    body = send(client, "文案.xlsx", content, kind="clause").json()
    found = [(own["text"], own["heading"], own["paragraph"], bool(own["findings"])) for own in body["segments"]]
    assert found == [(GOOD, "甲", 2, False), (BAD, "乙", 3, True)]
    nameless = parse_document("a.xlsx", workbook(甲=[[GOOD]], 乙=[[BAD]]), Limits())
    assert [(block.text, block.sheet) for block in nameless.blocks] == [(GOOD, "甲"), (BAD, "乙")]
    single = parse_document("a.xlsx", workbook(说明=[["填表说明"]], 甲=[["文案"], [GOOD]]), Limits())
    assert [(block.text, block.sheet) for block in single.blocks] == [(GOOD, "")]


def test_title_and_description_of_a_row_are_read_together():
    rows = [["描述", "价格", "商品标题"], ["降血糖", 9, "苦荞茶"], [None, 9, "绿茶"]]
    for name, content in (
        ("a.xlsx", workbook(甲=rows)),
        ("a.csv", "\n".join(",".join(str(cell or "") for cell in row) for row in rows).encode()),
    ):
        assert [block.text for block in parse_document(name, content, Limits()).blocks] == ["降血糖\n苦荞茶", "绿茶"]


def test_a_long_cell_is_read_in_parts():
    long = "".join(str(number % 10) for number in range(2 * MAX_CHARS + 1))
    document = parse_document("a.csv", f"文本\n{long}\n{BAD}\n".encode(), Limits())
    assert [(len(block.text), block.paragraph) for block in document.blocks] == [
        (MAX_CHARS, 2),
        (MAX_CHARS, 2),
        (1, 2),
        (len(BAD), 3),
    ]
    assert "".join(block.text for block in document.blocks) == long + BAD
    assert all(len(part.text) <= MAX_CHARS for part in parts(document))


def test_an_ordinary_large_sheet_is_read_and_a_row_without_end_is_not(monkeypatch):
    content = workbook(甲=[["文案"] * 15, *([f"{GOOD}{number}"] * 15 for number in range(300))])
    monkeypatch.setattr("service.documents.archive.MAX_MARKS", 10_000)  # the sheet has three times as many
    assert len(parse_document("a.xlsx", content, Limits()).blocks) == 300
    with pytest.raises(DocumentError) as caught:
        parse_document("a.xlsx", workbook(甲=[["文案"] * 4000]), Limits())
    assert caught.value.status == 413


def labels_by_text(body):
    return {segment["text"]: [finding["label"] for finding in segment["findings"]] for segment in body["segments"]}


def test_the_answer_is_made_beside_the_event_loop(client, monkeypatch):
    def made(*arguments):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return document_answer(*arguments)

    monkeypatch.setattr("service.routes.documents.document_answer", made)
    assert send(client, "合同.docx", word_file(CLAUSES)).status_code == 201


def test_a_contract_is_judged_clause_by_clause(client):
    answer = send(client, "合同.docx", word_file(CLAUSES), kind="clause", category="健身会员卡")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    found = labels_by_text(body)
    assert "clause_limit_termination" in found[CLAUSES[1]]
    assert "clause_sole_interpretation" in found[next(text for text in found if text.startswith(CLAUSES[3]))]
    assert not found[f"健身服务合同\n{CLAUSES[0]}"]  # a heading is read with what follows it
    assert body["segments"][1]["heading"] == "健身服务合同"
    assert {own["label"] for own in body["summary"]} >= {"clause_limit_termination", "clause_sole_interpretation"}
    for segment in body["segments"]:
        for finding in segment["findings"]:
            for evidence in finding["evidence"]:
                assert segment["text"][evidence["start"] : evidence["end"]] == evidence["text"]
    assert client.get(f"/v1/documents/{body['id']}").json() == body


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("条款.txt", "\n".join(CLAUSES).encode("gb18030")),
        ("条款.md", ("# 会员须知\n\n" + "\n\n".join(CLAUSES)).encode()),
        (
            "条款.html",
            (
                "<html><head><title>须知</title><script>var x='概不退款';</script></head><body>"
                + "".join(f"<p>{line}</p>" for line in CLAUSES)
                + "</body></html>"
            ).encode(),
        ),
        ("文案.xlsx", excel_file()),
        ("文案.csv", f"编号,文案\n1,{GOOD}\n2,{BAD}\n".encode("utf-8-sig")),
    ],
)
def test_every_format_with_text(client, name, content):
    body = send(client, name, content, kind="clause").json()
    assert body["summary"], body
    assert "var x" not in str(body)


def test_rows_of_a_table_are_judged_one_by_one(client):
    rows = [GOOD, BAD, "双方各执一份，自签字之日起生效。", BAD]
    body = send(client, "文案.csv", ("文案\n" + "\n".join(rows)).encode(), kind="clause").json()
    assert [segment["text"] for segment in body["segments"]] == rows
    assert [bool(segment["findings"]) for segment in body["segments"]] == [False, True, False, True]
    assert [segment["paragraph"] for segment in body["segments"]] == [2, 3, 4, 5]


def test_a_pdf_is_read_by_its_text_layer(client):
    body = send(client, "a.pdf", pdf_file("No refund in any case, zui zhong jie shi quan")).json()
    assert "No refund" in body["segments"][0]["text"]
    assert body["segments"][0]["page"] == 1
    assert not body["by_recognition"]


LONG_CLAUSES = [
    "会员卡一经办理，无论何种原因会所均不予退款、转让或者延期，会员因自身身体状况、工作调动等原因无法继续使用的，已经支付的费用一律不予退还。",
    "会员在会所内发生的一切人身伤害以及财产损失，无论原因为何，包括器械故障、地面湿滑、教练指导不当等情形，均由会员自行承担全部责任。",
    "因本合同发生的一切争议，会员同意不向任何行政机关投诉举报，也不向法院提起诉讼，只能够通过会所的客户服务部门协商解决。",
]
MORE_LINES = [
    "第二章　退款",
    "第八条　有下列情形之一的，会所不承担任何责任：",
    "1、会员违反本合同第七条约定的；",
    "2、停电、停水。",
    "营业时间　每日九点至二十一点",
]


@pytest.mark.parametrize(("width", "indent", "pitch"), [(36, 2, 20), (30, 0, 30), (25, 2, 18), (37, 0, 20)])
def test_paragraphs_of_a_pdf_are_those_that_were_printed(width, indent, pitch):
    texts = [*LONG_CLAUSES, *MORE_LINES, LONG_CLAUSES[0]]
    document = parse_document("a.pdf", printed_pdf(printed(texts, width, indent, pitch=pitch)), Limits())
    assert [block.text.replace(" ", "　") for block in document.blocks] == texts
    assert {block.page for block in document.blocks} == {1}


def test_a_pdf_is_judged_as_the_same_word_file(client):
    by_format = [
        send(client, name, content, kind="clause").json()
        for name, content in (
            ("a.pdf", printed_pdf(printed(LONG_CLAUSES, 36, 2))),
            ("a.txt", "\n".join(text for *_, text in printed(LONG_CLAUSES, 36)).encode()),
            ("b.txt", "\n".join(LONG_CLAUSES).encode()),
        )
    ]
    for own in by_format[:2]:
        assert labels_by_text(own) == labels_by_text(by_format[2])
        assert own["summary"] == by_format[2]["summary"]
    assert all(labels_by_text(by_format[0]).values())


def test_headers_and_footers_of_a_pdf_are_read_once_and_parted_from_its_text():
    lines = printed(LONG_CLAUSES * 2, 36, 2)
    pages = [lines[:4], lines[4:8], lines[8:]]
    edges = [
        [(72, 800, 9, "合同编号甲"), (72, 40, 9, f"会所合同　第 {n} 页 共 3 页"), (290, 20, 9, f"- {n} -")]
        for n in (1, 2, 3)
    ]
    document = parse_document("a.pdf", printed_pdf(*(a + b for a, b in zip(edges, pages, strict=True))), Limits())
    assert [block.text for block in document.blocks[:-2]] == LONG_CLAUSES * 2
    assert [block.page for block in document.blocks[:-2]] == [1, 1, 2, 2, 3, 3]  # where each begins
    assert [block.text for block in document.blocks[-2:]] == ["合同编号甲", "会所合同　第 1 页 共 3 页"]


def test_lines_of_a_pdf_that_are_no_paragraph_stay_apart():
    slogans = [
        "新款夏季凉感薄被一被双用机洗不变形亲肤透气更安心",
        "买一送一限时三天全场包邮先到先得售完即止错过再等一年",
    ]
    verses = ["床前明月光，", "疑是地上霜。", "举头望明月，", "低头思故乡。"]
    row = [(72, 500, 12, "年卡"), (250, 500, 12, "三千元"), (430, 500, 12, "不退不换过期作废")]
    page = [*printed([*slogans, *verses], 36), *row, (72, 480, 12, "次卡"), (250, 480, 12, "三百元")]
    document = parse_document("a.pdf", printed_pdf(page), Limits())
    assert [block.text for block in document.blocks] == [
        *slogans,
        *verses,
        "年卡 三千元 不退不换过期作废",
        "次卡 三百元",
    ]


@pytest.mark.parametrize("width", [25, 36])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_wrapped_text_file_is_read_in_paragraphs(width, blank):
    texts = [*LONG_CLAUSES, *MORE_LINES, LONG_CLAUSES[0]]
    wrapped = f"\n{blank}".join("\n".join(line for *_, line in printed([own], width)) for own in texts)
    blocks = parse_document("a.txt", wrapped.encode(), Limits()).blocks
    assert [block.text for block in blocks] == texts
    assert [wrapped.split("\n")[block.paragraph - 1][:6] for block in blocks] == [own[:6] for own in texts]


@pytest.mark.parametrize(
    "lines",
    [
        [f"新款纯棉女士夏季短袖打底衫宽松显瘦百搭韩版上衣女装{n:04}" for n in range(20)],
        ["床前明月光，", "疑是地上霜。", "举头望明月，", "低头思故乡。"],
        [*LONG_CLAUSES, *MORE_LINES],
    ],
)
def test_lines_of_a_text_file_that_is_not_wrapped_stay_apart(lines):
    assert [block.text for block in parse_document("a.txt", "\n".join(lines).encode(), Limits()).blocks] == lines


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_lines_end_as_any_system_ends_them(name, end):
    blocks = parse_document(name, end.join(CLAUSES).encode(), Limits()).blocks
    assert [(block.text, block.paragraph) for block in blocks] == list(zip(CLAUSES, range(1, 5), strict=True))


def test_parts_of_a_page_stay_apart_and_what_it_hides_is_left_out():
    page = """<main>毛巾九块九包邮</main><nav>首页</nav><aside>全国第一</aside><dialog>提示</dialog><address>北京</address>
    <fieldset><legend>售后</legend>概不退换</fieldset><details><summary>说明</summary>一经拆封不退</details>
    <button>加入购物车</button><button>立即购买</button><table><caption>价目</caption><tr><td>甲<td>乙</table>
    前<div style="color:red; DISPLAY : none">隐藏<p>内</p></div>后<p hidden>藏</p><span style="visibility:hidden">藏</span>
    <p style="display:block">显示</p>"""
    assert parse_document("a.html", page.encode(), Limits()).text.split("\n") == [
        *("毛巾九块九包邮", "首页", "全国第一", "提示", "北京", "售后", "概不退换", "说明", "一经拆封不退"),
        *("加入购物车", "立即购买", "价目", "甲　乙", "前", "后", "显示"),
    ]


MARKDOWN = """---
title: "会员须知"
layout: page
---
# 协议 #
> - **一经售出**，*概不退换*。

1. 见[条款](http://a.b/c_d "标题")，[注](不退款)，![全国第一](x.png)
| 项目 | 内容 |
|:---|---:|
| 开瓶费 | 100元 |
```text
3*4*5 <b>国家级</b>&amp;<http://a.b>
```
二级标题
---
末段

* * *
### 三级"""


def test_markdown_is_read_without_its_signs():
    blocks = parse_document("a.md", MARKDOWN.encode(), Limits()).blocks
    assert [(block.text, block.is_heading, block.paragraph) for block in blocks] == [
        ("会员须知", True, 2),
        ("协议", True, 5),
        ("一经售出，概不退换。", False, 6),
        ("1. 见条款，[注](不退款)，全国第一", False, 8),
        ("项目　内容", False, 9),
        ("开瓶费　100元", False, 11),
        ("3*4*5 国家级&<http://a.b>", False, 13),
        ("二级标题", True, 15),
        ("末段", False, 17),
        ("三级", True, 20),
    ]
    assert parse_document("b.md", "---\n# 协议\n正文".encode(), Limits()).text == "协议\n正文"


@pytest.mark.parametrize(
    ("name", "new"), [("合同.doc", "docx"), ("价格.XLS", "xlsx"), ("a.wps", "docx"), ("a.et", "xlsx")]
)
def test_old_formats_are_told_what_to_save_instead(client, name, new):
    answer = send(client, name, b"\xd0\xcf\x11\xe0")
    assert answer.status_code == 415
    assert f"请另存为 {new}" in answer.text


def scan_of(*lines):
    """A page of 595 times 842 points, as a scanner makes it, with large lines from its top."""
    image = Image.new("RGB", (1190, 1684), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((100, 100 + 120 * number), line, fill="black", font=ImageFont.load_default(64))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_scan_is_read_below_a_little_text_once():
    scan = scan_of("NO REFUND", "Scanned by CamScanner")
    document = parse_document("a.pdf", pdf_file("Price 1", "CamScanner", scan=scan), Limits())
    assert [own.text.replace(" ", "") for own in document.blocks] == ["NOREFUND", "Price1"]
    assert document.by_recognition and {own.page for own in document.blocks} == {1}


def test_the_text_layer_is_kept_where_nothing_is_recognised(monkeypatch):
    monkeypatch.setattr("service.documents.pdf.recognise", lambda *_: [])
    document = parse_document("a.pdf", pdf_file("Price 1", scan=scan_of()), Limits())
    assert (document.text, document.by_recognition) == ("Price 1", False)


@pytest.mark.parametrize(
    ("texts", "share"),
    [(["Price 1"], 0.2), (["No refund in any case, and", "no transfer to anybody else"], 1.0)],
    ids=["small picture", "text over a picture"],
)
def test_a_page_of_text_with_a_picture_is_read_by_its_text_layer(texts, share):
    document = parse_document("a.pdf", pdf_file(*texts, scan=scan_of("SCAN"), share=share), Limits())
    assert [own.text for own in document.blocks] == texts
    assert not document.by_recognition


def test_a_scanners_mark_is_left_out_of_a_scan_with_a_text_layer_alone():
    texts = ["No refund in any case, zui zhong jie shi quan", "CamScanner"]
    assert parse_document("a.pdf", pdf_file(*texts, scan=scan_of("SCAN")), Limits()).text == texts[0]
    assert parse_document("a.pdf", pdf_file(*texts), Limits()).text == "\n".join(texts)


@pytest.mark.parametrize(
    ("line", "is_mark"),
    [
        ("扫描全能王 创建", True),
        ("CS扫描全能王", True),
        ("3亿人都在用的扫描App", True),
        ("Scanned with CamScanner", True),
        ("夸克扫描王", True),
        ("扫描全能王会员一经开通概不退款", False),
        ("全国销量第一，扫描全能王 创建", False),
    ],
)
def test_a_scanners_mark_is_a_line_of_its_own(line, is_mark):
    assert is_scanner_mark(line) is is_mark


def test_too_many_scanned_pages_have_a_clear_answer(monkeypatch):
    monkeypatch.setattr("service.documents.pdf.MAX_RECOGNISED_PAGES", 0)
    with pytest.raises(DocumentError, match="需要识别图像的页面") as caught:
        parse_document("a.pdf", pdf_file("Page 1", scan=scan_of("SCAN")), Limits())
    assert caught.value.status == 413


@pytest.mark.skipif(not FONTS, reason="no Chinese font on this machine")
@pytest.mark.parametrize(("name", "image_format"), [("截图.png", "PNG"), ("截图.jpg", "JPEG")])
def test_a_screenshot_is_read_on_this_machine(client, name, image_format):
    body = send(client, name, picture("会员卡一经售出概不退款", image_format), kind="clause").json()
    assert body["by_recognition"]
    assert "概不退款" in body["segments"][0]["text"]
    assert "clause_limit_termination" in {own["label"] for own in body["summary"]}


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_black_text_on_nothing_is_read(mode):
    image = Image.new("RGBA", (1000, 160), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((30, 50), "NO REFUND", fill="black", font=ImageFont.load_default(48))
    buffer = io.BytesIO()
    (image if mode == "RGBA" else image.quantize(16)).save(buffer, "PNG")
    assert "REFUND" in parse_document("截图.png", buffer.getvalue(), Limits()).text


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (3, Image.Transpose.ROTATE_180),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_a_photo_is_read_as_its_camera_was_held(orientation, turn):
    """Each turn is the inverse of what the orientation asks for."""
    image = Image.open(io.BytesIO(scan_of("NO REFUND", "NO TRANSFER"))).transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    text = parse_document("照片.jpg", buffer.getvalue(), Limits()).text
    assert text.replace(" ", "") == "NOREFUND\nNOTRANSFER"


def test_a_photo_with_damaged_metadata_is_read():
    fields = (
        struct.pack(">HHIHH", ExifTags.Base.Orientation, 3, 1, 6, 0),
        struct.pack(">HHI4s", ExifTags.Base.XResolution, 2, 4, b"abc\0"),  # a text where a number belongs
    )
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(fields)) + b"".join(fields) + bytes(4)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(scan_of("NO REFUND"))).save(buffer, "JPEG", exif=exif)
    with pytest.raises(TypeError):
        ImageOps.exif_transpose(Image.open(buffer))
    assert "REFUND" in parse_document("照片.jpg", buffer.getvalue(), Limits()).text


@pytest.mark.parametrize("report_format", REPORTS)
def test_reports_mark_the_words(client, report_format):
    body = send(
        client, "=合同.docx", word_file([*CLAUSES, '=HYPERLINK("http://x") 概不退款', LICENCE]), kind="clause"
    ).json()
    answer = client.get(f"/v1/documents/{body['id']}/report.{report_format}")
    assert answer.status_code == 200
    if report_format == "docx":
        document = docx.Document(io.BytesIO(answer.content))
        marked = [run.text for paragraph in document.paragraphs for run in paragraph.runs if run.font.highlight_color]
        assert any("解释权" in text for text in marked)
    elif report_format == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(answer.content), rich_text=True)
        marked = [
            str(run)
            for row in book["全文"].iter_rows(values_only=True)
            for value in row
            if isinstance(value, CellRichText)
            for run in value
            if isinstance(run, TextBlock) and run.font.b
        ]
        assert any("解释权" in text for text in marked)
        summary = list(book["线索汇总"].iter_rows(values_only=True))
        assert {row[0] for row in summary[1:]} == {own["name"] for own in body["summary"]}
        assert ("统一社会信用代码", "91110000600037341L") in {row[:2] for row in book["证照与批准文号"].values}
        texts = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell]
        assert any("解释权" in text for text in texts)
        assert not any(text.startswith("=") for text in texts)
    else:
        assert "<mark>" in answer.text
        assert "<script" not in answer.text
    assert client.get(f"/v1/documents/{body['id']}/report.exe").status_code == 422


def report_tables(client, document_id, report_format):
    """Return a report's tables, as lists of rows, and what else it says, one text a paragraph."""
    content = client.get(f"/v1/documents/{document_id}/report.{report_format}").content
    if report_format == "docx":
        document = docx.Document(io.BytesIO(content))
        tables = [[tuple(cell.text for cell in row.cells) for row in table.rows] for table in document.tables]
        return tables, [paragraph.text for paragraph in document.paragraphs]
    if report_format == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(content))
        assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
        return [list(sheet.iter_rows(values_only=True)) for sheet in book], []
    page = html.fromstring(content)
    tables = [[tuple(cell.text_content() for cell in row) for row in own.iter("tr")] for own in page.iter("table")]
    return tables, [own.text_content() for own in page.find_class("note") + page.find_class("segment")]


def summary_of(tables):
    """Return the rows of the summary by label, each by its header."""
    header, *rows = next(own for own in tables if "最高概率" in own[0])
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def said(tables, texts):
    return [str(cell) for table in tables for row in table for cell in row if cell is not None] + texts


@pytest.mark.parametrize("report_format", REPORTS)
def test_a_report_of_a_workbook_names_sheets_and_rows(client, report_format):
    first = [["编号", "文案"], *([number, f"{GOOD}{number}"] for number in range(7)), [9, BAD], [10, GOOD], [11, BAD]]
    content = workbook(**{"一月": first, "=1+1": [[], ["描述", "标题"], [BAD, "健身卡"]]})
    body = send(client, "文案.xlsx", content, kind="clause").json()
    assert body["segments"][7]["paragraph"] == 9  # the eighth segment
    tables, texts = report_tables(client, body["id"], report_format)
    everything = said(tables, texts)
    for own in ("工作表“一月”第 9 行", "工作表“一月”第 11 行", "工作表“=1+1”第 3 行"):
        assert any(text.startswith((own, f"[{own}]")) for text in everything), own
    assert not any(text.startswith(("第 8 段", "[8]")) for text in everything)
    assert ("行数", "11 行，其中 3 行有线索") in tables[0]
    assert {row["所在行"] for row in summary_of(tables).values()} == {"工作表“一月”第 9、11 行；工作表“=1+1”第 3 行"}


@pytest.mark.parametrize("report_format", REPORTS)
@pytest.mark.parametrize("name", ["文案.xlsx", "文案.CSV"])
def test_a_report_of_one_sheet_names_rows(client, name, report_format):
    rows = [["文案"], [GOOD], [], ["=1+1 概不退款，最终解释权归本店所有"]]
    content = "\n".join(map("".join, rows)).encode()
    if name == "文案.xlsx":
        rows[-1] = [BAD]  # openpyxl would write the other as a formula
        content = workbook(甲=rows)
    body = send(client, name, content, kind="clause").json()
    tables, texts = report_tables(client, body["id"], report_format)
    assert any(text.startswith(("第 4 行", "[第 4 行]")) for text in said(tables, texts))
    assert {row["所在行"] for row in summary_of(tables).values()} == {"第 4 行"}


@pytest.mark.parametrize("report_format", REPORTS)
def test_reports_tell_what_to_verify_and_the_offices(client, report_format):
    body = send(client, "合同.docx", word_file([CLAUSES[1], WAIVER]), kind="clause").json()
    findings = {own["label"]: own for segment in body["segments"] for own in segment["findings"]}
    assert findings["clause_limit_recourse"]["needs_check"]
    assert not findings["clause_limit_termination"]["needs_check"]
    tables, texts = report_tables(client, body["id"], report_format)
    summary = summary_of(tables)
    for own in findings.values():
        row = summary[own["name"] + ("（需核实）" if own["needs_check"] else "")]
        assert row["主管科室"] == "、".join(own["offices"])
        assert row["所在段"]
    everything = said(tables, texts)
    assert sum("单凭文字只能作为提示" in text for text in everything) == 1
    if report_format == "xlsx":
        header, *rows = next(own for own in tables if "整改建议" in own[0])
        shown = {row[header.index("标签")]: row[header.index("主管科室")] for row in rows}
    else:
        shown = {}
        for text in texts:
            for name, office in re.findall(r"(\S+)　概率 .*?　主管科室：(\S+?)(?=建议|$)", text):
                shown[name[name.rfind("。") + 1 :]] = office
    office = findings["clause_limit_recourse"]["offices"][0]
    assert shown["排除限制投诉诉讼权（需核实）"] == shown["排除限制变更解除权"] == office


@pytest.mark.parametrize("report_format", REPORTS)
def test_reports_without_such_findings_do_not_speak_of_verifying(client, report_format):
    body = send(client, "合同.docx", word_file(CLAUSES), kind="clause").json()
    assert body["summary"]
    assert not any("需核实" in text for text in said(*report_tables(client, body["id"], report_format)))


@pytest.mark.parametrize("report_format", REPORTS)
def test_reports_say_how_and_when_in_beijing_time(client, report_format):
    body = send(client, "合同.docx", word_file(CLAUSES), kind="clause", category="健身卡").json()
    assert (body["kind"], body["category"]) == ("clause", "健身卡")
    answer = client.get(f"/v1/documents/{body['id']}/report.{report_format}")
    assert quote(f"筛查报告-合同.{report_format}") in answer.headers["content-disposition"]
    tables, _ = report_tables(client, body["id"], report_format)
    head = {row[0]: row[1] for row in tables[0]}
    assert (head["来源"], head["类别"]) == ("合同条款", "健身卡")
    shown = datetime.strptime(head["筛查时间（北京时间）"], "%Y-%m-%d %H:%M") - timedelta(hours=8)
    assert shown.isoformat() == body["created_at"][:16] + ":00"


def test_the_short_end_of_a_long_document_is_judged_as_the_rest(client):
    lines = [f"第{i}条 {CLAUSES[1]}" + "离店时请交还钥匙。" * 6 for i in range(1, 55)]
    document = parse_document("规则.docx", word_file(lines), Limits())
    *_, last = parts(document)
    assert len(last.blocks) < DOCUMENT_PIECES
    # That the same words were screened as a text of their own before does not count.
    assert send(client, "规则.txt", last.text.encode(), kind="clause", category="健身卡").json()["summary"]
    body = send(client, "规则.docx", word_file(lines), kind="clause", category="健身卡").json()
    label = body["summary"][0]["label"]
    found = [own for segment in body["segments"] for own in segment["findings"] if own["label"] == label]
    assert len({own["threshold"] for own in found}) == 1


def test_a_footer_makes_no_short_document_a_long_one(client):
    document = docx.Document()
    document.add_paragraph(CLAUSES[3])
    document.sections[0].footer.paragraphs[0].text = "健身会所会员服务合同"
    buffer = io.BytesIO()
    document.save(buffer)
    body = send(client, "合同.docx", buffer.getvalue(), kind="clause").json()
    alone = send(client, "合同.txt", CLAUSES[3].encode(), kind="clause").json()
    thresholds = [{f["threshold"] for own in answer["segments"] for f in own["findings"]} for answer in (body, alone)]
    assert thresholds[0] == thresholds[1] != set()


def test_columns_of_a_word_report_share_the_width_of_the_text(client):
    body = send(client, "合同.docx", word_file(CLAUSES), kind="clause").json()
    document = docx.Document(io.BytesIO(client.get(f"/v1/documents/{body['id']}/report.docx").content))
    section = document.sections[0]
    width = section.page_width - section.left_margin - section.right_margin
    for table in document.tables:
        for row in table.rows:
            assert sum(cell.width for cell in row.cells) == pytest.approx(width, rel=0.01)
    heads = {cell.text: cell.width for cell in document.tables[1].rows[0].cells}
    assert heads["最高概率"] > Cm(1.86) and heads["主管科室"] > heads["检查记录表行"]  # the first stands in one line


def test_a_report_of_a_document_kept_with_what_xml_refuses(client):
    document_id = send(client, "合同.docx", word_file(CLAUSES), kind="clause").json()["id"]
    with client.app.state.runtime.database.session() as session:
        kept = session.scalar(select(DocumentRecord).where(DocumentRecord.id == document_id))
        kept.result = kept.result.replace("解释权", "解\ufffe释\uffff权")
    answer = client.get(f"/v1/documents/{document_id}/report.xlsx")
    assert answer.status_code == 200
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    texts = [str(value) for sheet in book for row in sheet.iter_rows(values_only=True) for value in row]
    assert any("解释权" in text for text in texts)
    assert not any("\ufffe" in text or "\uffff" in text for text in texts)


def zip_of(entries, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def encrypted(content, name):
    """An archive whose list says that the entry of this name is under a password."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.getinfo(name).flag_bits |= 1
        archive.comment = b"x"  # has the list written anew
    return buffer.getvalue()


def with_entry(name, content):
    buffer = io.BytesIO(word_file(CLAUSES))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def locked_pdf():
    """A PDF under a password: the check of the empty password fails."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <" + b"11" * 32 + b"> /U <" + b"22" * 32 + b"> >>",
    ]
    content, places = b"%PDF-1.4\n", []
    for number, own in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, own)
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<00> <00>] >>\nstartxref\n%d\n%%%%EOF" % len(
        content
    )
    return content + table + trailer


def test_an_encrypted_pdf_is_told_so(client):
    answer = send(client, "密.pdf", locked_pdf())
    assert answer.status_code == 422
    assert "已加密" in answer.json()["detail"]


def huge_picture():
    """A PNG of 50,000 times 50,000 pixels, in its head alone."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><w:document>&b;</w:document>'
HOSTILE = {
    "空.docx": (b"", 422),
    "假.docx": (b"PK\x03\x04garbage", 422),
    "假.pdf": (b"%PDF-1.7 garbage", 422),
    "假.png": (b"\x89PNG\r\n\x1a\ngarbage", 422),
    "伪.pdf": (b"MZ\x90\x00", 415),
    "伪.png": (b"<html>", 415),
    "老.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, 415),
    "程序.exe": (b"MZ", 415),
    "无名": (b"text", 415),
    "宏.docx": (with_entry("word/vbaProject.bin", b"x"), 415),
    "实体.docx": (with_entry("word/extra.xml", LAUGHS), 422),
    "实体16.docx": (with_entry("word/extra.xml", LAUGHS.decode().encode("utf-16")), 422),
    "嵌套.docx": (with_entry("word/inner.zip", zip_of([("a", b"b")])), 422),
    "路径.docx": (with_entry("../../etc/passwd", b"x"), 422),
    "炸弹.docx": (with_entry("word/zeros.bin", b"\0" * 40_000_000), 413),
    "密.docx": (encrypted(word_file(CLAUSES), "word/document.xml"), 422),
    "巨图.png": (huge_picture(), 413),
    "空白.txt": (b" \n \n", 422),
    "乱码.txt": (b"\x81\xff\xff\xfe\x00\x81", 415),
    "深.html": (b"<div>" * 5000 + b"x", 422),
    "空白.html": (b"<html></html>", 422),
    "../../x.txt\x00.exe": (b"x", 415),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_get_a_clear_answer(client, name):
    content, status = HOSTILE[name]
    answer = send(client, name, content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert any("\u4e00" <= character <= "\u9fff" for character in answer.json()["detail"])
    assert client.get("/readyz").status_code == 200


def long_screenshot(lines, height):
    """A tall picture with a line of text at each of some places, by the line's top."""
    font = ImageFont.truetype(str(FONTS[0]), 36)
    image = Image.new("RGB", (1080, height), "white")
    for top, text in lines.items():
        ImageDraw.Draw(image).text((60, top), text, fill="black", font=font)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.skipif(not FONTS, reason="no Chinese font on this machine")
def test_a_long_screenshot_is_read_as_a_short_one():
    """One line lies across the place where the picture is cut, one within what two strips show."""
    tops = (100, 1890, 1985, 6000, 11900)
    content = long_screenshot({top: f"会员卡一经售出概不退款第{top}条" for top in tops}, 12_000)
    document = parse_document("长图.png", content, Limits())
    assert [block.text for block in document.blocks] == [f"会员卡一经售出概不退款第{top}条" for top in tops]


@pytest.mark.parametrize("size", [(30_000, 2), (30_000, 20), (9, 3000)])
def test_pictures_of_odd_sizes_have_a_clear_answer(client, size):
    buffer = io.BytesIO()
    Image.new("RGB", size, "white").save(buffer, "PNG")
    answer = send(client, "条.png", buffer.getvalue())
    assert answer.status_code == 422, answer.text


def test_a_row_is_judged_by_its_own_kind_and_category(client):
    rows = "文案,类型,品类\n治疗感冒发热，三天见效,广告,药品\n治疗感冒发热，三天见效,,\n"
    medicine, food = send(client, "文案.csv", rows.encode(), kind="ad", category="普通食品").json()["segments"]
    assert "ad_medical_claim" not in [own["label"] for own in medicine["findings"]]
    assert "ad_medical_claim" in [own["label"] for own in food["findings"]]
