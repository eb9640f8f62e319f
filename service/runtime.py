"""What a running service holds: settings, database, inference worker, jobs; opened and closed in order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog
from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import Request
from sqlalchemy import exc

from screening.errors import MingjianError
from screening.screener import Screener
from screening.taxonomy import Taxonomy, load_taxonomy
from service.problems import ProblemError
from service.reading import Readers
from service.settings import Settings
from service.storage.audit import note_model
from service.storage.database import Database
from service.worker import InferenceWorker

if TYPE_CHECKING:
    from service.jobs.executor import JobExecutor

# More would only wait for each other, and for the interpreter.
DATABASE_THREADS = 4
# How long a request waits for the database. What it began there may end later.
DATABASE_WAIT_S = 15.0
RETRY_AFTER_S = "5"
Result = TypeVar("Result")

log = structlog.get_logger()


@contextmanager
def database_faults() -> Iterator[None]:
    """Raise ProblemError 503 where the database is away, locked or too slow."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, TimeoutError) as error:
        log.warning("database fault", error=type(error).__name__)
        raise ProblemError(503, "数据库暂时没有响应，请稍后再试", {"Retry-After": RETRY_AFTER_S}) from error


class Runtime:
    """The parts of one process; routes and jobs reach all of them through it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.taxonomy: Taxonomy = load_taxonomy()
        self.database = Database(settings.database())
        self.worker = InferenceWorker(
            lambda: Screener.load(settings.model, settings.threads), settings.max_queue, settings.max_queue_chars
        )
        self.readers = Readers(settings)
        self.jobs: JobExecutor | None = None
        self.model_version = ""
        self._database_threads = CapacityLimiter(DATABASE_THREADS)
        self.stopping = False

    def start(self) -> None:
        """Bring the database up to date, load the model and take up jobs that wait; a failure is logged and raised."""
        try:
            self._start()
        except Exception as error:
            # Only the service's own errors are in words that quote nothing.
            reason = str(error) if isinstance(error, MingjianError) else ""
            log.error("start failed", error=type(error).__name__, reason=reason)  # noqa: TRY400
            raise

    def _start(self) -> None:
        from service.jobs.executor import JobExecutor  # noqa: PLC0415 - the executor needs the runtime's type

        self.settings.data_folder.mkdir(parents=True, exist_ok=True)
        self.database.migrate()
        self.model_version = self.worker.start().version
        with self.database.session() as session:
            note_model(session, self.model_version)
        self.jobs = JobExecutor(self)
        self.jobs.start()

    def stop(self) -> None:
        """Take no more work, finish what is in hand, and give the rest back."""
        self.stopping = True
        self.readers.stop()
        if self.jobs:
            self.jobs.stop()
        self.worker.stop(self.settings.shutdown_grace)
        self.database.close()

    async def database_call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run a function that waits for the database, and does little else, beside the event loop.

        Raises ProblemError 503 where the database fails it, or has not answered after DATABASE_WAIT_S.
        """
        with database_faults(), fail_after(DATABASE_WAIT_S):
            return await to_thread.run_sync(
                function, *arguments, limiter=self._database_threads, abandon_on_cancel=True
            )

    @property
    def executor(self) -> "JobExecutor":
        """The job executor of the started runtime."""
        if self.jobs is None:
            raise RuntimeError("the runtime was not started")
        return self.jobs

    def faults(self) -> list[str]:
        """Say in Chinese what keeps the service from answering; nothing where it can."""
        found = []
        if self.stopping:
            found.append("服务正在停止")
        if not self.worker.alive:
            found.append("推理服务没有运行")
        elif not self.worker.answers_within(self.settings.request_timeout):
            found.append("模型没有响应")
        if self.jobs is None or not self.jobs.alive:
            found.append("数据库无法写入，任务服务没有运行")
        return found


def runtime_of(request: Request) -> Runtime:
    """Return the runtime of the application that serves this request."""
    runtime: Runtime = request.app.state.runtime
    return runtime
