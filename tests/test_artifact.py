"""What a model folder is refused for, before and after its network runs."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from screening.artifact import ArtifactError, load_artifact
from screening.resources import shipped_model
from screening.taxonomy import load_taxonomy


@pytest.fixture
def folder(tmp_path):
    """The small files of the shipped model."""
    for file in shipped_model().glob("*.json"):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("content", ["5", "null", "true", '"x"', "{}", "[5]", "[[]]"])
@pytest.mark.parametrize("name", ["decisions.json", "golden.json"])
def test_json_of_another_type_is_refused(folder, name, content):
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=f"{name} 的内容不符合格式要求"):
        load_artifact(folder, load_taxonomy())


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\xfe"])
def test_what_is_no_json_is_refused(folder, content):
    (folder / "decisions.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"decisions.json 不是有效的 JSON"):
        load_artifact(folder, load_taxonomy())


def test_a_model_without_golden_texts_is_refused(folder):
    (folder / "golden.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ArtifactError, match="没有标准文本"):
        load_artifact(folder, load_taxonomy())


@pytest.mark.parametrize("tokens", [0, 31, 513])
def test_a_length_that_the_network_cannot_read_is_refused(folder, tokens):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "max_tokens": tokens}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"manifest.json .*max_tokens"):
        load_artifact(folder, load_taxonomy())


def test_a_network_that_answers_nan_fails_its_check(screener, monkeypatch):
    run = screener.classifier.run

    def spoilt(inputs):
        *others, last = run(inputs)
        return [*others, replace(last, logits=np.full_like(last.logits, np.nan))]

    monkeypatch.setattr(screener.classifier, "run", spoilt)
    with pytest.raises(ArtifactError, match="自检未通过"):
        screener.check_golden()
