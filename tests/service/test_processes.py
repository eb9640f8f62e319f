"""The service as processes: killed, stopped, shared."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import httpx
import pytest

from service.server import MODEL_DIED, START_FAILED
from tests.conftest import ROOT
from tests.service.test_documents import zip_of

# `make soak` asks for the full size.
SOAK = "MINGJIAN_SOAK" in os.environ
ROWS = 50_000 if SOAK else 3000
JOB_S = 1800 if SOAK else 180


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


def environment(folder, **more):
    return {
        **os.environ,
        "MINGJIAN_DATA_FOLDER": str(folder),
        "MINGJIAN_AUTH": "off",
        "MINGJIAN_THREADS": "2",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def command(*arguments):
    return [sys.executable, "-c", "from service.cli import app; app()", *arguments]


@contextmanager
def service(folder, port, code="from service.cli import app; app()", **more):
    """A service in a process of its own, killed at the end if it still runs. Its log goes to a file: a pipe fills up."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with log.open("w") as file:
        arguments = [sys.executable, "-c", code, "serve", "--port", str(port)]
        process = subprocess.Popen(arguments, env=environment(folder, **more), stderr=file)
    try:
        wait_ready(port, process, log)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def wait_ready(port, process, log, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the service did not become ready")


def texts(rows):
    return [f"第{n}号会员卡售出后概不退款，编号{n * 7919}" for n in range(rows)]


def submit(port, rows=ROWS):
    lines = [json.dumps({"id": f"n{n}", "text": text}, ensure_ascii=False) for n, text in enumerate(texts(rows))]
    return submit_file(port, "a.jsonl", "\n".join(lines).encode())


def submit_file(port, name, content):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        return client.post("/v1/jobs", files={"file": (name, content)}).json()["id"]


def job(port, job_id):
    return httpx.get(f"http://127.0.0.1:{port}/v1/jobs/{job_id}", timeout=30).json()


def wait_until(port, job_id, done, seconds=JOB_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = job(port, job_id)
        if state["done"] >= done:
            return state
        time.sleep(0.1)
    raise AssertionError(state)


def check_results(port, job_id, rows=ROWS):
    end = time.monotonic() + 60
    while job(port, job_id)["state"] != "done":
        assert time.monotonic() < end, job(port, job_id)
        time.sleep(0.2)
    text = httpx.get(f"http://127.0.0.1:{port}/v1/jobs/{job_id}/results", timeout=60).text
    results = [json.loads(line) for line in text.splitlines()]
    assert [result["id"].removesuffix(".txt") for result in results] == [f"n{n}" for n in range(rows)]
    assert all("verdict" in result for result in results)
    state = job(port, job_id)
    assert (state["done"], state["failed"], state["total"]) == (rows, 0, rows)


def new_database(server, name):
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def test_a_job_survives_two_kills(tmp_path):
    port = free_port()
    with service(tmp_path, port) as process:
        job_id = submit(port)
        first = wait_until(port, job_id, ROWS // 15)
        process.kill()
    with service(tmp_path, port) as process:
        second = wait_until(port, job_id, first["done"] + ROWS // 15)
        assert second["done"] < ROWS
        process.kill()
    with service(tmp_path, port):
        wait_until(port, job_id, ROWS)
        check_results(port, job_id)


def test_documents_of_an_archive_survive_a_kill(tmp_path):
    port, rows = free_port(), 900
    archive = zip_of([(f"n{n}.txt", text) for n, text in enumerate(texts(rows))])
    with service(tmp_path, port) as process:
        job_id = submit_file(port, "文件.zip", archive)
        assert wait_until(port, job_id, 40)["done"] < rows
        process.kill()
    with service(tmp_path, port):
        wait_until(port, job_id, rows)
        check_results(port, job_id, rows)


def test_two_workers_share_a_job_and_one_is_killed(tmp_path, postgresql):
    address = new_database(postgresql, "shared")
    port, other = free_port(), free_port()
    with service(tmp_path / "a", port, MINGJIAN_DATABASE_URL=address) as first:
        worker = subprocess.Popen(
            command("worker"),
            env=environment(tmp_path / "b", MINGJIAN_DATABASE_URL=address),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert "working on jobs" in worker.stderr.readline()
            with service(tmp_path / "c", other, MINGJIAN_DATABASE_URL=address):
                job_id = submit(port)
                wait_until(other, job_id, 100)
                first.kill()
                wait_until(other, job_id, ROWS)
                check_results(other, job_id)
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
            worker.stderr.close()


def test_sigterm_finishes_what_is_in_hand_and_gives_the_rest_back(tmp_path):
    port = free_port()
    with service(tmp_path, port) as process:
        job_id = submit(port)
        before = wait_until(port, job_id, 64)
        process.send_signal(signal.SIGTERM)
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
        assert (answer.status_code, answer.json()["detail"]) == (503, "服务正在停止")
        assert process.wait(25) == 0
    with service(tmp_path, port):
        wait_until(port, job_id, ROWS)
        check_results(port, job_id)
        assert before["done"] < ROWS


DIES = """
from screening.screener import Screener
whole = Screener.judge
def dies(self, pieces):
    if any("终止" in piece.item.text for piece in pieces):
        raise SystemExit
    return whole(self, pieces)
Screener.judge = dies
from service.cli import app
app()
"""


def test_a_dead_worker_turns_readiness_false_and_requests_fail_at_once(tmp_path):
    port = free_port()
    with (
        service(tmp_path, port, DIES) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        start = time.monotonic()
        assert client.post("/v1/screenings", json={"text": "终止"}).status_code == 503
        while client.get("/readyz").status_code == 200:
            assert time.monotonic() - start < 1
        assert "推理" in client.get("/readyz").json()["detail"]
        assert client.get("/healthz").status_code == 200
        assert client.post("/v1/screenings", json={"text": "你好"}).status_code == 503
        assert process.wait(15) == MODEL_DIED  # whoever watches over it starts it anew


def test_chunks_of_a_process_whose_model_has_died_go_to_others(tmp_path, postgresql):
    address = new_database(postgresql, "dying")
    port, other = free_port(), free_port()
    with service(tmp_path / "a", port, DIES, MINGJIAN_DATABASE_URL=address) as process:
        content = "\n".join(json.dumps({"id": f"n{n}", "text": f"终止服务的，概不退款。编号{n}"}) for n in range(100))
        file = {"file": ("a.jsonl", content.encode())}
        job_id = httpx.post(f"http://127.0.0.1:{port}/v1/jobs", files=file, timeout=30).json()["id"]
        worker = subprocess.run(
            [sys.executable, "-c", DIES, "worker"],
            env=environment(tmp_path / "b", MINGJIAN_DATABASE_URL=address),
            stderr=subprocess.PIPE,
            text=True,
            timeout=90,
            check=False,
        )
        assert worker.returncode == MODEL_DIED, worker.stderr
        assert process.wait(15) == MODEL_DIED
        with service(tmp_path / "c", other, MINGJIAN_DATABASE_URL=address):
            wait_until(other, job_id, 100, 90)
            check_results(other, job_id, 100)


def ended(folder, *arguments, code="from service.cli import app; app()", **more):
    """What a command said that ends by itself, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.stderr, done.returncode


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("serve", "postgresql://nobody:geheim@127.0.0.1:1/none"),
        ("serve", "postgresql://nobody:p@geheim@127.0.0.1/none"),
        ("worker", "postgresql://nobody:p@geheim@127.0.0.1/none"),
        ("serve", "sqlite:////proc/none/x.sqlite"),
    ],
)
def test_an_unreachable_database_is_said_plainly(tmp_path, name, address):
    said, code = ended(tmp_path, name, MINGJIAN_PORT=str(free_port()), MINGJIAN_DATABASE_URL=address)
    assert code == START_FAILED
    for words in ("start failed", "DatabaseError", "数据库"):
        assert words in said
    for words in ("geheim", "Traceback"):
        assert words not in said


FAILS = """
from service.storage.database import Database
def fails(self):
    raise ValueError("机密的一句话")
Database.migrate = fails
from service.cli import app
app()
"""


@pytest.mark.parametrize("style", ["json", "pretty"])
@pytest.mark.parametrize("name", ["serve", "worker"])
def test_the_log_of_a_failed_start_tells_the_kind_of_error_and_quotes_nothing(tmp_path, name, style):
    more = {"MINGJIAN_LOG_FORMAT": style, "MINGJIAN_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    said, code = ended(tmp_path, name, code=FAILS, MINGJIAN_PORT=str(free_port()), **more)
    assert code == START_FAILED
    assert "start failed" in said
    assert "ValueError" in said
    for words in ("机密", "\\u673a", "Traceback"):
        assert words not in said


def test_a_worker_asks_for_postgresql(tmp_path):
    said, code = ended(tmp_path, "worker")
    assert (code, "要用 PostgreSQL" in said, "Traceback" in said) == (2, True, False)


def test_a_data_folder_with_sqlite_has_one_service_at_a_time(tmp_path):
    port = free_port()
    with service(tmp_path, port) as process:
        file = {"file": ("a.txt", "本店每日九点营业".encode())}  # starts a reader, which outlives a kill for a while
        assert httpx.post(f"http://127.0.0.1:{port}/v1/documents", files=file, timeout=30).status_code == 201
        said, code = ended(tmp_path, "serve", "--port", str(free_port()))
        assert (code, "正由另一个明鉴服务使用" in said, "Traceback" in said) == (2, True, False)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
        process.kill()
    with service(tmp_path, port) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0
    with service(tmp_path, port):
        pass
