"""The command `mingjian`: screening, and the commands that make and judge a model."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from screening.errors import MingjianError
from screening.screener import Screener, TextInput
from screening.taxonomy import Kind
from service.records import Failure, read_records
from service.terminal import show
from training.cli import add_commands

FOUND = 1
USAGE_ERROR = 2
CHUNK = 256
INTERRUPTED = 130

app = typer.Typer(name="mingjian", help="明鉴：识别广告、格式条款和商品信息中的违法线索。", no_args_is_help=True)
add_commands(app)
_console = Console(stderr=True)


def _is_records(name: str) -> bool:
    return name.lower().endswith((".jsonl", ".csv"))


def _screen_records(screener: Screener, path: Path) -> bool:
    """Screen each row of a JSONL or CSV file and print one JSON object per row; tell whether anything was found."""
    records = list(read_records(path))
    found = False
    chunks = [records[i : i + CHUNK] for i in range(0, len(records), CHUNK)]
    for chunk in track(chunks, description="筛查", console=_console, disable=not _console.is_terminal):
        good = [record for record in chunk if not isinstance(record, Failure)]
        results = iter(screener.screen([record.item for record in good]))
        for record in chunk:
            if isinstance(record, Failure):
                print(record.to_json())
                continue
            result = next(results)
            found = found or bool(result.findings)
            print(record.to_json(result))
    return found


def _text_of(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read()
    if argument.lower().endswith(".txt") and Path(argument).is_file():
        from screening.textfile import read_text_file  # noqa: PLC0415

        return read_text_file(Path(argument))
    return argument


@app.command("screen")
def screen_command(
    source: Annotated[
        str, typer.Argument(help="要筛查的文本；- 表示标准输入；或 .txt、.jsonl、.csv 文件", metavar="文本")
    ],
    kind: Annotated[str, typer.Option(help="来源：ad 广告、clause 合同条款、product 商品信息，默认不指定")] = "auto",
    category: Annotated[str, typer.Option(help="商品或服务类别，如“普通食品”")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
    model: Annotated[Path | None, typer.Option(help="模型文件夹，默认用随程序提供的模型")] = None,
) -> None:
    """筛查一段文本或一个文件。退出码：0 未见异常，1 有线索，2 用法有误。"""
    try:
        hint = kind_of(kind)
        records = _is_records(source)
        if records and not Path(source).is_file():
            raise MingjianError(f"文件不存在：{source}")
        screener = Screener.load(model)
        if records:
            found = _screen_records(screener, Path(source))
        else:
            text = _text_of(source)
            if not text.strip():
                raise MingjianError("文本为空，没有可筛查的内容")
            (result,) = screener.screen([TextInput(text, hint, category)])
            found = bool(result.findings)
            if as_json:
                print(result.model_dump_json())
            else:
                show(Console(), text, result)
    except MingjianError as error:
        _console.print(f"错误：{error}", style="red", markup=False, highlight=False)
        raise typer.Exit(USAGE_ERROR) from error
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
    host: Annotated[str, typer.Option(help="监听地址")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="端口")] = 8000,
) -> None:
    """启动 HTTP 服务。"""
    import uvicorn  # noqa: PLC0415 - the web server loads only where it is needed

    from service.api import create_app  # noqa: PLC0415

    uvicorn.run(create_app(), host=host, port=port, log_level="info", access_log=False)
