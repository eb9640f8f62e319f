"""Sends results of leads to the monitoring platform, signed so that it can tell them from a forger's."""

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from urllib.error import URLError
from urllib.request import Request, urlopen

from screening.errors import MingjianError
from service.schemas.leads import lead_answer
from service.settings import Settings
from service.storage.leads import LeadOutcome

TIMEOUT_S = 20


class DeliveryError(MingjianError):
    """The receiver did not take the results."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what the receiver computes too: HMAC-SHA256 of timestamp, a full stop and the body, in hex."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def send_page(settings: Settings, delivery_id: str, outcomes: Sequence[LeadOutcome]) -> None:
    """Post a page of results; raises DeliveryError. A receiver may see a page twice, under the same delivery id."""
    results = [lead_answer(outcome).model_dump(mode="json") for outcome in outcomes]
    body = json.dumps({"delivery_id": delivery_id, "results": results}, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Mingjian-Delivery": delivery_id,
        "X-Mingjian-Timestamp": timestamp,
        "X-Mingjian-Signature": signature(settings.webhook_secret.get_secret_value(), timestamp, body),
    }
    request = Request(settings.webhook_url, body, headers, method="POST")  # noqa: S310 - the settings allow http and https alone
    try:
        with urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            pass
    except (URLError, OSError) as error:
        raise DeliveryError(f"结果回传失败：{type(error).__name__}") from error
