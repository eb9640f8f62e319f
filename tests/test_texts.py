"""Unlabelled texts are read whatever their encoding, and what cannot be read is named."""

import json
import lzma

import pytest
from typer.testing import CliRunner

from service.cli import app
from training.texts import TextsError, read_texts

PASSAGES = ["本店概不退款，", "最终解释权归商家所有。"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_texts_may_come_in_any_known_encoding(encoding, tmp_path):
    data = "\r\n\r\n".join(PASSAGES).encode(encoding)
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(data))
    lines = [json.dumps({"text": text, "more": 1}, ensure_ascii=False) for text in PASSAGES]
    (tmp_path / "c.jsonl").write_bytes("\n".join(lines).encode(encoding))
    assert list(read_texts([tmp_path])) == PASSAGES * 3


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"id": "x"}', "text：缺少字段"),
        ('{"text": 5}', "text：应为文字"),
        ("[]", "应为 JSON 对象"),
        ("{broken", "不是有效的 JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line, fault, tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"text": "退款"}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(TextsError) as told:
        list(read_texts([file]))
    assert f"{file} 第 3 行：" in str(told.value)
    assert fault in str(told.value)


def test_a_packed_file_that_is_cut_short_is_named(tmp_path):
    file = tmp_path / "a.txt.xz"
    file.write_bytes(lzma.compress("退款".encode())[:-5])
    with pytest.raises(TextsError, match="不是完整的 xz 压缩文件"):
        list(read_texts([file]))


def test_the_commands_say_it_without_a_traceback(tiny_base, tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": "x"}\n', encoding="utf-8")
    command = ["pretrain", "--base", str(tiny_base), "--out", str(tmp_path / "run"), "--texts", str(file)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "a.jsonl 第 1 行：text：缺少字段" in done.stderr
