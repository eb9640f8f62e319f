"""What the documents say must hold."""

import json
import re
import shlex

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from screening.resources import shipped_model
from screening.taxonomy import load_taxonomy
from service.api import create_app
from service.cli import app
from tests.conftest import ROOT

READMES = ("README.md", "README.zh-CN.md")


def blocks(name):
    return "\n".join(re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL))


@pytest.mark.parametrize("name", READMES)
def test_the_example_text_gives_a_finding(name):
    line = next(line for line in blocks(name).splitlines() if line.startswith('mingjian screen "'))
    done = CliRunner().invoke(app, shlex.split(line)[1:])
    assert done.exit_code == 1
    assert "违规嫌疑" in done.stdout


def test_the_curl_example_works():
    match = re.search(r"-d '(.*?)'", blocks("README.md"), re.DOTALL)
    assert match
    with TestClient(create_app()) as client:
        answer = client.post("/v1/screenings", json=json.loads(match[1]))
    assert answer.json()["findings"][0]["label"] == "clause_sole_interpretation"


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
