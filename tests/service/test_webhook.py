"""Results of leads are sent to the platform, signed, and again where it fails."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi.testclient import TestClient

from service.api import create_app
from service.jobs.webhook import signature
from service.settings import Settings
from tests.service.conftest import BAD, LOCAL

SECRET = "shared-secret"  # noqa: S105


class Receiver(BaseHTTPRequestHandler):
    """Refuses the first delivery and keeps the others."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tries += 1
        if self.server.tries == 1:
            self.send_error(503)
            return
        self.server.taken.append((dict(self.headers), body))
        self.send_response(204)
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


def test_results_are_delivered_signed_and_again_after_a_refusal(tmp_path, receiver):
    settings = Settings(
        data_folder=tmp_path,
        auth="off",
        threads=2,
        webhook_url=f"http://127.0.0.1:{receiver.server_port}/results",
        webhook_secret=SECRET,
    )
    with TestClient(create_app(settings), base_url=LOCAL) as client:
        leads = [{"id": f"L{n}", "text": BAD, "kind": "clause"} for n in range(3)]
        client.post("/v1/leads", json={"leads": leads})
        end = time.monotonic() + 60
        while not receiver.taken:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert receiver.tries == 2
    headers, body = receiver.taken[0]
    assert headers["X-Mingjian-Signature"] == signature(SECRET, headers["X-Mingjian-Timestamp"], body)
    results = json.loads(body)["results"]
    assert [result["id"] for result in results] == ["L0", "L1", "L2"]
    assert results[0]["screening"]["findings"]
