"""Every operation of the OpenAPI file, tried with generated requests: no server error."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.conftest import ROOT
from tests.service.conftest import LOCAL

SPECIFICATION = json.loads((ROOT / "service/openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [(path, method) for path, methods in SPECIFICATION["paths"].items() for method in methods]


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # of the generator itself
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_server_error(client, wait_for, path, method):
    operation = schemathesis.openapi.from_dict(SPECIFICATION)[path][method]

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def answers(case):
        arguments = case.as_transport_kwargs(base_url=LOCAL)
        arguments.pop("cookies", None)
        response = client.request(**arguments)
        assert response.status_code < 500, (method, path, response.status_code, response.text[:300])
        if response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json"

    answers()
    # What generated leads have begun ends before the database does.
    for job in client.get("/v1/jobs").json()["items"]:
        wait_for(job["id"])


def test_every_schema_and_field_is_described_in_chinese():
    described = {}
    for name, schema in SPECIFICATION["components"]["schemas"].items():
        described[name] = schema.get("description", "")
        described |= {
            f"{name}.{field}": own.get("description", "") for field, own in schema.get("properties", {}).items()
        }
    plain = [
        name for name, text in described.items() if not any("\u4e00" <= character <= "\u9fff" for character in text)
    ]
    assert [name for name in plain if not name.startswith(("HTTPValidationError", "ValidationError", "Body_"))] == []


def test_every_parameter_is_described_in_chinese():
    plain = [
        (path, own["name"])
        for path, methods in SPECIFICATION["paths"].items()
        for operation in methods.values()
        for own in operation.get("parameters", [])
        if not any("\u4e00" <= character <= "\u9fff" for character in own.get("description", ""))
    ]
    assert plain == []


def test_every_status_that_is_answered_is_described():
    expected = {"400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503", "504"}
    for path, methods in SPECIFICATION["paths"].items():
        for operation in methods.values():
            assert expected <= set(operation["responses"]), path


def test_errors_are_described_as_problem_details():
    for methods in SPECIFICATION["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    (media_type,) = response["content"]
                    assert media_type == "application/problem+json"
                    assert response["content"][media_type]["schema"]["$ref"].endswith("/Problem")
