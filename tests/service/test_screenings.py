"""Screening over HTTP, on both databases."""

import asyncio
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text as sql

from service.backlog import QueueFullError
from service.crowd import Crowd
from service.storage.audit import MODEL, list_entries, note_model
from service.storage.executors import forget, note_life
from service.task import Priority
from tests.service.conftest import BAD, GOOD


def test_a_text_is_screened_and_kept(client):
    given = {
        "text": BAD,
        "kind": "clause",
        "category": "健身会员卡",
        "seller": "某会所",
        "reference": "A-1",
        "title": "会员须知",
    }
    answer = client.post("/v1/screenings", json=given)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "clause_sole_interpretation" in [finding["label"] for finding in body["findings"]]
    assert body["findings"][0]["legal_basis"]
    assert (body["seller"], body["reference"], body["title"]) == ("某会所", "A-1", "会员须知")
    kept = client.get(f"/v1/screenings/{body['id']}").json()
    assert kept["text"] == BAD
    assert {name: kept[name] for name in body} == body


def test_the_same_text_in_the_same_context_is_answered_from_what_is_kept(client):
    runtime = client.app.state.runtime
    text = f"限时特惠 {uuid.uuid4().hex}"
    first = client.post("/v1/screenings", json={"text": text, "kind": "ad"}).json()
    original, runtime.worker.submit = runtime.worker.submit, None
    try:
        second = client.post("/v1/screenings", json={"text": text, "kind": "ad"}).json()
    finally:
        runtime.worker.submit = original
    assert second["id"] != first["id"]
    for name in ("score", "verdict", "findings", "model_version"):
        assert second[name] == first[name]


def test_a_batch_answers_each_item(client):
    items = [
        {"id": "甲", "text": BAD, "kind": "clause"},
        {"id": "乙", "kind": "ad"},
        {"id": "丙", "text": GOOD, "kind": "poster"},
        {"id": "丁", "text": "含\x00控制字符"},
        {"id": "戊", "text": GOOD},
        {"id": "庚", "text": " \n"},
        {"id": "己", "text": BAD, "kind": "clause"},
        "no item",
    ]
    results = client.post("/v1/screenings/batch", json={"items": items}).json()["results"]
    assert [result["id"] for result in results] == ["甲", "乙", "丙", "丁", "戊", "庚", "己", ""]
    assert [bool(result["error"]) for result in results] == [False, True, True, True, False, True, False, True]
    assert "text：缺少" in results[1]["error"]
    assert results[5]["error"] == "text：不能为空"
    assert results[0]["screening"]["findings"] == results[6]["screening"]["findings"]
    assert results[4]["screening"]["findings"] == []


def test_an_id_that_cannot_be_given_back_does_not_sink_the_batch(client):
    items = [{"id": "\ud800", "text": GOOD}, {"id": "乙", "text": GOOD}]
    answer = client.post(
        "/v1/screenings/batch",
        content=json.dumps({"items": items}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["results"]
    assert first["id"] == "\ufffd"
    assert "id：含有控制字符" in first["error"]
    assert second["screening"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/screenings?seller=%00", "seller：含有控制字符"),
        ("/v1/screenings?label=%00", "label：含有控制字符"),
        ("/v1/screenings?label=nosuch", "label：没有标签 nosuch，"),
        ("/v1/screenings?office=没有的科", "office：没有科室 没有的科，可选 "),
        ("/v1/screenings?verdict=x", "verdict：取值无效，可选 违规嫌疑、"),
        ("/v1/screenings?limit=0", "limit：不能小于 1"),
        ("/v1/screenings?limit=1000", "limit：不能大于 200"),
        ("/v1/screenings?since=0001-01-01T00:00:00%2B08:00", "日期范围"),
        ("/v1/screenings?since=0001-01-01T00:00:00", "日期范围"),
        ("/v1/screenings/%00", "screening_id：含有控制字符"),
        ("/v1/jobs/%00", "job_id：含有控制字符"),
        ("/v1/jobs/%00/results", "job_id：含有控制字符"),
        ("/v1/documents/%00", "document_id：含有控制字符"),
    ],
)
def test_a_query_that_cannot_be_answered_is_told(client, path, words):
    answer = client.get(path)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]


def test_too_large_a_batch_is_refused(client):
    answer = client.post("/v1/screenings/batch", json={"items": [{"text": GOOD}] * 257})
    assert answer.status_code == 413
    assert "一次最多 256 条" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"text": ""}, 422, "text：不能为空"),
        ({"text": "字" * 200_001}, 422, "超过 200000 字的上限"),
        ({"text": GOOD, "kind": "poster"}, 422, "kind：取值无效，可选 ad、clause、product、auto"),
        ({"text": GOOD, "kind": 1}, 422, "kind：取值无效，可选 ad、clause、product、auto"),
        ({"text": GOOD, "colour": "red"}, 422, "多余的字段"),
        ({"text": "坏\udcff字"}, 422, "text：含有控制字符"),
        ({"text": "坏\ufffe字"}, 422, "text：含有控制字符"),
        ({"text": "坏\uffff字"}, 422, "text：含有控制字符"),
        ({"text": " \u3000\n"}, 422, "text：不能为空"),
    ],
)
def test_bad_input_is_told_in_chinese(client, given, status, words):
    answer = client.post(
        "/v1/screenings", content=json.dumps(given).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert answer.json()["instance"] == answer.headers["x-request-id"]


def test_lists_filter_and_page(client):
    seller = uuid.uuid4().hex
    for text in (BAD, GOOD, BAD + "会员须知。"):
        client.post("/v1/screenings", json={"text": text, "kind": "clause", "seller": seller})
    first = client.get("/v1/screenings", params={"seller": seller, "limit": 2}).json()
    assert len(first["items"]) == 2
    second = client.get("/v1/screenings", params={"seller": seller, "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["seller"] for item in first["items"] + second["items"]] == [seller] * 3
    assert second["next_cursor"] is None
    assert second["items"][0]["created_at"] <= first["items"][0]["created_at"]

    def count(**wanted):
        return len(client.get("/v1/screenings", params={"seller": seller, **wanted}).json()["items"])

    assert count(label="clause_sole_interpretation") == 2
    assert count(office="市场与网络交易监管科") == 2
    assert count(office="市场与网络交易监管科", label="clause_sole_interpretation") == 2
    assert count(office="消费者协会", label="ad_medical_claim") == 0
    assert count(office="", label="", cursor="") == 3
    assert count(verdict="违规嫌疑") == 2
    assert count(since="2100-01-01T00:00:00Z") == 0
    assert count(until="2100-01-01T00:00:00+08:00") == 3
    kept = datetime.fromisoformat(first["items"][0]["created_at"])
    beijing = timezone(timedelta(hours=8))
    for minutes, number in ((-2, 3), (2, 0)):
        moment = kept + timedelta(minutes=minutes)
        assert count(since=moment.astimezone(beijing).replace(tzinfo=None).isoformat()) == number
        assert count(since=moment.isoformat()) == number
    assert client.get("/v1/screenings", params={"cursor": "x"}).status_code == 422
    assert client.get("/v1/screenings/none").status_code == 404


def test_licence_numbers_stand_beside_the_findings(client):
    body = client.post(
        "/v1/screenings", json={"text": "执行许可 SC12345678901234，国药准字Z20200001", "kind": "product"}
    ).json()
    assert [(own["type"], own["valid"]) for own in body["licences"]] == [
        ("食品生产许可证编号", True),
        ("药品批准文号", True),
    ]


def test_a_full_queue_says_when_to_come_again(client, monkeypatch):
    def full(*_):
        raise QueueFullError("排队已满")

    monkeypatch.setattr(client.app.state.runtime.worker, "submit", full)
    answer = client.post("/v1/screenings", json={"text": uuid.uuid4().hex})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_a_crowd_is_turned_away_at_the_door_and_counted_under_its_path(client, monkeypatch):
    monkeypatch.setattr(client.app.state.runtime.worker._backlogs[Priority.REQUEST], "texts", 10**6)
    answer = client.post("/v1/screenings", content=b"not even read")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert 'path="/v1/screenings",status="429"' in client.get("/metrics").text
    assert client.get("/v1/screenings").status_code == 200
    monkeypatch.undo()
    assert client.post("/v1/screenings", json={"text": GOOD}).status_code == 200


def test_no_more_requests_are_let_in_than_the_queue_holds(client):
    async def go():
        inside, leave, statuses = 0, asyncio.Event(), []

        async def slow(scope, receive, send):
            nonlocal inside
            inside += 1
            await leave.wait()

        async def send(message):
            statuses.append(message.get("status"))

        crowd = Crowd(slow, most=2)

        def request():
            scope = {"type": "http", "method": "POST", "path": "/v1/screenings", "headers": [], "app": client.app}
            return asyncio.create_task(crowd(scope, None, send))

        tasks = [request() for _ in range(5)]
        await asyncio.wait(tasks[2:])
        assert (inside, statuses.count(429)) == (2, 3)
        leave.set()
        await asyncio.gather(*tasks, request())
        assert inside == 3

    asyncio.run(go())


def test_a_failure_answers_its_own_request_and_the_next_succeeds(client, monkeypatch):
    screener = client.app.state.runtime.worker.screener
    whole = screener.judge

    def fails_once(pieces):
        if any("坏的一条" in piece.item.text for piece in pieces):
            raise RuntimeError("broken")
        return whole(pieces)

    monkeypatch.setattr(screener, "judge", fails_once)
    texts = [f"{word} {uuid.uuid4().hex}" for word in ("坏的一条", "好的一条", "好的二条", "坏的一条")]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda text: client.post("/v1/screenings", json={"text": text}), texts))
    assert [answer.status_code for answer in answers] == [500, 200, 200, 500]
    assert "broken" not in answers[0].text
    assert client.post("/v1/screenings", json={"text": uuid.uuid4().hex}).status_code == 200


def test_a_batch_that_was_not_ready_in_time_gets_further_next_time(client, monkeypatch):
    runtime = client.app.state.runtime
    whole, passes, answered = runtime.worker.screener.judge, [], threading.Event()
    mark = uuid.uuid4().hex

    def stuck_in_the_second_pass(pieces):
        own = sum(mark in piece.item.text for piece in pieces)  # jobs of other tests may still be read
        if own:
            passes.append(own)
            if len(passes) == 2:
                answered.wait(60)
        return whole(pieces)

    monkeypatch.setattr(runtime.worker.screener, "judge", stuck_in_the_second_pass)
    items = [{"text": f"{GOOD}{mark}{n}"} for n in range(100)]
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "settings", runtime.settings.model_copy(update={"request_timeout": 6.0}))
        assert client.post("/v1/screenings/batch", json={"items": items}).status_code == 504
    answered.set()
    assert client.post("/v1/screenings/batch", json={"items": items}).status_code == 200
    assert sum(passes[2:]) == len(items) - passes[0]
    end = time.monotonic() + 60
    while runtime.worker.waiting and time.monotonic() < end:  # on jobs of other tests
        time.sleep(0.1)
    assert runtime.worker.waiting == 0


def test_many_at_once_get_their_own_answers(client):
    texts = [f"第{n}家店：最终解释权归本店所有" if n % 2 else f"第{n}家店：{GOOD}" for n in range(60)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda text: client.post("/v1/screenings", json={"text": text, "kind": "clause"}), texts)
        )
    assert {answer.status_code for answer in answers} == {200}
    for n, answer in enumerate(answers):
        assert client.get(f"/v1/screenings/{answer.json()['id']}").json()["text"] == texts[n]
        assert bool(answer.json()["findings"]) == bool(n % 2)


def test_labels_model_and_health(client):
    assert len(client.get("/v1/labels").json()) == 40
    model = client.get("/v1/models").json()
    assert model["version"] == client.get("/healthz").json()["model_version"]
    assert client.get("/readyz").status_code == 200
    assert "mingjian_texts_total" in client.get("/metrics").text
    page = client.get("/docs")
    assert page.status_code == 200
    assert "://cdn" not in page.text


def test_a_model_that_comes_into_service_is_noted_once(client):
    runtime = client.app.state.runtime

    def versions():
        with runtime.database.session() as session:
            return [entry.object_id for entry in list_entries(session, None, 10_000) if entry.action == MODEL]

    before = versions()
    assert before[0] == runtime.model_version
    for version in (runtime.model_version, "other", "other", runtime.model_version):
        with runtime.database.session() as session:
            note_model(session, version)
    assert versions() == [runtime.model_version, "other", *before]


def test_the_audit_log_tells_who_did_what(client):
    own = client.post("/v1/screenings", json={"text": GOOD}).json()["id"]
    batch = client.post("/v1/screenings/batch", json={"items": [{"text": GOOD}, {"text": BAD}]}).json()["results"]
    entries = client.get("/v1/audit").json()["items"]
    noted = [entry["object_id"] for entry in entries if (entry["actor"], entry["action"]) == ("本机", "screen")]
    assert {own, *(result["screening"]["id"] for result in batch)} <= set(noted)


REFUSE_WRITES = {
    True: ["CREATE TRIGGER refuse BEFORE UPDATE ON executors BEGIN SELECT RAISE(ABORT, 'full'); END"],
    False: [
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE 'full'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER refuse BEFORE UPDATE ON executors FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
ALLOW_WRITES = {True: ["DROP TRIGGER refuse"], False: ["DROP FUNCTION refuse CASCADE"]}


def test_a_database_that_takes_nothing_turns_readiness_false(client, monkeypatch):
    monkeypatch.setattr("service.jobs.executor.DEAD_AFTER_S", 3.0)
    database = client.app.state.runtime.database

    def becomes(status, statements):
        with database.engine.begin() as connection:
            for statement in statements[database.is_sqlite]:
                connection.execute(sql(statement))
        end = time.monotonic() + 15
        while (answer := client.get("/readyz")).status_code != status:
            assert time.monotonic() < end
            time.sleep(0.1)
        return answer.json()

    client.get("/readyz").raise_for_status()
    try:
        assert "数据库无法写入" in becomes(503, REFUSE_WRITES)["detail"]
    finally:
        becomes(200, ALLOW_WRITES)


def test_processes_are_seen_by_the_clock_of_the_database(client):
    database = client.app.state.runtime.database

    def live(name, dead_after):
        with database.session() as session:
            return {own for own in note_life(session, name, timedelta(seconds=dead_after)) if own in ("one", "two")}

    assert live("one", 5) == set()
    assert live("two", 5) == set()
    time.sleep(0.3)
    assert live("two", 0.2) == {"one"}
    with database.session() as session:
        forget(session, ["one", "two"])


def test_a_stuck_model_turns_readiness_false(client, monkeypatch):
    worker = client.app.state.runtime.worker
    monkeypatch.setattr(worker, "_pass_began", 0.0)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "模型没有响应" in answer.json()["detail"]
    monkeypatch.undo()
    assert client.get("/readyz").status_code == 200
