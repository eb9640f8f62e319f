"""Leads, one by one: good ones are taken, bad ones returned; and exports are noted, on both databases."""

import uuid

import pytest

from tests.service.conftest import BAD, GOOD


def send(client, leads):
    answer = client.post("/v1/leads", json={"leads": leads})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_bad_leads_are_returned_and_the_others_taken(client, wait_for):
    own = uuid.uuid4().hex
    leads = [
        {"id": f"{own}-0", "text": BAD, "kind": "clause"},
        {"id": f"{own}-1", "text": ""},
        {"text": GOOD},
        {"id": f"{own}-3", "text": GOOD, "kind": "poster"},
        {"id": f"{own}-4", "text": "长" * 200_001},
        {"id": 5, "text": GOOD},
        "no lead",
        {"id": f"{own}-7", "text": GOOD},
        {"id": f"{own}-8", "text": "  \n"},
    ]
    answer = send(client, leads)
    assert (answer["accepted"], answer["known"]) == (2, 0)
    assert [(error["index"], error["id"]) for error in answer["errors"]] == [
        (1, f"{own}-1"),
        (2, ""),
        (3, f"{own}-3"),
        (4, f"{own}-4"),
        (5, "5"),
        (6, ""),
        (8, f"{own}-8"),
    ]
    expected = (
        "text：不能为空",
        "id：缺少",
        "kind：取值无效，可选 ad、clause、product、auto",
        "text：超过 200000 字",
        "id：应为文字",
        "应为 JSON 对象",
        "text：不能为空",
    )
    for error, words in zip(answer["errors"], expected, strict=True):
        assert words in error["error"]
    job = wait_for(answer["job_id"])
    assert (job["total"], job["done"], job["failed"]) == (2, 2, 0)
    again = send(client, leads)
    assert (again["accepted"], again["known"], len(again["errors"])) == (0, 2, 7)


def test_a_lead_longer_than_the_settings_allow_is_returned(client, monkeypatch):
    runtime = client.app.state.runtime
    monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update={"max_chars": 10}))
    answer = send(client, [{"id": uuid.uuid4().hex, "text": "长" * 11}])
    assert (answer["accepted"], answer["job_id"]) == (0, None)
    assert answer["errors"][0]["error"] == "文本过长：11 字，上限 10 字"


def test_of_one_id_in_one_body_the_first_good_lead_stands(client, wait_for):
    own = uuid.uuid4().hex
    start = client.get("/v1/leads", params={"limit": 500}).json()["cursor"]
    texts = ["", BAD, GOOD]
    answer = send(client, [{"id": own, "text": text, "reference": str(n)} for n, text in enumerate(texts)])
    assert (answer["accepted"], answer["known"]) == (1, 0)
    assert [(error["index"], error["id"]) for error in answer["errors"]] == [(0, own), (2, own)]
    assert answer["errors"][1]["error"] == "id：与序号 1 的线索重复"
    wait_for(answer["job_id"])
    (item,) = client.get("/v1/leads", params={"since": start}).json()["items"]
    assert (item["id"], item["reference"]) == (own, "1")


def test_an_empty_cursor_is_none(client):
    assert client.get("/v1/leads?since=").json() == client.get("/v1/leads").json()
    assert client.get("/v1/leads?since=x").status_code == 422


def noted(client, action):
    return [entry["object_id"] for entry in client.get("/v1/audit").json()["items"] if entry["action"] == action]


def test_exports_of_leads_are_noted(client, wait_for):
    start = client.get("/v1/leads", params={"limit": 500}).json()["cursor"]
    ids = [uuid.uuid4().hex for _ in range(3)]
    wait_for(send(client, [{"id": own, "text": GOOD} for own in ids])["job_id"])
    client.get("/v1/leads", params={"since": start, "limit": 2})
    assert len(set(ids) & set(noted(client, "export_lead"))) == 2
    page = client.get("/v1/leads", params={"since": start}).json()
    assert set(ids) <= set(noted(client, "export_lead"))
    before = noted(client, "export_lead")
    assert client.get("/v1/leads", params={"since": page["cursor"]}).json()["items"] == []
    assert noted(client, "export_lead") == before


def test_exports_of_jobs_are_noted(client, wait_for):
    job_id = client.post("/v1/jobs", files={"file": ("a.csv", f"text\n{GOOD}\n".encode())}).json()["id"]
    wait_for(job_id)
    assert job_id not in noted(client, "export_job")
    client.get(f"/v1/jobs/{job_id}/results").raise_for_status()
    assert noted(client, "export_job")[0] == job_id


@pytest.mark.parametrize("report_format", ["docx", "xlsx", "html"])
def test_exports_of_reports_are_noted(client, report_format):
    document_id = client.post("/v1/documents", files={"file": ("a.txt", BAD.encode())}).json()["id"]
    assert document_id not in noted(client, "export_report")
    client.get(f"/v1/documents/{document_id}/report.{report_format}").raise_for_status()
    assert noted(client, "export_report")[0] == document_id
