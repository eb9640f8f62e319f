"""The OpenAPI description with its Chinese texts and examples; `make openapi` writes it to service/openapi.json.

The core's classes are described in English, for those who read the code; what callers read of them, and examples,
stand in descriptions.yaml.
"""

import json
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI

from service.problems import MEDIA_TYPE

FILE = Path(__file__).parent / "openapi.json"
FIRST_ERROR = "400"
DESCRIPTIONS = Path(__file__).parent / "descriptions.yaml"


def _describe(schema: dict[str, Any], text: dict[str, Any]) -> None:
    """Give a schema, or one of its fields, its description and its example."""
    if "说明" in text:
        schema["description"] = text["说明"]
    if "示例" in text:
        schema["examples"] = [text["示例"]]


def _name_problems(specification: dict[str, Any]) -> None:
    """Give what tells of errors its media type: FastAPI takes all models for plain JSON."""
    for operations in specification["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= FIRST_ERROR and "application/json" in response.get("content", {}):
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}


def describe_with(app: FastAPI) -> None:
    """Have the application give the described form; raises KeyError where a described schema or field is gone."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _name_problems(plain())
            schemas = plain()["components"]["schemas"]
            for name, text in yaml.safe_load(DESCRIPTIONS.read_text(encoding="utf-8")).items():
                _describe(schemas[name], text)
                for field, own in text.get("字段", {}).items():
                    _describe(schemas[name]["properties"][field], own)
        return plain()

    app.openapi = described  # type: ignore[method-assign]


def main() -> None:
    """Write the file."""
    from service.api import create_app  # noqa: PLC0415 - the application needs this module
    from service.settings import Settings  # noqa: PLC0415

    specification = create_app(Settings()).openapi()
    FILE.write_text(json.dumps(specification, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
