"""Sweeps: rows of one change each, trained once, judged alike."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from screening.errors import MingjianError
from service.cli import app
from training.config import ConfigError
from training.sweep import SweepConfig, read_sweep, run_sweep, sweep_table
from training.train import divide


@pytest.fixture
def sweep(tiny_base, tiny_corpus) -> SweepConfig:
    basis = {
        "base": str(tiny_base),
        "corpus": [str(tiny_corpus)],
        "epochs": 1,
        "holdout": 0.2,
        "max_tokens": 64,
        "limit": 200,
    }
    rows = [
        {"name": "basis", "title": "200 texts"},
        {"name": "focal", "title": "focal loss", "settings": {"loss": {"positive_focus": 2, "negative_focus": 2}}},
    ]
    return SweepConfig.model_validate({"basis": basis, "rows": rows})


def test_rows_are_trained_once_and_judged_alike(sweep, tmp_path, tiny_corpus):
    gold = next(tiny_corpus.glob("*.jsonl"))
    (first,) = run_sweep(sweep, tmp_path, gold, ["basis"])
    written = (tmp_path / "basis/figures.json").stat().st_mtime_ns
    both = run_sweep(sweep, tmp_path, gold)
    assert both[0] == first
    assert (tmp_path / "basis/figures.json").stat().st_mtime_ns == written
    assert [row.texts for row in both] == [200, 200]
    assert both[0].held_out != both[1].held_out
    for row in both:
        assert {"macro_ap", "macro_f1", "found", "false_alarms"} <= set(row.judged)
    lines = sweep_table(both).splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("| focal loss | 200 | ")


def test_the_shipped_sweep_is_sound_and_a_change_changes_something():
    config = read_sweep(Path("training/configs/sweep.yaml"))
    settings = [config.training(row) for row in config.rows]
    assert len({own.model_dump_json() for own in settings}) == len(settings)
    assert len({row.name for row in config.rows}) == len(settings)


def test_origin_and_limit_choose_what_is_learned_and_leave_what_is_held_out(sweep, tiny_corpus):
    config = sweep.training(sweep.rows[0]).model_copy(update={"limit": 0})
    whole = divide(config)
    for origin in ("authored", "cases"):
        own = divide(config.model_copy(update={"origin": origin}))
        assert own.held_out == whole.held_out
        assert own.training == [
            (row, w) for row, w in whole.training if (row.source == "authored") == (origin == "authored")
        ]
    few = divide(config.model_copy(update={"limit": 50}))
    assert len(few.training) == 50
    assert few.held_out == whole.held_out


def test_what_cannot_be_run_is_said(sweep, tmp_path):
    with pytest.raises(MingjianError, match="没有这一项对比试验：odd"):
        run_sweep(sweep, tmp_path, names=["odd"])
    bad = sweep.model_copy(update={"basis": sweep.basis | {"epoch": 3}})
    with pytest.raises(ConfigError, match="对比试验 basis 的设置有误"):
        run_sweep(bad, tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "sweep.yaml").write_text(json.dumps({"basis": {}, "rows": []}), encoding="utf-8")
    answer = CliRunner().invoke(
        app, ["sweep", "--config", str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out")]
    )
    assert answer.exit_code == 2
    assert "对比试验的配置" in answer.stderr
