"""Keys, scopes, limits, headers: what stands between the service and the network."""

import json
import socket
import time
import traceback

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import StatementError
from typer.testing import CliRunner

from service.api import create_app
from service.cli import app
from service.security import LOCAL
from service.settings import Settings, SettingsError, load_settings
from service.storage.audit import WEBHOOK
from service.storage.database import Database
from service.storage.keys import Scope, create_key, revoke_key
from tests.service.test_processes import free_port, job, service

TEXT = {"text": "最终解释权归本店所有"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A service that asks for keys, with small limits, and keys by scope."""
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(
        data_folder=folder, auth="keys", rate_per_minute=20, max_body_bytes=20_000, max_upload_bytes=50_000, threads=2
    )
    database = Database(settings.database())
    database.migrate()
    with database.session() as session:
        secrets = {scope: create_key(session, f"{scope} 用户", [scope]) for scope in Scope}
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        client.database = database
        client.secrets = secrets
        yield client
    database.close()


def ask(client, secret, path="/v1/screenings", **more):
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return client.post(path, json=more.get("json", TEXT), headers=headers)


def test_a_key_is_needed_and_its_scope(guarded):
    assert ask(guarded, None).status_code == 401
    assert ask(guarded, "mj_guess").status_code == 401
    assert ask(guarded, guarded.secrets[Scope.SCREEN]).status_code == 200
    refused = ask(guarded, guarded.secrets[Scope.JOBS])
    assert refused.status_code == 403
    assert "screen" in refused.json()["detail"]
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert guarded.get(path).status_code == 200


def test_every_route_under_v1_asks_for_a_key(guarded):
    for path, methods in guarded.get("/openapi.json").json()["paths"].items():
        if path.startswith("/v1"):
            for method in methods:
                assert (
                    guarded.request(
                        method,
                        path.format_map(
                            {"screening_id": "x", "document_id": "x", "job_id": "x", "report_format": "docx"}
                        ),
                    ).status_code
                    == 401
                ), path


def test_keys_are_kept_as_hashes(guarded):
    with guarded.database.engine.connect() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM api_keys").fetchall())
    for secret in guarded.secrets.values():
        assert secret not in stored


def test_a_revoked_key_stops_working(guarded):
    with guarded.database.session() as session:
        secret = create_key(session, "临时", [Scope.SCREEN])
    assert ask(guarded, secret).status_code == 200
    with guarded.database.session() as session:
        revoke_key(session, "临时")
    end = time.monotonic() + 8
    while ask(guarded, secret).status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.5)


def test_too_many_requests_are_told_when_to_come_again(guarded):
    with guarded.database.session() as session:
        secret = create_key(session, "急", [Scope.SCREEN])
    answers = [ask(guarded, secret) for _ in range(25)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429] * 5
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61


def test_too_large_a_body_is_refused_whether_declared_or_not(guarded):
    secret = guarded.secrets[Scope.SCREEN]
    assert ask(guarded, secret, json={"text": "字" * 30_000}).status_code == 413
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def parts():
        yield b'{"text": "'
        for _ in range(40):
            yield b"a" * 1000
        yield b'"}'

    assert guarded.post("/v1/screenings", content=parts(), headers=headers).status_code == 413
    upload = {"file": ("a.txt", b"a" * 60_000)}
    assert guarded.post("/v1/documents", files=upload, headers={"Authorization": f"Bearer {secret}"}).status_code == 413


def test_how_large_a_body_may_be_is_told_by_the_path_and_not_by_its_media_type(guarded):
    headers = {"Authorization": f"Bearer {guarded.secrets[Scope.SCREEN]}"}
    document = {"file": ("a.txt", b"a" * 30_000)}
    assert guarded.post("/v1/documents", files=document, headers=headers).status_code == 201
    assert guarded.post("/v1/screenings", files=document, headers=headers).status_code == 413
    headers["Content-Type"] = "application/json"
    assert guarded.post("/v1/documents", content=b"a" * 30_000, headers=headers).status_code == 422


def test_answers_carry_an_id_and_safe_headers(guarded):
    answer = guarded.get("/healthz", headers={"X-Request-ID": "my-id-1"})
    assert answer.headers["x-request-id"] == "my-id-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert guarded.get("/healthz", headers={"X-Request-ID": "a\tb<script>"}).headers["x-request-id"].isalnum()


def test_logs_hold_neither_texts_nor_secrets(guarded, capfd, monkeypatch):
    secret = guarded.secrets[Scope.SCREEN]
    monkeypatch.setattr("service.routes.screenings.screen_requests", None)
    assert ask(guarded, secret, json={"text": "机密的一句话"}).status_code == 500
    seen = "".join(capfd.readouterr())
    assert "request failed" in seen
    assert "机密" not in seen
    assert secret not in seen
    assert "Traceback" not in seen


def test_no_unknown_key_works_right_after_the_machine_has_started(guarded, monkeypatch):
    monkeypatch.setattr("service.security.time.monotonic", lambda: 1.0)
    assert ask(guarded, "mj_unknown").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "127.0.0.1.rebound.example"}, 403),
        ({"Host": "[x"}, 403),
        ({"Origin": "https://other.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_without_keys_only_this_machine_is_answered(client, headers, status):
    answer = client.get("/v1/labels", headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


def slow_bodies(port, count, key=""):
    """Connections that promise a body and do not send it."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for own in connections:
        head = f"POST /v1/screenings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n{key}\r\n"
        own.sendall(head.encode())
        own.settimeout(30)
    return connections


def test_bodies_that_do_not_come_keep_nobody_out(tmp_path):
    database = Database(Settings(data_folder=tmp_path).database())
    database.migrate()
    with database.session() as session:
        key = f"Authorization: Bearer {create_key(session, '业务系统', [Scope.SCREEN])}"
    database.close()
    port = free_port()
    limits = {"MINGJIAN_MAX_QUEUE": "8", "MINGJIAN_BODY_TIMEOUT": "3"}
    with service(tmp_path, port, MINGJIAN_AUTH="keys", **limits):

        def screen():
            headers = dict([key.split(": ")])
            return httpx.post(f"http://127.0.0.1:{port}/v1/screenings", json=TEXT, headers=headers, timeout=30)

        strangers = slow_bodies(port, 20)
        assert all(b" 401 " in own.recv(4096) for own in strangers)
        assert screen().status_code == 200
        slow = slow_bodies(port, 8, key + "\r\n")
        assert all(b" 408 " in own.recv(4096) for own in slow)
        assert screen().status_code == 200
    for own in strangers + slow:
        own.close()


def test_errors_of_the_database_do_not_quote_what_was_posted(guarded):
    with pytest.raises(StatementError) as raised, guarded.database.session() as session:
        session.execute(text("INSERT INTO api_keys (name, scopes) VALUES (:name, '')"), {"name": "机密的一句话"})
    assert "机密" not in str(raised.value)


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_the_log_of_a_job_that_fails_quotes_nothing_of_it(tmp_path, style):
    code = """
import service.jobs.workflows as workflows
def broken(session, job, outcomes, version):
    raise ValueError(workflows.waiting_items(session, job.seq, 0, 1)[0].text)
workflows.finish_items = broken
from service.cli import app
app()
"""
    port = free_port()
    with service(tmp_path, port, code, MINGJIAN_LOG_FORMAT=style):
        file = {"file": ("a.jsonl", json.dumps({"text": "机密的一句话"}).encode())}
        created = httpx.post(f"http://127.0.0.1:{port}/v1/jobs", files=file, timeout=30).json()
        end = time.monotonic() + 60
        while job(port, created["id"])["state"] != "failed":
            assert time.monotonic() < end
            time.sleep(0.2)
    log = (tmp_path / "log").read_text()
    assert "ValueError" in log
    for word in ("机密", "\\u673a", "Traceback"):
        assert word not in log


def test_no_open_door_to_the_network():
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1"):
        create_app(Settings(auth="off", host="0.0.0.0"))  # noqa: S104
    with pytest.raises(ValueError, match="MINGJIAN_WEBHOOK_SECRET"):
        Settings(webhook_url="http://127.0.0.1/x")
    with pytest.raises(ValueError, match="http://"):
        Settings(webhook_url="file:///etc/passwd", webhook_secret="s")


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MINGJIAN_DATA_FOLDER", str(tmp_path))
    load_settings.cache_clear()
    yield monkeypatch
    load_settings.cache_clear()


def test_keys_from_the_command_line(environment):
    run = CliRunner()
    made = run.invoke(app, ["keys", "create", "工作流", "--scope", "screen", "--scope", "jobs"])
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("mj_")
    assert run.invoke(app, ["keys", "create", "工作流", "--scope", "screen"]).exit_code == 2
    listed = run.invoke(app, ["keys", "list"]).stdout
    assert "jobs screen" in listed
    assert run.invoke(app, ["keys", "create", "长" * 100, "--scope", "screen"]).exit_code == 0
    assert made.stdout.strip() not in listed
    assert run.invoke(app, ["keys", "revoke", "工作流"]).exit_code == 0
    assert run.invoke(app, ["keys", "revoke", "工作流"]).exit_code == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("长" * 101, "密钥名称过长：101 字，上限 100 字"),
        (LOCAL.name, "本机 是操作记录专用的名称"),
        ("命令行", "操作记录专用"),
        (" 启动 ", "启动 是操作记录专用的名称"),
        (WEBHOOK, "结果回传 是操作记录专用的名称"),
    ],
)
def test_a_name_that_no_key_can_have_is_told(environment, name, words):
    done = CliRunner().invoke(app, ["keys", "create", name, "--scope", "screen"])
    assert done.exit_code == 2
    assert words in done.stderr


def test_tokens_in_the_address_of_the_webhook_are_not_shown():
    shown = Settings(webhook_url="https://u:geheim@host:8443/take?access_token=geheim#geheim", webhook_secret="s")
    assert shown.shown("webhook_url") == "https://host:8443/take?**********"
    assert Settings(webhook_url="http://127.0.0.1/x", webhook_secret="s").shown("webhook_url") == "http://127.0.0.1/x"
    assert Settings().shown("webhook_url") == ""
    assert shown.shown("port") == "8000"


def test_config_is_shown_without_secrets(environment):
    environment.setenv("MINGJIAN_DATABASE_URL", "postgresql://u:geheim@h/d")
    environment.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["config", "show"]).stdout
    assert "MINGJIAN_DATABASE_URL" in shown
    assert "geheim" not in shown


def test_wrong_settings_are_named(environment):
    environment.setenv("MINGJIAN_WEBHOOK_URL", "user:geheim@host/path")
    assert "geheim" not in CliRunner().invoke(app, ["config", "show"]).stderr
    environment.setenv("MINGJIAN_PORT", "99999")
    done = CliRunner().invoke(app, ["config", "show"])
    assert done.exit_code == 2
    assert "MINGJIAN_PORT 不能大于 65535" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MAX_CHARS", "200001", "MINGJIAN_MAX_CHARS 不能大于 200000"),
        ("MAX_CHARS", "many", "MINGJIAN_MAX_CHARS 应为整数"),
        ("READ_TIMEOUT", "0", "MINGJIAN_READ_TIMEOUT 应大于 0"),
        ("READ_TIMEOUT", "long", "MINGJIAN_READ_TIMEOUT 应为数字"),
        ("AUTH", "none", "MINGJIAN_AUTH 取值无效，可选 keys、off"),
        ("WEBHOOK_URL", "http://[geheim", "MINGJIAN_WEBHOOK_URL 不是有效的网址"),
    ],
)
def test_a_wrong_setting_is_told_in_chinese(environment, name, value, words):
    environment.setenv(f"MINGJIAN_{name}", value)
    done = CliRunner().invoke(app, ["config", "show"])
    assert done.exit_code == 2
    assert done.stderr.strip() == f"错误：设置有误：{words}"


@pytest.mark.parametrize("command", [["keys", "list"], ["serve"], ["worker"], ["config", "show"]])
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("geheim", "不是有效的数据库地址"),
        ("postgresql://u:p:geheim/d", "不是有效的数据库地址"),  # Python's int() quotes it
        ("postgresql://u:geheim@[::1/d", "不是有效的数据库地址"),
        ("sqlite://geheim/x.sqlite", "不是有效的数据库地址"),
        ("sqlite:////tmp/x?timeout=geheim", "不是有效的数据库地址"),
        ("sqlite://", "应写明 SQLite 数据库的文件"),
        ("mysql://u:geheim@h/d", "只支持 postgresql（psycopg）和 sqlite"),
        ("postgresql+asyncpg://u:geheim@h/d", "只支持 postgresql（psycopg）和 sqlite"),
        ("geheim://u@h/d", "只支持 postgresql（psycopg）和 sqlite"),
    ],
)
def test_an_address_that_is_none_of_a_database_is_told(environment, command, address, words):
    environment.setenv("MINGJIAN_DATABASE_URL", address)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert done.stderr.startswith("错误：设置有误：MINGJIAN_DATABASE_URL ")
    assert words in done.stderr
    assert "geheim" not in done.output
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p%40@h/d", "postgresql+psycopg://u:p%40@h/d"),
        ("postgresql://u@h/d", "postgresql+psycopg://u@h/d"),
        ("sqlite:////a/b.sqlite", "sqlite:////a/b.sqlite"),
    ],
)
def test_an_address_of_a_database_names_its_driver(given, used):
    assert Settings(database_url=given).database() == used


def test_the_openapi_file_is_the_committed_one(guarded):
    from tests.conftest import ROOT

    committed = json.loads((ROOT / "service/openapi.json").read_text(encoding="utf-8"))
    assert guarded.get("/openapi.json").json() == committed, "run: make openapi"
