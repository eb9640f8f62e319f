"""Nothing leaves the machine."""

import os
import subprocess
import sys

from tests.conftest import ROOT

SCREEN = """
from screening import Screener
from screening.screener import TextInput
print(Screener.load(threads=1).screen([TextInput("概不退款", "clause")])[0].verdict.value)
"""


def test_the_runtime_gathers_nothing_for_its_maker(tmp_path):
    """ONNX Runtime keeps what it would report in the user's cache; without reports there is none."""
    own = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | own
    done = subprocess.run([sys.executable, "-c", SCREEN], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "违规嫌疑"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
