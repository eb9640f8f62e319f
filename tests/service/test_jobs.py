"""Jobs, on both databases."""

import csv
import io
import json
import threading
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import openpyxl
import pyarrow as pa
import pytest
from dbos import DBOS
from pyarrow import parquet
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from screening.screener import TextInput
from service.documents.model import DocumentError
from service.jobs.workflows import read_document, screen_rows
from service.reading import ROWS_AT_ONCE, BrokenOffError
from service.records import Enclosed, Failure, Record
from service.storage.audit import note
from service.storage.jobs import (
    JobState,
    Purpose,
    add_rows,
    begin_job,
    create_job,
    finish_items,
    first_failures,
    set_state,
    unfinished_jobs,
)
from service.storage.leads import add_leads
from service.storage.screenings import Particulars, digest, keep_answers
from service.storage.tables import JobFile, JobItem, JobRecord
from tests.service.bad_parsers import crash, slow_text
from tests.service.conftest import BAD, GOOD

ROWS = [
    {"id": "甲", "text": BAD, "kind": "clause", "category": "健身"},
    {"id": "乙", "text": "", "kind": "ad"},
    {"id": "丙", "text": "=1+1 " + GOOD, "kind": "product"},
]


def jsonl(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def sheet(rows):
    book = openpyxl.Workbook()
    book.active.append(["编号", "文本", "来源"])
    kinds = {"clause": "合同条款", "ad": "广告"}
    for row in rows:
        book.active.append([row["id"], row["text"] or None, kinds.get(row["kind"], "商品信息")])
        book.active.cell(book.active.max_row, 2).data_type = "s"  # not a formula
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def table(rows):
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def commas(rows):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["id", "text", "kind", "category"])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode("gb18030")


@pytest.mark.parametrize(
    ("name", "make"), [("a.jsonl", jsonl), ("a.csv", commas), ("a.xlsx", sheet), ("a.parquet", table)]
)
def test_every_format_in(client, wait_for, name, make):
    created = client.post("/v1/jobs", files={"file": (name, make(ROWS))})
    assert created.status_code == 202, created.text
    job = wait_for(created.json()["id"])
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("done", 3, 2, 1)
    (error,) = job["errors"]
    assert error["id"] == "乙"
    assert "文本不能为空" in error["error"]
    lines = [json.loads(line) for line in client.get(f"/v1/jobs/{job['id']}/results").text.splitlines()]
    assert [line["id"] for line in lines] == ["甲", "乙", "丙"]
    assert lines[0]["findings"]
    assert [own["text"] for finding in lines[0]["findings"] for own in finding["evidence"]] == [
        lines[0]["text"][own["start"] : own["end"]] for finding in lines[0]["findings"] for own in finding["evidence"]
    ]
    assert [line["text"] for line in lines] == [BAD, "", ROWS[2]["text"]]
    assert lines[1]["error"]


def test_kind_and_category_of_the_file_are_for_rows_that_name_none(client, wait_for):
    def screened(files):
        job = wait_for(client.post("/v1/jobs", files=files, data={"kind": "ad", "category": "普通食品"}).json()["id"])
        lines = client.get(f"/v1/jobs/{job['id']}/results").text.splitlines()
        return [(line.get("kind"), line.get("category")) for line in map(json.loads, lines)]

    rows = [ROWS[0], {"text": GOOD, "kind": "auto"}, {"text": ""}, {"text": GOOD, "category": "健身"}]
    assert screened({"file": ("a.jsonl", jsonl(rows))}) == [
        ("clause", "健身"),
        ("ad", "普通食品"),
        (None, None),
        ("ad", "健身"),
    ]
    assert screened(documents(**{"一.txt": BAD, "空.txt": ""})) == [("ad", "普通食品"), (None, None)]


@pytest.mark.parametrize("data", [{"kind": "poster"}, {"category": "长" * 101}, {"category": "\x00"}])
def test_a_kind_or_category_that_is_none_is_refused(client, wait_for, data):
    answer = client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}, data=data)
    assert answer.status_code == 422
    assert next(iter(data)) in answer.text
    empty = client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}, data={"kind": "", "category": ""})
    assert wait_for(empty.json()["id"])["done"] == 2


def test_every_format_out(client, wait_for):
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}).json()["id"])

    def get(own):
        answer = client.get(f"/v1/jobs/{job['id']}/results", params={"format": own})
        assert answer.status_code == 200
        return answer.content

    assert get("csv").startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(get("csv").decode("utf-8-sig"))))
    assert rows[0]["结论"] == "违规嫌疑"
    assert rows[2]["文本"].startswith("'=1+1")
    book = openpyxl.load_workbook(io.BytesIO(get("xlsx")))
    cells = list(book.active.iter_rows(values_only=True))
    assert cells[3][cells[0].index("文本")].startswith("'=1+1")
    found = parquet.read_table(io.BytesIO(get("parquet"))).to_pylist()
    assert [row["row"] for row in found] == [1, 2, 3]
    assert "clause_sole_interpretation" in found[0]["labels"].split()


def test_exports_tell_what_to_verify(client, wait_for):
    rows = [{"id": "1", "text": f"{BAD}如有争议，不得向任何部门投诉举报，不得起诉。", "kind": "clause"}]
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(rows))}).json()["id"])
    content = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "csv"}).content
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    names = dict(zip(row["标签"].split(), row["标签名称"].split("；"), strict=True))
    assert names["clause_limit_recourse"] == "排除限制投诉诉讼权（需核实）"
    assert names["clause_sole_interpretation"] == "单方或最终解释权"


def test_rows_kept_with_what_xml_refuses_are_exported(client, wait_for):
    runtime = client.app.state.runtime
    rows = [Record("甲\ufffe", 1, TextInput(f"{BAD}\uffff\ufffe")), Failure("乙", 2, "第 2 行：\uffff 有误")]
    with runtime.database.session() as session:
        job_id = create_job(session, "", "", Purpose.UPLOAD, rows).id
    runtime.executor.submit(job_id)
    assert wait_for(job_id)["done"] == 1
    answer = client.get(f"/v1/jobs/{job_id}/results", params={"format": "xlsx"})
    assert answer.status_code == 200
    header, first, second = openpyxl.load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True)
    assert first[header.index("编号")] == "甲"
    assert first[header.index("文本")] == BAD
    assert second[header.index("错误")] == "第 2 行： 有误"


def test_licence_numbers_stand_beside_the_findings(client, wait_for):
    rows = [{"text": "持证经营，统一社会信用代码91110000600037341L"}, {"text": "统一社会信用代码911100006000373411"}]
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(rows))}).json()["id"])
    address = f"/v1/jobs/{job['id']}/results"
    right, wrong = (json.loads(line)["licences"][0] for line in client.get(address).text.splitlines())
    assert (right["number"], right["valid"], wrong["valid"]) == ("91110000600037341L", True, False)
    table = client.get(address, params={"format": "csv"}).content.decode("utf-8-sig")
    shown = [row["证照与批准文号"] for row in csv.DictReader(io.StringIO(table))]
    assert shown[0] == "统一社会信用代码 91110000600037341L（格式有效）"
    assert wrong["fault"] in shown[1]


def test_exports_leave_no_files(client, wait_for, monkeypatch, tmp_path):
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}).json()["id"])
    address = f"/v1/jobs/{job['id']}/results"
    whole = client.get(address).content
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for part in ("bytes=x", "bytes=0-3"):
        answer = client.get(address, headers={"Range": part})
        assert (answer.status_code, answer.content) == (200, whole)

    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("service.routes.jobs.write_results", fails)
    assert client.get(address).status_code == 500
    assert list(tmp_path.iterdir()) == []


def documents(**contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return {"file": ("文件.zip", buffer.getvalue())}


def unread(client):
    with client.app.state.runtime.database.session() as session:
        return session.scalar(select(func.count()).select_from(JobFile))


def test_a_zip_of_documents(client, wait_for):
    page = f"<html><body><p>{GOOD}</p></body></html>"
    files = documents(**{"协议/会员.txt": BAD, "坏.docx": b"not a docx", "店铺.html": page, "图/空.txt": ""})
    job = wait_for(client.post("/v1/jobs", files=files).json()["id"])
    assert (job["done"], job["failed"]) == (2, 2)
    assert "坏.docx" in job["errors"][0]["error"]
    assert "文件是空的" in job["errors"][1]["error"]
    answer = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["编号"], row["文本"]) for row in rows] == [
        ("协议/会员.txt", BAD),
        ("坏.docx", ""),
        ("店铺.html", GOOD),
        ("图/空.txt", ""),
    ]
    assert unread(client) == 0


@pytest.fixture
def slow_reading(client, monkeypatch):
    """Documents take a second each, or, named so, longer than they may."""
    readers = client.app.state.runtime.readers
    monkeypatch.setattr(readers, "_settings", readers._settings.model_copy(update={"read_timeout": 3}))
    monkeypatch.setattr("service.jobs.workflows.document_text", slow_text)


@pytest.mark.usefixtures("slow_reading")
def test_a_job_reads_its_documents_itself_and_one_that_is_stuck_fails_alone(client, wait_for):
    files = documents(**{"一.txt": f"{GOOD}一", "stuck.txt": BAD, "三.txt": f"{GOOD}三"})
    job = client.post("/v1/jobs", files=files).json()
    assert (job["total"], job["done"], job["failed"]) == (3, 0, 0)
    job = wait_for(job["id"])
    assert (job["done"], job["failed"]) == (2, 1)
    assert "stuck.txt：读取文件超时" in job["errors"][0]["error"]


def test_what_is_no_document_fails_at_once_and_what_is_unread_is_not_screened(client, wait_for):
    runtime = client.app.state.runtime
    with runtime.database.session() as session:
        rows = [Record("甲", 1, TextInput(GOOD)), Enclosed("乙.txt", 2, "乙.txt", BAD.encode())]
        job = create_job(session, "", "", Purpose.ARCHIVE, rows)
    for figures in ((1, 0), (1, 0)):  # again, nothing is done twice
        assert screen_rows(runtime, job.id, 0, 2)
        answer = client.get(f"/v1/jobs/{job.id}").json()
        assert (answer["done"], answer["failed"]) == figures
    assert read_document(runtime, job.id, 0, 2)
    assert not read_document(runtime, job.id, 0, 2)
    runtime.executor.submit(job.id)
    assert wait_for(job.id)["done"] == 2
    answer = client.post("/v1/jobs", files=documents(**{"片.mp4": b"film", "三.txt": GOOD})).json()
    assert (answer["total"], answer["failed"]) == (2, 1)
    assert "不支持的文件格式 .mp4" in answer["errors"][0]["error"]
    wait_for(answer["id"])


def test_the_documents_of_an_archive_may_have_so_much_text_together(client, wait_for, monkeypatch):
    runtime = client.app.state.runtime
    few = runtime.settings.model_copy(update={"max_unpacked_bytes": len(BAD) + 1})
    monkeypatch.setattr(runtime, "settings", few)
    files = documents(**{"一.txt": BAD, "二.txt": GOOD})
    job = wait_for(client.post("/v1/jobs", files=files).json()["id"])
    assert (job["done"], job["failed"]) == (1, 1)
    assert "二.txt：文件的文字总量过大" in job["errors"][0]["error"]


def test_a_document_longer_than_a_text_may_be_is_named_and_the_others_are_screened(client, wait_for, monkeypatch):
    runtime = client.app.state.runtime
    monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update={"max_chars": len(BAD)}))
    files = documents(**{"一.txt": BAD, "合同/长.txt": f"{BAD}\n{GOOD}"})
    job = wait_for(client.post("/v1/jobs", files=files).json()["id"])
    assert (job["done"], job["failed"]) == (1, 1)
    error = job["errors"][0]["error"]
    assert error.startswith(f"合同/长.txt：文本过长：{len(BAD) + 1 + len(GOOD)} 字，")
    assert f"上限 {len(BAD)} 字，请用 POST /v1/documents 单独提交，或拆分" in error


def test_a_document_is_read_again_where_reading_failed_of_something_else(client, wait_for, monkeypatch):
    readers = client.app.state.runtime.readers
    faults = iter([DocumentError("", 503), BrokenOffError("")])
    read = readers.read_for_job

    def at_last(*arguments):
        for fault in faults:
            raise fault
        return read(*arguments)

    monkeypatch.setattr(readers, "read_for_job", at_last)
    job = wait_for(client.post("/v1/jobs", files=documents(**{"一.txt": BAD})).json()["id"])
    assert (job["done"], job["failed"]) == (1, 0)
    monkeypatch.undo()
    monkeypatch.setattr("service.jobs.workflows.document_text", crash)
    job = wait_for(client.post("/v1/jobs", files=documents(**{"一.txt": BAD})).json()["id"])
    assert (job["done"], job["failed"]) == (0, 1)
    assert "一.txt：读取文件时意外中断" in job["errors"][0]["error"]


@pytest.mark.usefixtures("slow_reading")
def test_archives_have_their_turns(client, wait_for, monkeypatch):
    monkeypatch.setattr("service.jobs.workflows.DOCUMENTS_AT_ONCE", 3)
    many = client.post("/v1/jobs", files=documents(**{f"{n}.txt": f"{GOOD}{n}" for n in range(30)})).json()["id"]
    few = client.post("/v1/jobs", files=documents(**{"一.txt": BAD})).json()["id"]
    assert wait_for(few)["done"] == 1
    assert client.get(f"/v1/jobs/{many}").json()["state"] == "running"
    client.post(f"/v1/jobs/{many}/cancel")


@pytest.mark.usefixtures("slow_reading")
def test_documents_of_a_cancelled_job_are_forgotten(client, wait_for):
    job_id = client.post("/v1/jobs", files=documents(**{f"{n}.txt": GOOD for n in range(20)})).json()["id"]
    assert unread(client) > 0
    client.post(f"/v1/jobs/{job_id}/cancel")
    assert wait_for(job_id)["done"] == 0
    assert unread(client) == 0


def test_progress_comes_as_events(client, wait_for):
    rows = [{"id": str(n), "text": f"{GOOD}{uuid.uuid4().hex}"} for n in range(150)]
    job_id = client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(rows))}).json()["id"]
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        seen = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    assert seen[-1]["state"] == "done"
    assert seen[-1]["done"] == 150
    assert [event["done"] for event in seen] == sorted(event["done"] for event in seen)
    assert seen[-1]["rate"] > 0
    wait_for(job_id)


def test_a_job_can_be_cancelled(client, wait_for):
    rows = [{"id": str(n), "text": f"{GOOD}{uuid.uuid4().hex}"} for n in range(3000)]
    job_id = client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(rows))}).json()["id"]
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    job = wait_for(job_id)
    assert job["done"] < 3000
    assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 409
    assert client.post("/v1/jobs/none/cancel").status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("a.exe", b"MZ", 415, "不支持的文件格式"),
        ("a.jsonl", b"", 422, "没有数据"),
        ("a.xlsx", b"PK\x03\x04 broken", 422, "损坏"),
        ("a.parquet", b"PAR1 broken", 422, "损坏"),
        ("a.zip", b"broken", 422, "损坏"),
        ("a.zip", documents(**{"__MACOSX/._一.txt": b"x", ".DS_Store": b"x"})["file"][1], 422, "没有数据"),
        ("a.csv", b"\xff\xff\xff\xff", 415, "编码"),
        ("a.csv", "序号,链接\n1,甲\n".encode(), 422, "没有文本列"),
    ],
)
def test_files_that_are_no_jobs(client, name, content, status, words):
    answer = client.post("/v1/jobs", files={"file": (name, content)})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def kept(database):
    """How many jobs and rows there are."""
    with database.session() as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in (JobRecord, JobItem)]


def test_a_large_job_is_kept_part_by_part_and_a_fault_leaves_none_of_it(client, monkeypatch):
    database = client.app.state.runtime.database
    before, during = kept(database), []

    def fails_late(session, job, rows):
        during.append(kept(database)[1] - before[1])
        if job.total:
            with database.session() as other:  # on SQLite this would wait for a transaction of all rows
                note(other, "", "", "")
        if len(during) == 3:
            raise OperationalError("INSERT", {}, OSError("away"))
        add_rows(session, job, rows)

    monkeypatch.setattr("service.routes.jobs.add_rows", fails_late)
    answer = client.post(
        "/v1/jobs", files={"file": ("a.csv", f"text\n{GOOD}\n".encode() + f"{GOOD}\n".encode() * 2500)}
    )
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert during == [0, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE]
    assert kept(database) == before


def test_rows_with_an_error_are_found_by_their_index_and_looked_for_only_where_there_are_any(client):
    database = client.app.state.runtime.database
    good = [Record(str(row), row, TextInput(GOOD)) for row in range(1, 5001)]
    bad = Failure("坏", 5001, "第 5001 行：文本不能为空")
    asked = []
    with Session(database.engine) as session:  # nothing is committed
        faultless = create_job(session, "", "", Purpose.UPLOAD, good)
        faulty = create_job(session, "", "", Purpose.UPLOAD, [*good, bad])
        session.execute(text("ANALYZE"))
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        assert first_failures(session, faultless, 100) == []
        assert asked == []
        assert [item.item_id for item in first_failures(session, faulty, 100)] == ["坏"]
        ((statement, parameters),) = asked
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).fetchall()
    assert "ix_job_items_error" in str(plan)


def test_a_job_of_which_a_crash_left_a_part_is_not_shown_nor_run(client):
    runtime = client.app.state.runtime
    before = kept(runtime.database)
    with runtime.database.session() as session:
        job = begin_job(session, "", "", Purpose.UPLOAD)
        add_rows(session, job, [Record("1", 1, TextInput(GOOD))])
        job.created_at -= timedelta(days=2)
        waiting = unfinished_jobs(session)
    assert job.id not in waiting
    assert job.id not in {own["id"] for own in client.get("/v1/jobs", params={"limit": 200}).json()["items"]}
    for method, path in (("GET", ""), ("GET", "/results"), ("GET", "/events"), ("POST", "/cancel")):
        assert client.request(method, f"/v1/jobs/{job.id}{path}").status_code == 404
    runtime.executor._remove_abandoned()
    assert kept(runtime.database) == before


def test_leads_are_taken_once_and_given_back_in_order(client, wait_for):
    start = client.get("/v1/leads", params={"limit": 500}).json()["cursor"]
    own = uuid.uuid4().hex
    leads = [
        {
            "id": f"{own}-{n}",
            "text": BAD if n % 2 else GOOD,
            "kind": "clause",
            "seller": f"店{n}",
            "reference": f"号{n}",
        }
        for n in range(40)
    ]
    first = client.post("/v1/leads", json={"leads": leads}).json()
    assert (first["accepted"], first["known"]) == (40, 0)
    again = client.post("/v1/leads", json={"leads": [*leads, {"id": f"{own}-new", "text": GOOD}]}).json()
    assert (again["accepted"], again["known"]) == (1, 40)
    assert client.post("/v1/leads", json={"leads": leads}).json()["job_id"] is None
    wait_for(first["job_id"])
    wait_for(again["job_id"])
    seen, cursor = [], start
    while page := client.get("/v1/leads", params={"since": cursor, "limit": 15}).json():
        if not page["items"]:
            break
        seen += page["items"]
        cursor = page["cursor"]
    assert sorted(item["id"] for item in seen) == sorted([lead["id"] for lead in leads] + [f"{own}-new"])
    for item in seen:
        if not item["id"].endswith("new"):
            assert bool(item["screening"]["findings"]) == bool(int(item["seller"].removeprefix("店")) % 2)
            assert item["reference"].removeprefix("号") == item["seller"].removeprefix("店")


def test_a_row_on_which_the_model_fails_does_not_stop_the_rest(client, wait_for, monkeypatch):
    screener = client.app.state.runtime.worker.screener
    whole = screener.judge

    def fails(pieces):
        if any("坏的一条" in piece.item.text for piece in pieces):
            raise RuntimeError("broken")
        return whole(pieces)

    monkeypatch.setattr(screener, "judge", fails)
    rows = [{"id": str(n), "text": f"{'坏' if n == 3 else '好'}的一条 {uuid.uuid4().hex}"} for n in range(40)]
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(rows))}).json()["id"])
    assert (job["state"], job["done"], job["failed"]) == ("done", 39, 1)
    assert job["errors"][0]["id"] == "3"


def test_a_job_that_cannot_go_on_ends_as_failed(client, wait_for, monkeypatch):
    def away(*_):
        raise OSError("the database is away")

    monkeypatch.setattr("service.jobs.workflows.finish_items", away)
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}).json()["id"])
    assert job["state"] == "failed"
    assert "重新提交" in job["error"]


@pytest.mark.parametrize("broken", [JobState.RUNNING, JobState.DONE])
def test_a_job_that_cannot_be_begun_or_ended_ends_as_failed(client, wait_for, monkeypatch, broken):
    def fails_there(session, job_id, state, *more):
        if state is broken:
            raise ValueError("broken")
        return set_state(session, job_id, state, *more)

    monkeypatch.setattr("service.jobs.workflows.set_state", fails_there)
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}).json()["id"])
    assert job["state"] == "failed"
    assert "重新提交" in job["error"]


def test_a_job_whose_failure_could_not_be_noted_fails_at_the_next_start(client, wait_for, monkeypatch):
    def broken(*_):
        raise ValueError("broken")

    with monkeypatch.context() as patch:
        patch.setattr("service.jobs.workflows.set_state", broken)
        job_id = client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}).json()["id"]
        end = time.monotonic() + 30
        while (workflow := DBOS.get_workflow_status(job_id)) is None or workflow.status != "ERROR":
            assert time.monotonic() < end
            time.sleep(0.1)
    assert client.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"
    client.app.state.runtime.executor._take_up_unfinished()
    job = wait_for(job_id, 5)
    assert job["state"] == "failed"
    assert "重新提交" in job["error"]


def test_leads_of_a_cancelled_job_can_be_sent_in_again(client, wait_for):
    start = client.get("/v1/leads", params={"limit": 500}).json()["cursor"]
    own = uuid.uuid4().hex
    leads = [{"id": f"{own}-{n}", "text": f"{GOOD}{own}{n}"} for n in range(400)]
    leads.append({"id": f"{own}-long", "text": "长" * 100_000})
    job_id = client.post("/v1/leads", json={"leads": leads}).json()["job_id"]
    while client.get(f"/v1/jobs/{job_id}").json()["done"] == 0:
        time.sleep(0.05)
    client.post(f"/v1/jobs/{job_id}/cancel")
    again = client.post("/v1/leads", json={"leads": leads[:400]}).json()
    assert 0 < again["accepted"] < 400
    assert wait_for(again["job_id"])["state"] == "done"
    seen, cursor = [], start
    while items := (page := client.get("/v1/leads", params={"since": cursor, "limit": 500}).json())["items"]:
        seen += [item["id"] for item in items]
        cursor = page["cursor"]
    assert sorted(seen) == sorted(lead["id"] for lead in leads[:400])


def test_leads_of_a_failed_job_can_be_sent_in_again(client, wait_for, monkeypatch):
    def broken(*_):
        raise ValueError("broken")

    leads = {"leads": [{"id": uuid.uuid4().hex, "text": GOOD}]}
    with monkeypatch.context() as patch:
        patch.setattr("service.jobs.workflows.finish_items", broken)
        job = wait_for(client.post("/v1/leads", json=leads).json()["job_id"])
    assert job["state"] == "failed"
    again = client.post("/v1/leads", json=leads).json()
    assert again["accepted"] == 1
    assert wait_for(again["job_id"])["done"] == 1


def test_a_short_fault_of_the_database_ends_no_job(client, wait_for, monkeypatch):
    faults = iter([True, True])

    def sometimes_away(*arguments):
        if next(faults, False):
            raise OperationalError("UPDATE", {}, OSError("away"))
        return finish_items(*arguments)

    monkeypatch.setattr("service.jobs.workflows.finish_items", sometimes_away)
    job = wait_for(client.post("/v1/jobs", files={"file": ("a.jsonl", jsonl(ROWS))}).json()["id"])
    assert (job["state"], job["done"], job["failed"]) == ("done", 2, 1)


def test_the_same_answers_and_leads_are_kept_by_two_at_once_in_any_order(client, screener):
    """On PostgreSQL each would wait for the other's row."""
    database = client.app.state.runtime.database
    (result,) = screener.screen([TextInput(GOOD)])
    for _ in range(5):
        items = [TextInput(f"{GOOD}{uuid.uuid4().hex}") for _ in range(2000)]
        kept = {digest(item, "1"): (item, result) for item in items}
        leads = [(uuid.uuid4().hex, Particulars()) for _ in range(2000)]
        meet = threading.Barrier(2)

        def keep(results, rows, meet=meet):
            meet.wait()
            with database.session() as session:
                seqs = keep_answers(session, results)
            with database.session() as session:
                job = create_job(session, "", "", Purpose.LEADS, [])
                if not add_leads(session, job.seq, rows):
                    session.rollback()
            return seqs

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(keep, kept, leads)
            other = pool.submit(keep, dict(reversed(kept.items())), leads[::-1])
            assert one.result() == other.result()
