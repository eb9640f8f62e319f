"""Finds the data that ships with the program: inside the installed package, or in the source tree."""

from pathlib import Path

_PACKAGE = Path(__file__).parent / "resources"
_SOURCE = Path(__file__).parent.parent


def data_file(name: str) -> Path:
    """Return the path of a data file such as `taxonomy.yaml`."""
    return (_PACKAGE if _PACKAGE.is_dir() else _SOURCE / "data") / name


def shipped_model() -> Path:
    """Return the folder of the model in service that ships with the program.

    In the source tree the file `models/current` names it.
    """
    if _PACKAGE.is_dir():
        return _PACKAGE / "model"
    models = _SOURCE / "models"
    return models / (models / "current").read_text(encoding="utf-8").strip()
