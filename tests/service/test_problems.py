"""What cannot be read is told in Chinese, as far as it is known."""

import errno
import tempfile
from pathlib import Path

import pytest
from lxml import etree

from service.problems import disk_is_full

JSON = "application/json"
UPLOAD = "multipart/form-data; boundary=x"
LONG_NUMBER = b'{"text": ' + b"1" * 5000 + b"}"
PART = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("path", "media_type", "content", "words"),
    [
        ("/v1/screenings", JSON, LONG_NUMBER, "JSON 中的数字超出可用的范围"),
        ("/v1/screenings", JSON, b"[" * 100_000, "JSON 的嵌套层数过多"),
        ("/v1/screenings", JSON, '{"text": "退款"}'.encode("gb18030"), "请求内容不是 UTF-8 编码"),
        ("/v1/screenings", JSON, b'{"text": oops}', "请求内容第 10 个字符处：不是有效的 JSON"),
        ("/v1/jobs", "multipart/form-data", b"--x", "缺少 boundary"),
        ("/v1/jobs", UPLOAD, b"nothing of the kind", "内容已损坏"),
        ("/v1/jobs", UPLOAD, b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", "没有 name"),
        ("/v1/documents", UPLOAD, PART % (b"kind", b"", b"a" * 2**21) + b"--x--\r\n", "一个字段过长"),
        ("/v1/documents", UPLOAD, PART % (b"kind", b"", b"ad") * 1001 + b"--x--\r\n", "字段过多"),
        ("/v1/documents", UPLOAD, PART % (b"file", b'; filename="a"', b"ad") * 1001 + b"--x--\r\n", "文件过多"),
    ],
)
def test_a_body_that_cannot_be_read_is_told(client, path, media_type, content, words):
    answer = client.post(path, content=content, headers={"Content-Type": media_type})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["detail"]


def test_a_file_that_comes_as_text_is_told(client):
    answer = client.post(
        "/v1/jobs", content=PART % (b"file", b"", b"a") + b"--x--\r\n", headers={"Content-Type": UPLOAD}
    )
    assert answer.status_code == 422
    assert answer.json()["detail"] == "file：应为上传的文件"


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/documents"])
def test_a_form_with_what_is_not_known_is_refused(client, path):
    def detail(files, **data):
        answer = client.post(path, files=files, data=data)
        assert answer.status_code == 422, answer.text
        return answer.json()["detail"]

    file = ("file", ("a.csv", "文案\n概不退款\n".encode()))
    assert detail([file], knd="clause") == "knd：多余的字段，可用的有 file、kind、category"
    assert detail([file, file]) == "file：收到 2 个，只能有 1 个"
    assert detail([file, ("second", file[1])], kind=["ad", "clause"]) == (
        "kind：收到 2 个，只能有 1 个；second：多余的字段，可用的有 file、kind、category"
    )


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        (
            "GET",
            "/v1/screenings?foo=1&limit=2",
            "foo：多余的字段，可用的有 label、office、verdict、seller、reference、since、",
        ),
        ("GET", "/v1/screenings?limit=1&limit=2", "limit：收到 2 个，只能有 1 个"),
        ("GET", "/v1/leads?cursor=", "cursor：多余的字段，可用的有 since、limit"),
        ("GET", "/v1/labels?a=1&b%00=2", "a：多余的字段，此处没有参数；b\ufffd：多余的字段，此处没有参数"),
        ("GET", "/v1/jobs/none/results?fmt=csv", "fmt：多余的字段，可用的有 format"),
        ("POST", "/v1/screenings?kind=ad", "kind：多余的字段，此处没有参数"),
        ("POST", "/v1/jobs?kind=ad", "kind：多余的字段，此处没有参数"),
    ],
)
def test_a_query_with_what_is_not_known_is_refused(client, method, path, words):
    answer = client.request(method, path, json={"text": "概不退款"} if method == "POST" else None)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith(words)


def test_what_asks_for_health_is_answered_whatever_it_adds(client):
    assert client.get("/healthz?probe=1").status_code == 200


def full_disk(*_, **__):
    return Path("/dev/full").open("wb+", buffering=0)


def test_a_full_disk_is_told(client, wait_for, monkeypatch):
    job = client.post("/v1/jobs", files={"file": ("a.jsonl", '{"text": "概不退款"}'.encode())}).json()["id"]
    wait_for(job)
    monkeypatch.setattr(tempfile, "TemporaryFile", full_disk)
    answers = [client.post("/v1/jobs", files={"file": ("a.jsonl", b" " * 2**21)})]
    answers += [client.get(f"/v1/jobs/{job}/results?format={own}") for own in ("jsonl", "csv", "parquet")]
    for answer in answers:
        assert answer.status_code == 503, answer.text
        assert answer.json()["detail"].startswith("服务器磁盘空间不足")


def test_a_full_disk_is_known_from_the_library_that_writes_workbooks():
    with pytest.raises(etree.SerialisationError) as full, etree.xmlfile("/dev/full") as file, file.element("a"):
        file.write("字" * 1_000_000)
    assert disk_is_full(full.value)


def test_another_fault_of_the_disk_is_no_full_one(client, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(tempfile, "TemporaryFile", broken)
    assert client.post("/v1/jobs", files={"file": ("a.jsonl", b" " * 2**21)}).status_code == 400
    assert client.get("/v1/jobs/none/results").status_code == 500
