from fastapi.testclient import TestClient

from service.api import create_app


def test_a_text_posted_is_screened():
    with TestClient(create_app()) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        answer = client.post(
            "/v1/screenings", json={"text": "最终解释权归本店所有", "kind": "clause", "category": "火锅店"}
        )
        assert answer.status_code == 200
        assert [f["label"] for f in answer.json()["findings"]] == ["clause_sole_interpretation"]
        assert client.post("/v1/screenings", json={"text": ""}).status_code == 422
        assert client.post("/v1/screenings", json={"text": "x", "kind": "poster"}).status_code == 422
