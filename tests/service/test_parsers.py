"""Parsers against anything: a document or a DocumentError, never another failure."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from screening.errors import MingjianError
from service.documents.model import DocumentError, Limits
from service.documents.parse import PARSERS, parse_document, safe_name
from service.records import Enclosed, Failure, Record, read_upload
from tests.service.test_documents import CLAUSES, excel_file, pdf_file, word_file

LIMITS = Limits(pages=20, unpacked_bytes=4_000_000, pixels=1_000_000, chars=100_000)
WHOLE = {
    ".docx": word_file(CLAUSES),
    ".xlsx": excel_file(),
    ".pdf": pdf_file("No refund in any case, zui zhong jie shi quan"),
    ".html": "<p>概不退款</p>".encode(),
    ".csv": "文本\n概不退款\n".encode(),
}
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def survives(name, content):
    try:
        document = parse_document(name, content, LIMITS)
    except DocumentError as error:
        assert 400 <= error.status < 500
        assert str(error)
    else:
        assert document.blocks
        assert all(block.text.strip() for block in document.blocks)


@relaxed
@given(st.sampled_from(list(PARSERS)), st.binary(max_size=400))
def test_any_bytes_under_any_name(suffix, content):
    survives(f"a{suffix}", content)


@relaxed
@given(st.sampled_from(list(WHOLE)), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_whole_files_with_some_bytes_changed(suffix, place, change):
    whole = WHOLE[suffix]
    place %= len(whole)
    survives(f"a{suffix}", whole[:place] + change + whole[place + len(change) :])


@relaxed
@given(st.text(max_size=200))
def test_names_lose_what_misleads(name):
    safe = safe_name(name)
    assert "/" not in safe
    assert safe.isprintable()
    assert safe


@relaxed
@given(st.sampled_from(["a.jsonl", "a.csv", "a.xlsx", "a.parquet", "a.zip"]), st.binary(max_size=400))
def test_any_bytes_as_a_job(name, content):
    try:
        rows = list(read_upload(name, content, LIMITS))
    except MingjianError as error:
        assert str(error)
    else:
        assert all(isinstance(row, Record | Failure | Enclosed) for row in rows)
