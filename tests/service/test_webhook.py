"""Results of leads are sent to the platform, signed, and again where it fails."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from dbos import DBOS, error
from fastapi.testclient import TestClient

from service.api import create_app
from service.jobs import workflows
from service.jobs.executor import JOBS_AT_ONCE
from service.jobs.webhook import signature
from service.settings import Settings
from service.storage.audit import WEBHOOK
from service.storage.jobs import JobState, finish_items, set_state
from tests.conftest import ROOT
from tests.service.conftest import BAD, GOOD, LOCAL
from tests.service.test_processes import free_port, service, wait_until

SECRET = "shared-secret"  # noqa: S105


class Receiver(BaseHTTPRequestHandler):
    """Refuses the first delivery, points elsewhere at the second, and keeps the others."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tries += 1
        if self.server.tries == 1:
            self.send_error(503)
            return
        if self.server.tries == 2:
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        self.server.taken.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.tries, server.taken = 0, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def delivering(folder, receiver):
    return Settings(
        data_folder=folder,
        auth="off",
        threads=2,
        webhook_url=f"http://127.0.0.1:{receiver.server_port}/results",
        webhook_secret=SECRET,
    )


def entries_of_webhook(client):
    entries = client.get("/v1/audit").json()["items"]
    return [(entry["action"], entry["object_id"]) for entry in entries if entry["actor"] == WEBHOOK]


def test_results_are_delivered_signed_and_again_after_a_refusal(tmp_path, receiver):
    settings = delivering(tmp_path, receiver)
    with TestClient(create_app(settings), base_url=LOCAL) as client:
        leads = [{"id": f"L{n}", "text": BAD, "kind": "clause"} for n in range(3)]
        client.post("/v1/leads", json={"leads": leads})
        end = time.monotonic() + 60
        while not receiver.taken:
            assert time.monotonic() < end
            time.sleep(0.1)
        while len(noted := entries_of_webhook(client)) < 3:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert receiver.tries == 3
    assert sorted(noted) == [("export_lead", "L0"), ("export_lead", "L1"), ("export_lead", "L2")]
    headers, body = receiver.taken[0]
    assert headers["X-Mingjian-Signature"] == signature(SECRET, headers["X-Mingjian-Timestamp"], body)
    results = json.loads(body)["results"]
    assert [result["id"] for result in results] == ["L0", "L1", "L2"]
    assert results[0]["screening"]["findings"]


def test_what_can_be_delivered_is_whatever_else_fails(tmp_path, receiver, monkeypatch):
    receiver.tries = 2
    settings = delivering(tmp_path, receiver)
    calls = []

    def refused_at_first(job_id, page, deliver=workflows._deliver):
        if page == 0:
            raise error.DBOSMaxStepRetriesExceeded("_deliver", workflows.DELIVERY_ATTEMPTS, [])
        deliver(job_id, page)

    def fails_at_last(*arguments):
        calls.append(arguments)
        if len(calls) > 4:
            raise ValueError("broken")
        return finish_items(*arguments)

    monkeypatch.setattr(workflows, "_deliver", refused_at_first)
    monkeypatch.setattr(workflows, "finish_items", fails_at_last)
    with TestClient(create_app(settings), base_url=LOCAL) as client:
        leads = [{"id": f"L{n}", "text": f"{BAD}{n}"} for n in range(250)]
        job_id = client.post("/v1/leads", json={"leads": leads}).json()["job_id"]
        end = time.monotonic() + 60
        while "回传失败" not in (job := client.get(f"/v1/jobs/{job_id}").json())["error"]:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert job["state"] == "failed"
    assert "重新提交" in job["error"]
    delivered = [result["id"] for _, body in receiver.taken for result in json.loads(body)["results"]]
    assert delivered == [f"L{n}" for n in range(100, 4 * workflows.PASS_ROWS)]


def test_what_a_job_left_whose_failure_could_not_be_noted_is_delivered_at_the_next_start(
    tmp_path, receiver, monkeypatch
):
    receiver.tries = 2
    settings = delivering(tmp_path, receiver)

    def cannot_end(session, job_id, state, *more):
        if state is not JobState.RUNNING:
            raise ValueError("broken")
        return set_state(session, job_id, state, *more)

    with TestClient(create_app(settings), base_url=LOCAL) as client, monkeypatch.context() as patch:
        patch.setattr(workflows, "set_state", cannot_end)
        job_id = client.post("/v1/leads", json={"leads": [{"id": "L0", "text": BAD}]}).json()["job_id"]
        end = time.monotonic() + 30
        while (workflow := DBOS.get_workflow_status(job_id)) is None or workflow.status != "ERROR":
            assert time.monotonic() < end
            time.sleep(0.1)
    assert not receiver.taken
    with TestClient(create_app(settings), base_url=LOCAL) as client:
        end = time.monotonic() + 30
        while not receiver.taken:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert client.get(f"/v1/jobs/{job_id}").json()["state"] == "failed"
    assert json.loads(receiver.taken[0][1])["results"][0]["id"] == "L0"


def test_a_dead_receiver_does_not_hold_jobs_up(tmp_path):
    port = free_port()
    hook = {"MINGJIAN_WEBHOOK_URL": f"http://127.0.0.1:{free_port()}", "MINGJIAN_WEBHOOK_SECRET": SECRET}
    with (
        service(tmp_path, port, **hook),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        leads = [{"leads": [{"id": f"L{n}", "text": BAD}]} for n in range(JOBS_AT_ONCE)]
        jobs = [client.post("/v1/leads", json=own).json()["job_id"] for own in leads]
        for job_id in jobs:
            wait_until(port, job_id, 1, 60)
        job_id = client.post("/v1/jobs", files={"file": ("a.csv", f"text\n{GOOD}\n".encode())}).json()["id"]
        wait_until(port, job_id, 1, 30)


def test_the_webhook_is_described():
    described = json.loads((ROOT / "service/openapi.json").read_text(encoding="utf-8"))["webhooks"]["lead-results"][
        "post"
    ]
    names = {own["name"] for own in described["parameters"]}
    assert names == {"x-mingjian-delivery", "x-mingjian-timestamp", "x-mingjian-signature"}
