"""What containers may write to memory is bounded, and uploads do not go there."""

import yaml

from tests.conftest import ROOT


def test_memory_file_systems_are_bounded():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    folders = [own for service in services.values() for own in service.get("tmpfs", [])]
    assert len(folders) == 3
    assert all(":size=" in own for own in folders)


def test_uploads_wait_on_the_data_volume():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    (volume,) = (line.removeprefix("VOLUME ") for line in lines if line.startswith("VOLUME "))
    assert f"ENV TMPDIR={volume}" in lines
