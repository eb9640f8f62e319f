"""The service itself: labels, model, health, audit log."""

from pydantic import BaseModel, Field

from service.schemas.common import Moment
from service.storage.tables import AuditEntry


class ModelInfo(BaseModel):
    """在用的模型。"""

    version: str = Field(description="版本")
    created: str = Field(description="生成时间")
    base: str = Field(description="所用的预训练模型")
    data_version: str = Field(description="训练语料的版本")
    labels: int = Field(description="标签数")


class Health(BaseModel):
    """服务状态。"""

    status: str
    model_version: str


class AuditItem(BaseModel):
    """一条操作记录。"""

    at: Moment = Field(description="时间（UTC）")
    actor: str = Field(description="密钥名称，或“本机”“命令行”“启动”“结果回传”")
    action: str = Field(description="操作")
    object_id: str = Field(description="操作的对象")


class AuditPage(BaseModel):
    """一页操作记录，新的在前。"""

    items: list[AuditItem]
    next_cursor: str | None = Field(description="取下一页时填入 cursor；没有下一页时为空")


def audit_item(entry: AuditEntry) -> AuditItem:
    """Return an entry of the audit log as the API gives it."""
    return AuditItem(at=entry.at, actor=entry.actor, action=entry.action, object_id=entry.object_id)
