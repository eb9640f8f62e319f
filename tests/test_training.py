"""Training from a tiny BERT-like base with its own tokenizer, up to an artifact that screens."""

import json
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from screening.artifact import ArtifactError, load_artifact
from screening.classifier import Input
from screening.normalise import normalise
from screening.resources import shipped_model
from screening.screener import Screener, TextInput
from screening.taxonomy import load_taxonomy
from service.cli import app
from training.config import ConfigError, TrainConfig, read_config
from training.corpus import read_corpus
from training.model import TextClassifier
from training.package import package
from training.plots import plot_run
from training.split import stratified_folds
from training.train import Training, predict
from training.weights import read_weights

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter warns of what it traces


@pytest.fixture(scope="module")
def config(tiny_base, tiny_corpus) -> TrainConfig:
    return TrainConfig(base=str(tiny_base), corpus=(tiny_corpus,), epochs=2, holdout=0.2, max_tokens=64, head_rate=1e-2)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory) -> Training:
    training = Training(config, tmp_path_factory.mktemp("run"))
    training.run()
    return training


@pytest.fixture(scope="module")
def artifact(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    package(run.out, folder)
    return folder


def test_a_run_learns_and_leaves_its_measures(run):
    lines = [json.loads(line) for line in (run.out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[1]["loss"] < lines[0]["loss"]
    assert {"macro_ap", "macro_f1", "found", "false_alarms"} <= set(lines[0])
    plot_run(run)
    assert all(
        (run.out / name).stat().st_size > 1000 for name in ("loss.png", "precision_recall.png", "reliability.png")
    )


def test_a_killed_run_goes_on_where_it_was(config, tmp_path):
    config = config.model_copy(update={"dropout": 0.0})  # what is left of chance is drawn anew for each step
    whole = Training(config, tmp_path / "whole")
    whole.run()
    first = Training(config, tmp_path / "killed")
    for batch in first._prepared(first._batches()[:2]):
        first._train_step(batch)
    first._save_checkpoint()
    second = Training(config, tmp_path / "killed")
    assert second.step == 2
    second.run()
    assert (second.epoch, second.step) == (whole.epoch, whole.step)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_a_run_of_other_settings_or_another_corpus_is_not_gone_on_with(config, tiny_corpus, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    own = config.model_copy(update={"corpus": (corpus,)})
    Training(own, tmp_path / "run")._save_checkpoint()
    with pytest.raises(ConfigError, match="不能接着训练"):
        Training(own.model_copy(update={"seed": 8}), tmp_path / "run")
    with next(corpus.glob("*.jsonl")).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "new", "text": "新的文本", "kind": "ad", "category": "", "labels": []}) + "\n")
    with pytest.raises(ConfigError, match="不能接着训练"):
        Training(own, tmp_path / "run")


def test_a_new_head_knows_its_labels_by_their_descriptions(config, tmp_path):
    training = Training(config, tmp_path / "new")
    labels = load_taxonomy().labels
    inputs = [Input(normalise(f"{label.name}：{label.description}").text) for label in labels]
    logits, _, _ = predict(training.model, inputs, training.tokenizer)
    standing = logits - logits.mean(axis=0)  # each label against what it says of the others' descriptions
    ranks = [int((row > row[place]).sum()) for place, row in enumerate(standing)]
    assert np.mean(ranks) < len(labels) / 4, "by chance half of the labels stand before a description's own"


def test_the_logit_is_the_sum_of_token_contributions(run):
    tokenizer = run.tokenizer
    logits, contributions, _ = predict(run.model, [Input("概不退款，最终解释权归本店", "clause", "健身")], tokenizer)
    total = contributions[0].sum(-1) + run.model.head.bias.detach().numpy()
    np.testing.assert_allclose(total, logits[0], rtol=1e-4, atol=1e-4)


def test_the_artifact_loads_and_screens(artifact):
    screener = Screener.load(artifact)
    (result,) = screener.screen([TextInput("概不退款", "clause", "健身")])
    assert result.model_version == "tiny"
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    parity = manifest["metrics"]["parity"]
    assert parity["fp32_flips"] == 0
    assert parity["decisions"] == parity["texts"] * 40


def test_thresholds_are_chosen_on_texts_of_others_too(artifact, run, tiny_corpus, tmp_path):
    own = tmp_path / "run"
    shutil.copytree(run.out, own)
    (judged := tmp_path / "judged.jsonl").write_text(
        "".join(
            json.dumps({"text": f"第{n}条概不退款", "kind": "clause", "category": "", "labels": []}) + "\n"
            for n in range(99)
        ),
        encoding="utf-8",
    )
    config = run.config.model_copy(update={"judged": (judged,)})
    (own / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    manifest, before = package(own, tmp_path / "packaged"), load_artifact(artifact, load_taxonomy()).manifest
    assert (manifest.metrics["judged_texts"], before.metrics["judged_texts"]) == (99, 0)
    assert manifest.metrics["held_out_texts"] == before.metrics["held_out_texts"] == len(run.held_out)
    assert manifest.files["decisions.json"] != before.files["decisions.json"]


def test_retraining_can_start_from_the_artifact(artifact, run, config, tmp_path):
    model = TextClassifier.load(artifact)
    own = run.model.state_dict()
    assert set(model.state_dict()) == set(own) == set(read_weights(artifact / "model.onnx"))
    for name, value in TextClassifier.load(run.out / "model").state_dict().items():
        assert (model.state_dict()[name] - value).abs().max() <= 0.02 * max(1.0, float(value.abs().max())), name
    again = Training(config.model_copy(update={"base": str(artifact)}), tmp_path)
    torch.testing.assert_close(again.model.head.query.detach(), model.head.query.detach())


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "decisions.json", "golden.json", "encoder.json"])
def test_an_altered_or_missing_file_is_refused(artifact, tmp_path, name):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in artifact.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ArtifactError, match="SHA-256"):
        load_artifact(folder, load_taxonomy())
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="缺少文件"):
        load_artifact(folder, load_taxonomy())


def test_another_label_order_is_refused(artifact, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in artifact.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["labels"].reverse()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactError, match="标签顺序"):
        load_artifact(folder, load_taxonomy())


def test_folds_keep_one_source_together_and_spread_labels(tiny_corpus):
    rows = read_corpus([tiny_corpus])
    fold = stratified_folds(rows, 4, seed=1)
    where = {}
    for row, own in zip(rows, fold, strict=True):
        assert where.setdefault(row.group, own) == own
    assert max(map(fold.count, range(4))) - min(map(fold.count, range(4))) <= len(rows) // 8


def test_a_student_learns_from_its_teacher(run, config, tiny_corpus, tmp_path):
    teacher = run.out / "model"
    changes = {"teacher": (teacher,), "unlabelled": (tiny_corpus,), "unlabelled_limit": 10, "layers": 1, "epochs": 4}
    student = Training(config.model_copy(update={**changes, "soft_share": 1.0}), tmp_path)
    assert len(student.model.encoder.encoder.layer) == 1
    assert len(student.examples) == len(run.examples) + 10
    inputs = [item.input for item in student.examples]
    soft = 1 / (1 + np.exp(-predict(TextClassifier.load(teacher), inputs, run.tokenizer)[0]))
    np.testing.assert_allclose(np.stack([item.targets for item in student.examples]), soft, atol=1e-5)

    def distance():
        return float(np.abs(1 / (1 + np.exp(-predict(student.model, inputs, run.tokenizer)[0])) - soft).mean())

    before = distance()
    student.run()
    assert distance() < before


def test_settings_that_would_be_ignored_are_refused(run, config, tmp_path):
    with pytest.raises(ConfigError, match="不能改用随机权重"):
        Training(config.model_copy(update={"base": str(run.out / "model"), "random_weights": True}), tmp_path)
    with pytest.raises(ConfigError, match="只有 2 层"):
        Training(config.model_copy(update={"layers": 3}), tmp_path / "deeper")


def test_a_student_can_start_from_layers_of_its_teacher(run, config, tmp_path):
    teacher = run.out / "model"
    student = Training(config.model_copy(update={"base": str(teacher), "layers": 1}), tmp_path)
    weights, whole = student.model.state_dict(), TextClassifier.load(teacher).state_dict()
    assert student.model.encoder.config.num_hidden_layers == 1
    for name, values in weights.items():
        assert torch.equal(values, whole[name.replace("layer.0.", "layer.1.")]), name
    student.run()
    assert len(TextClassifier.load(tmp_path / "model").encoder.encoder.layer) == 1


def test_bad_settings_are_named(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("base: x\nepochs: 0\ncolour: red\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"(?s)epochs.*colour"):
        read_config(path)


def test_merged_weights_are_the_mean_and_can_be_packaged(run, config, tmp_path):
    other = Training(config.model_copy(update={"seed": 8, "epochs": 1}), tmp_path / "other")
    other.run()
    merged = tmp_path / "merged"
    command = ["merge", str(run.out), str(tmp_path / "other/model"), "--out", str(merged)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    first, second, mean = (
        TextClassifier.load(folder / "model").state_dict() for folder in (run.out, tmp_path / "other", merged)
    )
    for name, value in mean.items():
        torch.testing.assert_close(value, (first[name] + second[name]) / 2)
    assert package(merged, tmp_path / "packaged").labels == load_taxonomy().codes
    done = CliRunner().invoke(app, ["merge", str(run.out), str(shipped_model()), "--out", str(merged)])
    assert done.exit_code == 2
    assert "不能合并" in done.output
