"""`make openapi`: writes service/openapi.json, which the tests hold against the running service."""

import json
from pathlib import Path

from service.api import create_app
from service.settings import Settings

FILE = Path(__file__).parent / "openapi.json"


def main() -> None:
    """Write the file."""
    specification = create_app(Settings()).openapi()
    FILE.write_text(json.dumps(specification, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
