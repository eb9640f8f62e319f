"""What the documents say must hold."""

import json
import re
import shlex

import pytest
from docx import Document
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from screening.resources import shipped_model
from screening.taxonomy import load_taxonomy
from service.api import create_app
from service.cli import app
from service.settings import Settings
from tests.conftest import ROOT
from tests.service.conftest import LOCAL

READMES = ("README.md", "README.zh-CN.md")


def blocks(name):
    return "\n".join(re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL))


@pytest.mark.parametrize("name", READMES)
def test_the_example_text_gives_a_finding(name):
    line = next(line for line in blocks(name).splitlines() if line.startswith('mingjian screen "'))
    done = CliRunner().invoke(app, shlex.split(line)[1:])
    assert done.exit_code == 1
    assert "违规嫌疑" in done.stdout


@pytest.mark.parametrize("name", READMES)
def test_the_curl_examples_work(name, tmp_path):
    examples = re.findall(r"^curl (.*?)$", blocks(name).replace("\\\n", " "), re.MULTILINE)
    assert len(examples) == 3
    terms = Document()
    terms.add_paragraph("会员卡一经售出，概不退款。")
    with TestClient(create_app(Settings(data_folder=tmp_path, auth="off")), base_url=LOCAL) as client:
        for example in examples:
            words = shlex.split(example)
            path = words[1].removeprefix("http://127.0.0.1:8000")
            if "-d" in words:
                answer = client.post(path, json=json.loads(words[words.index("-d") + 1]))
                assert answer.json()["findings"][0]["label"] == "clause_sole_interpretation"
                continue
            form = dict(words[n + 1].split("=", 1) for n, word in enumerate(words) if word == "-F")
            own = form.pop("file").removeprefix("@")
            file = tmp_path / own if own.endswith(".docx") else ROOT / own
            if own.endswith(".docx"):
                terms.save(file)
            answer = client.post(path, files={"file": (file.name, file.read_bytes())}, data=form)
            assert answer.status_code in (201, 202), answer.text


@pytest.mark.parametrize("name", READMES)
def test_the_sample_data_are_there_and_give_findings(name):
    line = next(line for line in blocks(name).splitlines() if line.startswith("mingjian screen --json"))
    sample = ROOT / shlex.split(line)[3]
    done = CliRunner().invoke(app, ["screen", "--json", str(sample)])
    assert done.exit_code == 1
    results = [json.loads(result) for result in done.stdout.splitlines()]
    assert len(results) == len(sample.read_text(encoding="utf-8").split("\n")) - 1
    assert sum(bool(result["findings"]) for result in results) > len(results) / 2


@pytest.mark.parametrize("name", READMES)
def test_every_command_named_exists(name):
    for command in set(re.findall(r"^mingjian ([a-z]+)", blocks(name), re.MULTILINE)):
        done = CliRunner().invoke(app, [command, "--help"])
        assert done.exit_code == 0, command


def test_the_card_names_every_label_and_the_version():
    folder = shipped_model()
    card = (folder / "README.md").read_text(encoding="utf-8")
    version = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["version"]
    assert f"# Model card: {version}" in card
    assert "MIT licence" in card
    assert all(f"| {code} |" in card for code in load_taxonomy().codes)
