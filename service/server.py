"""Runs the service, or a worker on jobs alone, until it is told to stop."""

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import structlog
import typer
import uvicorn
from fastapi import FastAPI

from service.api import create_app
from service.logs import set_up_logs
from service.runtime import Runtime
from service.settings import Settings, SettingsError
from service.storage.database import DatabaseError

POLL_S = 0.5
START_FAILED = 3
MODEL_DIED = 4
# The event loop gets its turn soon where other threads compute.
SWITCH_S = 0.001
# All callers at the door are let in at one turn of the event loop: a thousand at once would hold health up. The others
# are held by the kernel and knock again within a second.
WAITING_AT_THE_DOOR = 128
# Longer than clients are told to wait, so that their connections outlast it.
KEEP_ALIVE_S = 60
LOCK_FILE = "mingjian.lock"

log = structlog.get_logger()


def _leave(status: int) -> None:
    """End the process at once.

    Chunks of jobs that were not finished wait in their threads for the process to end, so that nobody notes them as
    failed; the next process takes them up. A usual exit would wait for those threads.
    """
    os._exit(status)


class _Server(uvicorn.Server):
    """Says on /readyz that it stops for a while before it closes its port, so that callers turn to another machine.

    `model_died` tells whether that is why it stopped.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain = drain
        self.model_died = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and leave what is there from then on out of garbage collection, which would hold answers up."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    @property
    def _runtime(self) -> Runtime | None:
        return getattr(self._app.state, "runtime", None)

    async def on_tick(self, counter: int) -> bool:
        """Stop where the model has died, too: whoever watches over the process starts it anew."""
        runtime = self._runtime
        if runtime and not runtime.stopping and not runtime.worker.alive:
            log.error("the model has died")
            self.model_died = True
            self._stop_later(runtime, self._leave_loop)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Turn readiness false and stop a little later; at once where told a second time."""
        leave = partial(super().handle_exit, sig, frame)
        if (runtime := self._runtime) is None or runtime.stopping:
            leave()
        else:
            self._stop_later(runtime, leave)

    def _leave_loop(self) -> None:
        self.should_exit = True

    def _stop_later(self, runtime: Runtime, leave: Callable[[], None]) -> None:
        runtime.stopping = True
        timer = threading.Timer(self._drain, leave)
        timer.daemon = True
        timer.start()


@contextmanager
def _held(settings: Settings) -> Iterator[None]:
    """Keep other services off a data folder with SQLite; raises DatabaseError where one has it.

    The kernel lets go of the lock when the process ends, however it ends. Windows has no such lock.
    """
    if not settings.is_sqlite or sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - Windows has none

    settings.data_folder.mkdir(parents=True, exist_ok=True)
    with (settings.data_folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseError(
                f"数据文件夹 {settings.data_folder} 正由另一个明鉴服务使用；"
                "要同时运行多个进程，请改用 PostgreSQL（MINGJIAN_DATABASE_URL）"
            ) from error
        yield


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; where the model dies first, the process ends with MODEL_DIED.

    Raises SettingsError or DatabaseError before anything starts; what fails later is logged.
    """
    app = create_app(settings)
    sys.setswitchinterval(SWITCH_S)
    set_up_logs(settings.log_format)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=WAITING_AT_THE_DOOR,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(settings.shutdown_grace),
        ),
        app,
        settings.shutdown_drain,
    )
    # The server handles the signals while it runs, and raises them again once it has stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with _held(settings):
        server.run()
        if server.started:
            _leave(MODEL_DIED if server.model_died else 0)
    raise typer.Exit(START_FAILED)


def work(settings: Settings) -> None:
    """Work on jobs until SIGTERM or SIGINT; where the model dies first, the process ends with MODEL_DIED.

    Raises SettingsError where the database is SQLite.
    """
    if settings.is_sqlite:
        raise SettingsError(
            "SQLite 数据库只供一个服务进程使用；运行 mingjian worker 要用 PostgreSQL（MINGJIAN_DATABASE_URL）"
        )
    set_up_logs(settings.log_format)
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    runtime = Runtime(settings)
    try:
        runtime.start()
    except Exception as error:  # it was logged, and its trace may quote the database's address
        raise typer.Exit(START_FAILED) from error
    log.info("working on jobs", model=runtime.model_version)
    while runtime.worker.alive and not stop.wait(POLL_S):
        pass
    model_lives = runtime.worker.alive
    if not model_lives:
        log.error("the model has died")
    runtime.stop()
    _leave(0 if model_lives else MODEL_DIED)
