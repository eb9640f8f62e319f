"""Sends results of leads to the monitoring platform, signed so that it can tell them from a forger's."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from http.client import HTTPException
from urllib.request import HTTPRedirectHandler, Request, build_opener

from screening.errors import MingjianError
from service.schemas.leads import LeadDelivery, lead_answer
from service.settings import Settings
from service.storage.leads import LeadOutcome

TIMEOUT_S = 20


class _NoRedirects(HTTPRedirectHandler):
    """Takes an answer that points elsewhere for a refusal: what was posted would not get there."""

    def redirect_request(self, *_: object) -> None:
        """Follow to nowhere."""


_opener = build_opener(_NoRedirects)


class DeliveryError(MingjianError):
    """The receiver did not take the results."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what the receiver computes too: HMAC-SHA256 of timestamp, a full stop and the body, in hex."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def send_page(settings: Settings, delivery_id: str, outcomes: Sequence[LeadOutcome]) -> None:
    """Post a page of results; raises DeliveryError. A receiver may see a page twice, under the same delivery id."""
    delivery = LeadDelivery(delivery_id=delivery_id, results=[lead_answer(outcome) for outcome in outcomes])
    body = delivery.model_dump_json().encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Mingjian-Delivery": delivery_id,
        "X-Mingjian-Timestamp": timestamp,
        "X-Mingjian-Signature": signature(settings.webhook_secret.get_secret_value(), timestamp, body),
    }
    request = Request(settings.webhook_url, body, headers, method="POST")  # noqa: S310 - the settings allow http and https alone
    try:
        _opener.open(request, timeout=TIMEOUT_S).close()
    except (OSError, HTTPException) as error:
        raise DeliveryError(f"结果回传失败：{type(error).__name__}") from error
