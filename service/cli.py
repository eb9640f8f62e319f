"""The command `mingjian`: screening, and the commands that make and judge a model."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy.orm import Session

from screening.errors import MingjianError
from screening.screener import Screener, TextInput
from screening.taxonomy import Kind
from screening.textfile import decode, read_text_file
from service.documents.parse import PARSERS
from service.records import Failure, Record, hinted, read_records
from service.settings import Settings, load_settings
from service.storage.database import Database
from service.storage.keys import Scope, create_key, list_keys, revoke_key
from service.terminal import errors_told, messages, show
from training.cli import add_commands

FOUND = 1
# What is screened at once: of long texts fewer, as a character takes about a kilobyte while it is.
CHUNK_ROWS = 256
CHUNK_CHARS = 50_000
RECORDS = (".jsonl", ".csv", ".xlsx", ".parquet", ".zip")
# What looks like a file's name is not screened as a text.
FILE_SUFFIXES = {*RECORDS, *PARSERS, ".doc", ".xls"}
MAX_NAME = 200

app = typer.Typer(name="mingjian", no_args_is_help=True)
keys = typer.Typer(help="管理接口密钥。", no_args_is_help=True)
config = typer.Typer(help="查看设置。", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(config, name="config")
add_commands(app)


@app.callback()
def _set_up() -> None:
    """明鉴：识别广告、格式条款和商品信息中的违法线索。"""
    # What goes to a file or a program is UTF-8 wherever this runs; a terminal shows what it can.
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="replace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")


@contextmanager
def _database() -> Iterator[Session]:
    """Open the service's database for one command."""
    database = Database(load_settings().database())
    database.migrate()
    with database.session() as session:
        yield session
    database.close()


def _file_of(source: str) -> Path | None:
    """Return the file that is named, None where the source is no name; raises MingjianError where it is of no use."""
    path = Path(source)
    suffix = path.suffix.lower()
    try:
        exists = bool(source) and path.exists()  # Path("") is the working folder
    except OSError:  # too long for a path
        exists = False
    if not exists:
        if suffix in FILE_SUFFIXES and len(source) < MAX_NAME and len(source.splitlines()) == 1:
            raise MingjianError(f"文件不存在：{source}")
        return None
    if path.is_dir():
        raise MingjianError(f"不能筛查文件夹：{source}")
    if suffix not in (".txt", *RECORDS):
        raise MingjianError(f"不能直接筛查此类文件：{source}；文档请上传到服务的 /v1/documents")
    return path


def _chunks(records: Sequence[Record | Failure]) -> list[list[Record | Failure]]:
    """Return the rows in the parts that are screened at once."""
    chunks: list[list[Record | Failure]] = []
    chars = 0
    for record in records:
        size = 0 if isinstance(record, Failure) else len(record.item.text)
        if not chunks or len(chunks[-1]) == CHUNK_ROWS or chars + size > CHUNK_CHARS:
            chunks.append([])
            chars = 0
        chunks[-1].append(record)
        chars += size
    return chunks


def _screen_records(screener: Screener, path: Path, kind: Kind | None, category: str) -> bool:
    """Screen each row of a file of texts and print one JSON object per row; tell whether anything was found.

    Kind and category are for the rows that name none. Raises MingjianError at the end where no row could be screened.
    """
    records = list(read_records(path))
    found = False
    # The bar would take what is printed for its own console, which is that of messages.
    with Progress(console=messages, disable=not messages.is_terminal, redirect_stdout=False) as progress:
        for chunk in progress.track(_chunks(records), description="筛查"):
            good = [record for record in chunk if not isinstance(record, Failure)]
            results = iter(screener.screen([hinted(record.item, kind, category) for record in good]))
            for record in chunk:
                if isinstance(record, Failure):
                    print(record.to_json())
                    continue
                result = next(results)
                found = found or bool(result.findings)
                print(record.to_json(result))
    if all(isinstance(record, Failure) for record in records):
        raise MingjianError(f"文件中没有可以筛查的文本：{path}")
    return found


def _text_of(source: str, path: Path | None) -> str:
    """Return the text that is given: in a file, from standard input, or the source itself."""
    if path:
        return read_text_file(path)
    return decode(sys.stdin.buffer.read(), "标准输入") if source == "-" else source


@app.command("screen")
def screen_command(
    source: Annotated[
        str,
        typer.Argument(
            help="要筛查的文本；- 表示标准输入；或 .txt、.jsonl、.csv、.xlsx、.parquet 文件，或文件的 .zip",
            metavar="文本",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(help="来源：ad 广告、clause 合同条款、product 商品信息，默认不指定；文件中已写明来源的行以其为准"),
    ] = "auto",
    category: Annotated[str, typer.Option(help="商品或服务类别，如“普通食品”；文件中已写明类别的行以其为准")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
    model: Annotated[Path | None, typer.Option(help="模型文件夹，默认用随程序提供的模型")] = None,
) -> None:
    """筛查一段文本或一个文件。退出码：0 未见异常，1 有线索，2 用法有误或没有可以筛查的文本。"""
    with errors_told():
        hint = kind_of(kind)
        path = None if source == "-" else _file_of(source)
        screener = Screener.load(model)
        if path and path.suffix.lower() in RECORDS:
            found = _screen_records(screener, path, hint, category)
        else:
            text = _text_of(source, path)
            if not text.strip():
                raise MingjianError("文本为空，没有可筛查的内容")
            (result,) = screener.screen([TextInput(text, hint, category)])
            found = bool(result.findings)
            if as_json:
                print(result.model_dump_json())
            else:
                show(Console(), text, result)
    raise typer.Exit(FOUND if found else 0)


def kind_of(name: str) -> Kind | None:
    """Return the kind of its name; "auto" and the empty name mean unknown. Raises MingjianError."""
    match name:
        case "ad" | "clause" | "product":
            return name
        case "auto" | "":
            return None
    raise MingjianError(f"来源 {name!r} 无效，可选 ad、clause、product、auto")


@app.command("serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="监听地址，默认 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="端口，默认 8000")] = None,
) -> None:
    """启动 HTTP 服务。设置见 mingjian config show。"""
    from service.server import serve  # noqa: PLC0415 - the web server loads only where it is needed

    with errors_told():
        given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        serve(load_settings().model_copy(update=given))


@app.command("worker")
def worker_command() -> None:
    """只处理批量任务，不监听端口；可在多台机器上与服务共用一个 PostgreSQL。"""
    from service.server import work  # noqa: PLC0415

    with errors_told():
        work(load_settings())


@keys.command("create")
def create_key_command(
    name: Annotated[str, typer.Argument(help="名称，如使用方的名字")],
    scope: Annotated[
        list[Scope],
        typer.Option(
            help="权限，可多次给出：screen 筛查，jobs 批量任务与监测线索，admin 操作记录；"
            "cases 留给以后的案件接口，目前不开放任何接口"
        ),
    ],
) -> None:
    """生成接口密钥。密钥只显示这一次。"""
    with errors_told(), _database() as session:
        print(create_key(session, name, scope))


@keys.command("list")
def list_keys_command() -> None:
    """列出全部密钥（不含密钥本身）。"""
    table = Table("名称", "权限", "生成时间（UTC）", "停用时间（UTC）")
    with errors_told(), _database() as session:
        for key in list_keys(session):
            times = (f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in (key.created_at, key.revoked_at))
            table.add_row(key.name, key.scopes, *times)
    Console().print(table)


@keys.command("revoke")
def revoke_key_command(name: Annotated[str, typer.Argument(help="名称")]) -> None:
    """停用密钥。"""
    with errors_told(), _database() as session:
        revoke_key(session, name)
    print(f"已停用 {name}")


@config.command("show")
def show_config_command() -> None:
    """显示全部设置及其来源的环境变量；密码不显示。"""
    table = Table("环境变量", "值", "说明")
    with errors_told():
        settings = load_settings()
        for name, field in Settings.model_fields.items():
            table.add_row(f"MINGJIAN_{name.upper()}", settings.shown(name), field.description)
    Console().print(table)
