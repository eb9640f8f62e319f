"""The commands that make and judge a model; they need the `train` extra."""

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer
from pydantic import ValidationError
from rich.console import Console

from screening.errors import MingjianError
from screening.textfile import read_text_file
from service.terminal import errors_told, messages

if TYPE_CHECKING:
    from training.corpus import Row

P = ParamSpec("P")

data_app = typer.Typer(help="检查语料。", no_args_is_help=True)


def _guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Show what the user can mend as a message, not as a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors_told():
            try:
                command(*args, **kwargs)
            except ModuleNotFoundError as error:
                raise MingjianError(
                    f"缺少组件 {error.name}：请在源码文件夹中安装训练组件（pip install '.[train]'）"
                ) from error

    return run


def _check_filled(paths: Iterable[Path]) -> None:
    """Raise CorpusError where files of labelled texts, or the folders of them, hold none."""
    from training.corpus import CorpusError, corpus_files  # noqa: PLC0415

    if not any(read_text_file(file).strip() for file in corpus_files(paths)):
        raise CorpusError(f"没有可用的文本：{'、'.join(map(str, paths))}")


def _held_out(corpus: list[Path] | None, split: Path | None) -> "tuple[list[Row], list[Row]]":
    """Return the corpus, and of it the texts that a model (the one in service) has held out."""
    from screening.resources import shipped_model  # noqa: PLC0415
    from training.corpus import read_corpus  # noqa: PLC0415
    from training.split import SPLIT_FILE, Split  # noqa: PLC0415

    rows = read_corpus(corpus or [Path("data/corpus")])
    return rows, Split.read(split or shipped_model() / SPLIT_FILE).rows(rows)


@data_app.command("validate")
@_guarded
def validate_command(
    paths: Annotated[list[Path], typer.Argument(help="语料文件或文件夹")],
    split: Annotated[Path | None, typer.Option(help="训练留出的文本（split.json）；默认用在用模型的")] = None,
) -> None:
    """检查语料：格式、未知标签、标注范围、重复与近似重复、同文异标，并统计数量。有错时退出码为 1。"""
    from screening.resources import shipped_model  # noqa: PLC0415
    from training.split import SPLIT_FILE, Split  # noqa: PLC0415
    from training.validate import validate  # noqa: PLC0415

    report = validate(paths, Split.read(split or shipped_model() / SPLIT_FILE).held_out)
    report.show(Console())
    raise typer.Exit(1 if report.errors else 0)


@data_app.command("coverage")
@_guarded
def coverage_command(
    paths: Annotated[list[Path], typer.Argument(help="语料文件或文件夹")],
    show_all: Annotated[bool, typer.Option("--all", help="列出每个标签所在的每个行业的合规文本占比")] = False,
) -> None:
    """按标签、行业、载体、省份、长度、来源统计语料的覆盖，列出空缺和合规文本过少的行业。"""
    from training.coverage import coverage  # noqa: PLC0415

    found = coverage(paths)
    found.show(Console())
    if show_all:
        found.show_cells(Console())


@data_app.command("doubts")
@_guarded
def doubts_command(
    paths: Annotated[list[Path], typer.Argument(help="语料文件或文件夹")],
) -> None:
    """找出模型（交叉验证）有把握地反对的标签，供重读；输出 JSONL，最可疑的在前。"""
    from training.corpus import read_corpus  # noqa: PLC0415
    from training.doubts import find_doubts  # noqa: PLC0415

    _check_filled(paths)
    for doubt in find_doubts(read_corpus(paths)):
        print(doubt.model_dump_json())


@data_app.command("hide")
@_guarded
def hide_command(
    corpus: Annotated[list[Path] | None, typer.Option(help="语料，默认 data/corpus")] = None,
    split: Annotated[Path | None, typer.Option(help="留作检验的文本（split.json）；默认用在用模型的")] = None,
    texts: Annotated[int, typer.Option(help="取多少条文本")] = 400,
) -> None:
    """把留作检验的文本按各种规避写法改写，作为检验集；输出 JSONL，原文在前。"""
    from training.robustness import hidden_set  # noqa: PLC0415

    for row in hidden_set(_held_out(corpus, split)[1], texts):
        print(row.model_dump_json())


@_guarded
def base_command(
    out: Annotated[Path, typer.Argument(help="输出文件夹")],
    texts: Annotated[list[Path], typer.Option(help="用于统计词表的文本文件或文件夹，可多次给出")],
    pieces: Annotated[int, typer.Option(help="词表大小")] = 20_000,
    source: Annotated[str | None, typer.Option("--from", help="改从模型库名称或文件夹取原始权重")] = None,
) -> None:
    """生成基础编码器（multilingual-e5-small，裁剪词表）。"""
    from training.base import make_base  # noqa: PLC0415
    from training.texts import read_texts  # noqa: PLC0415

    kept = make_base(out, read_texts(texts), pieces=pieces, source=source)
    messages.print(f"{out}：保留 {kept} 个词元")


@_guarded
def pretrain_command(
    base: Annotated[Path, typer.Option(help="基础编码器文件夹")],
    out: Annotated[Path, typer.Option(help="运行文件夹；再次运行从断点继续")],
    texts: Annotated[list[Path], typer.Option(help="文本文件或文件夹，可多次给出")],
    tokens: Annotated[int, typer.Option(help="训练的词元数")] = 3_000_000,
    snapshot_tokens: Annotated[int, typer.Option(help="每隔多少词元另存一份编码器，0 为不存")] = 0,
    layers: Annotated[int, typer.Option(help="保留的层数，0 为全部")] = 0,
) -> None:
    """在无标注文本上继续预训练基础编码器（掩码词元）。"""
    from training.pretrain import PretrainSettings, pretrain  # noqa: PLC0415

    settings = PretrainSettings(
        base=base, out=out, texts=tuple(texts), tokens=tokens, snapshot_tokens=snapshot_tokens, layers=layers
    )
    messages.print(str(pretrain(settings)))


@_guarded
def train_command(
    config: Annotated[Path, typer.Option(help="训练配置（YAML）")],
    out: Annotated[Path, typer.Option(help="运行文件夹；再次运行从断点继续")],
    base: Annotated[str | None, typer.Option(help="基础编码器：文件夹或模型库名称，代替配置中的")] = None,
    extra: Annotated[list[Path] | None, typer.Option(help="另外参与训练的标注文本，可多次给出")] = None,
) -> None:
    """训练分类模型。"""
    from training.config import read_config  # noqa: PLC0415
    from training.plots import plot_run  # noqa: PLC0415
    from training.train import Training  # noqa: PLC0415

    settings = read_config(config)
    changes: dict[str, object] = {"extra": tuple(extra or settings.extra)}
    if base:
        changes |= {"base": base, "base_name": ""}
    run = Training(settings.model_copy(update=changes), out)
    folder = run.run()
    plot_run(run)
    messages.print(str(folder))


@_guarded
def sweep_command(
    config: Annotated[Path, typer.Option(help="对比试验的配置（YAML）")],
    out: Annotated[Path, typer.Option(help="运行文件夹；再次运行只做没有做完的")],
    gold: Annotated[Path | None, typer.Option(help="另外用来评价的标注文本（JSONL）")] = None,
    rows: Annotated[list[str] | None, typer.Argument(help="只做这几项，默认全部")] = None,
) -> None:
    """逐项对比训练设置：每次只改一项，同样评价；输出 Markdown 表。"""
    from training.sweep import read_sweep, run_sweep, sweep_table  # noqa: PLC0415

    if gold:
        _check_filled([gold])
    print(sweep_table(run_sweep(read_sweep(config), out, gold, rows or ())))


@_guarded
def merge_command(
    run: Annotated[Path, typer.Argument(help="训练的运行文件夹")],
    others: Annotated[list[Path], typer.Argument(help="同一结构的其他模型，如该次训练的起点")],
    out: Annotated[Path, typer.Option(help="合并后的运行文件夹，可再打包")],
) -> None:
    """把一次训练的模型与其他模型的权重取平均。"""
    from training.merge import merge  # noqa: PLC0415

    merge(run, others, out)


@_guarded
def package_command(
    run: Annotated[Path, typer.Argument(help="训练的运行文件夹")],
    target: Annotated[Path, typer.Argument(help="模型文件夹，其名称即版本号")],
) -> None:
    """把训练结果打包成可上线的模型。"""
    from training.package import package  # noqa: PLC0415

    manifest = package(run, target)
    messages.print_json(data=manifest.metrics)


@_guarded
def evaluate_command(
    gold: Annotated[Path, typer.Argument(help="标准答案（JSONL）")],
    corpus: Annotated[list[Path] | None, typer.Option(help="训练对照模型的语料，默认 data/corpus")] = None,
    model: Annotated[Path | None, typer.Option(help="模型文件夹，默认用随程序提供的模型")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """在标准答案上评价模型，并与同一语料训练的 TF-IDF 线性模型和关键词表对照。"""
    from training.evaluate import evaluate  # noqa: PLC0415

    corpus = corpus or [Path("data/corpus")]
    _check_filled([gold])
    _check_filled(corpus)
    report = evaluate(gold, corpus, model)
    if as_json:
        print(report.model_dump_json(indent=1))
    else:
        report.show(Console())


@_guarded
def evaluate_documents_command(
    documents: Annotated[Path, typer.Argument(help="整份文件及其标注（JSONL）")] = Path("data/documents.jsonl"),
    model: Annotated[Path | None, typer.Option(help="模型文件夹，默认用随程序提供的模型")] = None,
) -> None:
    """在整份文件上评价模型：违规段的检出、合规段的误报。"""
    from screening.screener import Screener  # noqa: PLC0415
    from training.documents import measure_documents, read_documents  # noqa: PLC0415

    quality = measure_documents(Screener.load(model), read_documents(documents))
    Console().print_json(quality.model_dump_json())


@_guarded
def evaluate_hidden_command(
    rows: Annotated[Path, typer.Argument(help="mingjian data hide 的输出")] = Path("data/hidden_twins.jsonl"),
    model: Annotated[Path | None, typer.Option(help="模型文件夹，默认用随程序提供的模型")] = None,
) -> None:
    """在规避写法的检验集上评价模型：明文中找出的还能找出多少，合规文本误报多少。"""
    from screening.screener import Screener  # noqa: PLC0415
    from training.corpus import read_corpus  # noqa: PLC0415
    from training.robustness import measure_robustness  # noqa: PLC0415

    _check_filled([rows])
    screener = Screener.load(model)
    found = measure_robustness(read_corpus([rows]), screener.classifier, screener.artifact.decisions)
    Console().print_json(found.model_dump_json())


@_guarded
def evaluate_twins_command(
    twins: Annotated[Path, typer.Argument(help="同一文本及其两种类别（JSONL）")] = Path("data/category_twins.jsonl"),
    model: Annotated[Path | None, typer.Option(help="模型文件夹，默认用随程序提供的模型")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """评价模型是否区分同一文本的两种类别：一种类别下违规，另一种类别下合规。"""
    from screening.screener import Screener  # noqa: PLC0415
    from training.twins import measure_twins, read_twins  # noqa: PLC0415

    _check_filled([twins])
    quality = measure_twins(Screener.load(model), read_twins(twins))
    if as_json:
        print(quality.model_dump_json(indent=1))
    else:
        quality.show(Console())


@_guarded
def card_command(
    model: Annotated[Path, typer.Argument(help="模型文件夹")],
    report: Annotated[Path, typer.Argument(help="mingjian evaluate --json 的输出")],
    notes: Annotated[Path | None, typer.Option(help="要收入说明的 Markdown 文件")] = None,
) -> None:
    """根据评价结果生成模型说明。"""
    from training.card import write_card  # noqa: PLC0415
    from training.evaluate import Report  # noqa: PLC0415

    try:
        parsed = Report.model_validate_json(read_text_file(report))
    except ValidationError as error:
        raise MingjianError(f"不是 mingjian evaluate --json 的输出：{report}") from error
    messages.print(str(write_card(model, parsed, read_text_file(notes) if notes else "")))


@_guarded
def curve_command(
    corpus: Annotated[list[Path] | None, typer.Option(help="语料，默认 data/corpus")] = None,
    split: Annotated[Path | None, typer.Option(help="留作检验的文本（split.json）；默认用在用模型的")] = None,
    plot: Annotated[Path | None, typer.Option(help="曲线图（PNG）")] = None,
) -> None:
    """学习曲线：字符片段线性模型的成绩随语料增加的变化，自拟与改写案例的文本分列；输出 JSON。"""
    from training.curve import learning_curve  # noqa: PLC0415
    from training.plots import plot_curve  # noqa: PLC0415

    rows, held_out = _held_out(corpus, split)
    kept = {row.id for row in held_out}
    points = learning_curve([row for row in rows if row.id not in kept], held_out)
    if plot:
        plot_curve(points, plot)
    for point in points:
        print(point.model_dump_json())


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.add_typer(data_app, name="data")
    app.command("base")(base_command)
    app.command("pretrain")(pretrain_command)
    app.command("train")(train_command)
    app.command("sweep")(sweep_command)
    app.command("merge")(merge_command)
    app.command("package")(package_command)
    app.command("evaluate")(evaluate_command)
    app.command("evaluate-documents")(evaluate_documents_command)
    app.command("evaluate-hidden")(evaluate_hidden_command)
    app.command("evaluate-twins")(evaluate_twins_command)
    app.command("card")(card_command)
    app.command("curve")(curve_command)
