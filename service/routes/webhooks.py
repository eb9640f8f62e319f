"""What the service itself sends, described in OpenAPI for those who receive it."""

from typing import Annotated

from fastapi import APIRouter, Header

from service.schemas.leads import LeadDelivery

router = APIRouter(tags=["监测线索"])


@router.post("lead-results", summary="回传线索结果", status_code=204)
def lead_results(
    body: LeadDelivery,
    x_mingjian_delivery: Annotated[str, Header(description="回传编号；同一批结果重发时编号不变，可据此去重")],
    x_mingjian_timestamp: Annotated[str, Header(description="发送时间，Unix 时间戳（秒）")],
    x_mingjian_signature: Annotated[
        str,
        Header(
            description="sha256= 后接十六进制的 HMAC-SHA256；密钥为 MINGJIAN_WEBHOOK_SECRET，"
            "内容为 X-Mingjian-Timestamp 的值、一个英文句点、请求体原文，依次相连"
        ),
    ],
) -> None:
    """线索任务结束后，向 MINGJIAN_WEBHOOK_URL 分批发送结果。

    接收方应先核对签名和时间，再返回 2xx。返回其他状态（包括重定向）或不应答时，间隔逐次加倍重发，共 8 次；
    仍未送达的，用 GET /v1/leads 取回。
    """
