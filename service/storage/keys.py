"""API keys: made, listed, revoked and recognised. Only the hash of a secret is kept."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from screening.errors import MingjianError
from service.storage.audit import STARTER, WEBHOOK, note
from service.storage.tables import ApiKey, now

PREFIX = "mj_"
SECRET_BYTES = 32
MAX_NAME = 100
COMMAND_LINE = "命令行"
# Who acts without a key, in the audit log.
RESERVED = {"本机", COMMAND_LINE, STARTER, WEBHOOK}


class KeysError(MingjianError):
    """The key cannot be made or revoked."""


class Scope(StrEnum):
    """What a key may be used for; no route asks for `cases` yet."""

    SCREEN = "screen"
    JOBS = "jobs"
    CASES = "cases"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Who asks: the key's name, and what it may be used for."""

    name: str
    scopes: frozenset[Scope]


def _digest(secret: str) -> str:
    # The secret holds 256 random bits: a slow hash would add nothing.
    return hashlib.sha256(secret.encode()).hexdigest()


def create_key(session: Session, name: str, scopes: Collection[Scope]) -> str:
    """Make a key and return its secret, which is shown this once; raises KeysError where the name cannot be had."""
    if not name.strip() or not scopes:
        raise KeysError("密钥要有名称，并至少有一项权限")
    if len(name) > MAX_NAME:
        raise KeysError(f"密钥名称过长：{len(name)} 字，上限 {MAX_NAME} 字")
    if name.strip() in RESERVED:
        raise KeysError(f"{name.strip()} 是操作记录专用的名称，请换一个")
    if session.scalar(select(ApiKey).where(ApiKey.name == name)):
        raise KeysError(f"已有名为 {name} 的密钥")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    session.add(ApiKey(name=name, digest=_digest(secret), scopes=" ".join(sorted(scopes))))
    note(session, COMMAND_LINE, "create_key", name)
    return secret


def list_keys(session: Session) -> list[ApiKey]:
    """Return all keys, revoked ones among them."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.seq)))


def revoke_key(session: Session, name: str) -> None:
    """Make a key invalid; raises KeysError where there is none of that name."""
    key = session.scalar(select(ApiKey).where(ApiKey.name == name, ApiKey.revoked_at.is_(None)))
    if key is None:
        raise KeysError(f"没有名为 {name} 的有效密钥")
    key.revoked_at = now()
    note(session, COMMAND_LINE, "revoke_key", name)


def recognise(session: Session, secret: str) -> Caller | None:
    """Return who holds this secret, or None."""
    key = session.scalar(select(ApiKey).where(ApiKey.digest == _digest(secret), ApiKey.revoked_at.is_(None)))
    return Caller(key.name, frozenset(Scope(scope) for scope in key.scopes.split())) if key else None
