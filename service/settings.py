"""Settings of the service, from the environment (prefix MINGJIAN_) or a .env file."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from screening.errors import MingjianError
from screening.screener import MAX_CHARS

MEBIBYTE = 1024 * 1024
REDACTED = "**********"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# What a database address may begin with, and what SQLAlchemy is to make of it.
DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

Positive = Annotated[int, Field(gt=0)]


class SettingsError(MingjianError):
    """The settings contradict each other."""


def _parse_database(address: str) -> URL:
    """Return a database address with its driver; raises ValueError in Chinese, which quotes nothing of the address."""
    try:
        url = make_url(address)
        driver = DRIVERS.get(url.drivername)
        if driver:
            url = url.set(drivername=driver)
            url.get_dialect()().create_connect_args(url)  # reads what is behind the name, too
    except (ArgumentError, ValueError):  # both may quote the password
        raise ValueError(
            "MINGJIAN_DATABASE_URL 不是有效的数据库地址，应形如 postgresql://用户:密码@主机/数据库 或 sqlite:////文件夹/文件；"
            "密码中的特殊字符要用百分号编码"
        ) from None
    if driver is None:
        raise ValueError("MINGJIAN_DATABASE_URL 只支持 postgresql（psycopg）和 sqlite")
    if driver == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("MINGJIAN_DATABASE_URL 应写明 SQLite 数据库的文件")
    return url


class Settings(BaseSettings):
    """Every setting with its default; sizes are in characters, bytes, items or seconds, as named."""

    model_config = SettingsConfigDict(
        env_prefix="MINGJIAN_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_folder: Annotated[Path, Field(description="数据文件夹：数据库、上传的文件")] = Path("mingjian-data")
    database_url: Annotated[SecretStr, Field(description="数据库地址；不填则用数据文件夹内的 SQLite")] = SecretStr("")
    model: Annotated[Path | None, Field(description="模型文件夹；不填则用随程序提供的模型")] = None
    threads: Annotated[int, Field(ge=0, description="推理线程数；0 为按可用的处理器核数，最多 8")] = 0

    host: Annotated[str, Field(description="监听地址")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="端口")] = 8000
    auth: Annotated[Literal["keys", "off"], Field(description="keys 需要接口密钥；off 不需要，只允许监听本机地址")] = (
        "keys"
    )
    rate_per_minute: Annotated[Positive, Field(description="每个密钥每分钟的请求数上限")] = 6000
    log_format: Annotated[Literal["json", "pretty"], Field(description="日志格式")] = "pretty"

    max_chars: Annotated[Positive, Field(le=MAX_CHARS, description=f"一段文本的字数上限，最大 {MAX_CHARS}")] = MAX_CHARS
    max_batch: Annotated[Positive, Field(description="一次批量请求的条数上限")] = 256
    max_queue: Annotated[Positive, Field(description="排队等待推理的条数上限")] = 512
    max_queue_chars: Annotated[Positive, Field(description="排队等待推理的字数上限")] = 300_000
    max_body_bytes: Annotated[Positive, Field(description="普通请求的字节数上限")] = 8 * MEBIBYTE
    max_upload_bytes: Annotated[Positive, Field(description="上传文件的字节数上限")] = 64 * MEBIBYTE
    body_timeout: Annotated[float, Field(gt=0, description="接收普通请求内容的秒数上限")] = 30.0
    upload_timeout: Annotated[float, Field(gt=0, description="接收上传文件的秒数上限")] = 300.0
    max_pages: Annotated[Positive, Field(description="PDF 页数上限")] = 500
    max_unpacked_bytes: Annotated[Positive, Field(description="压缩文件解开后的字节数上限")] = 256 * MEBIBYTE
    max_pixels: Annotated[Positive, Field(description="一幅图像的像素数上限")] = 40_000_000
    max_document_chars: Annotated[Positive, Field(description="一份文件的字数上限")] = 1_000_000
    max_rows: Annotated[Positive, Field(description="一个任务的条数上限")] = 1_000_000
    read_timeout: Annotated[float, Field(gt=0, description="读取一份上传文件的秒数上限")] = 120.0
    max_reader_bytes: Annotated[Positive, Field(description="读取一份上传文件的内存上限（字节）")] = 4096 * MEBIBYTE
    request_timeout: Annotated[float, Field(gt=0, description="一次请求等待推理的秒数上限")] = 30.0
    shutdown_grace: Annotated[float, Field(gt=0, description="停止时等待手头工作的秒数上限")] = 20.0
    shutdown_drain: Annotated[float, Field(ge=0, description="停止前先报告不可用的秒数")] = 1.0

    webhook_url: Annotated[str, Field(description="线索结果的回传地址；不填则不回传")] = ""
    webhook_secret: Annotated[SecretStr, Field(description="回传内容的签名密钥")] = SecretStr("")

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, given: SecretStr) -> SecretStr:
        if given.get_secret_value():
            _parse_database(given.get_secret_value())
        return given

    @model_validator(mode="after")
    def _webhook_is_safe(self) -> "Settings":
        if self.webhook_url and not self.webhook_url.startswith(("http://", "https://")):
            raise ValueError("MINGJIAN_WEBHOOK_URL 应以 http:// 或 https:// 开头")
        try:
            urlsplit(self.webhook_url)
        except ValueError as error:
            raise ValueError("MINGJIAN_WEBHOOK_URL 不是有效的网址") from error
        if self.webhook_url and not self.webhook_secret.get_secret_value():
            raise ValueError("设置了 MINGJIAN_WEBHOOK_URL，就要设置 MINGJIAN_WEBHOOK_SECRET")
        return self

    def shown(self, name: str) -> str:
        """Return the value of a setting as it may be shown: without passwords, and without tokens in an address."""
        if name != "webhook_url":
            return str(getattr(self, name))
        address = urlsplit(self.webhook_url)
        query = REDACTED if address.query else ""
        return address._replace(netloc=address.netloc.rpartition("@")[2], query=query, fragment="").geturl()

    def database(self) -> str:
        """Return the SQLAlchemy address of the database; PostgreSQL through psycopg."""
        given = self.database_url.get_secret_value()
        if not given:
            return f"sqlite:///{(self.data_folder / 'mingjian.sqlite').resolve()}"
        return _parse_database(given).render_as_string(hide_password=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, which belongs to one process at a time."""
        return self.database().startswith("sqlite")

    def job_database(self) -> str:
        """Return the address of the durable jobs' own state."""
        if self.is_sqlite:
            return f"sqlite:///{(self.data_folder / 'jobs.sqlite').resolve()}"
        return self.database()

    def check(self) -> None:
        """Raise SettingsError where the service would stand open to the network without keys."""
        if self.auth == "off" and self.host not in LOOPBACK:
            raise SettingsError("关闭接口密钥（MINGJIAN_AUTH=off）时只能监听本机地址 127.0.0.1")


def _fault(fault: Any) -> str:  # noqa: ANN401 - pydantic's own type
    """Say in Chinese what is wrong with a setting."""
    from service.problems import reason  # noqa: PLC0415 - loads the web framework, which good settings do not need

    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    return f"MINGJIAN_{str(fault['loc'][0]).upper()} {reason(fault)}"


@lru_cache
def load_settings() -> Settings:
    """Read the settings once for the process; raises SettingsError with every fault named."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(f"设置有误：{'；'.join(map(_fault, error.errors()))}") from error
