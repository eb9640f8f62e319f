"""Puts the tables of `data` and the model in service into the wheel."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ResourcesHook(BuildHookInterface):
    """Maps data files to `screening/resources`, where the installed program looks for them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files; an editable install reads them from the source tree instead."""
        if version == "editable":
            return
        root = Path(self.root)
        model = root / "models" / (root / "models" / "current").read_text(encoding="utf-8").strip()
        resources = "screening/resources"
        for file in sorted((root / "data").glob("*.yaml")):
            build_data["force_include"][str(file)] = f"{resources}/{file.name}"
        build_data["force_include"][str(model)] = f"{resources}/model"
