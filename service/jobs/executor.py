"""This process's part in the work on jobs.

Processes on one PostgreSQL share jobs chunk by chunk; each notes that it lives, and takes over from those that do not.
"""

import os
import socket
import threading
import time
from datetime import timedelta
from uuid import uuid4

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID

from service.jobs.clock import add_clock
from service.jobs.context import set_runtime
from service.jobs.workflows import (
    ARCHIVE_QUEUE,
    CHUNK_QUEUE,
    DELIVERY_QUEUE,
    JOB_QUEUE,
    READING_QUEUE,
    fail_job,
    run_archive,
    run_job,
)
from service.runtime import Runtime
from service.storage.executors import forget, note_life
from service.storage.jobs import Purpose, find_job, incomplete_jobs, remove_job, unfinished_jobs
from service.storage.tables import now

CHUNKS_AT_ONCE = 2
JOBS_AT_ONCE = 8
# The other reader is left to those who wait for an answer.
READINGS_AT_ONCE = 1
DELIVERIES_AT_ONCE = 4
POLL_S = 0.5
BEAT_S = 2.0
DEAD_AFTER_S = 10.0
# No upload is taken in for so long; clocks may differ from machine to machine.
ABANDONED_AFTER = timedelta(days=1)
# Jobs begun by an older program go on under a newer one: the workflows are kept compatible.
WORKFLOW_VERSION = "1"
# The library runs no workflow again that has come to one of these.
ENDED_IN_ERROR = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

log = structlog.get_logger()


class JobExecutor:
    """Works on jobs from `start` to `stop`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # SQLite belongs to one process at a time, which goes on with what its forerunner left.
        unique = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.executor_id = "local" if runtime.database.is_sqlite else unique
        self._stopping = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._noted_at = 0.0

    def start(self) -> None:
        """Take up work: what this process's forerunner left, what dead ones left, and what never began."""
        set_runtime(self._runtime)
        add_clock()
        config: DBOSConfig = {
            "name": "mingjian",
            "system_database_url": self._runtime.settings.job_database(),
            "executor_id": self.executor_id,
            "application_version": WORKFLOW_VERSION,
            "log_level": "ERROR",
        }
        self._dbos = DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(CHUNK_QUEUE, worker_concurrency=CHUNKS_AT_ONCE, polling_interval_sec=POLL_S)
        DBOS.register_queue(JOB_QUEUE, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=POLL_S)
        DBOS.register_queue(ARCHIVE_QUEUE, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=POLL_S)
        DBOS.register_queue(READING_QUEUE, worker_concurrency=READINGS_AT_ONCE, polling_interval_sec=POLL_S)
        DBOS.register_queue(DELIVERY_QUEUE, worker_concurrency=DELIVERIES_AT_ONCE, polling_interval_sec=POLL_S)
        self._remove_abandoned()
        self._take_up_unfinished()
        self._note_life()
        self._beats.start()

    @property
    def alive(self) -> bool:
        """Whether this process has lately written to the database that it works on jobs."""
        return time.monotonic() - self._noted_at < DEAD_AFTER_S and not self._stopping.is_set()

    def submit(self, job_id: str) -> None:
        """Have a job run; one that was handed in before is not run twice."""
        with self._runtime.database.session() as session:
            job = find_job(session, job_id)
            is_archive = job is not None and job.purpose == Purpose.ARCHIVE
        queue, workflow = (ARCHIVE_QUEUE, run_archive) if is_archive else (JOB_QUEUE, run_job)
        with SetWorkflowID(job_id):
            DBOS.enqueue_workflow(queue, workflow, job_id)

    def _take_up_unfinished(self) -> None:
        """Have unfinished jobs run; one whose workflow has ended in error, which could not be noted then, fails."""
        with self._runtime.database.session() as session:
            unfinished = unfinished_jobs(session)
        for job_id in unfinished:
            workflow = DBOS.get_workflow_status(job_id)
            if workflow and workflow.status in ENDED_IN_ERROR:
                DBOS.enqueue_workflow(JOB_QUEUE, fail_job, job_id)
            else:
                self.submit(job_id)

    def _remove_abandoned(self) -> None:
        """Remove jobs that a process which has died was taking in; those that other processes take in stay."""
        age = timedelta(0) if self._runtime.database.is_sqlite else ABANDONED_AFTER
        with self._runtime.database.session() as session:
            abandoned = incomplete_jobs(session, now() - age)
        for job_id in abandoned:
            remove_job(self._runtime.database, job_id)

    def stop(self) -> None:
        """Take no more work; what is unfinished is left for the next start or another process."""
        self._stopping.set()
        if self._beats.is_alive():
            self._beats.join(BEAT_S * 2)
        DBOS.destroy()

    def _beat(self) -> None:
        """Note time and again that this process lives, while its model does."""
        while not self._stopping.wait(BEAT_S) and self._runtime.worker.alive:
            try:
                self._take_over(self._note_life())
            except Exception as error:
                log.warning("heartbeat failed", error=type(error).__name__)
        # Without a model no more chunks are taken from the queues, and others take over those in hand.
        for event in self._dbos.background_thread_stop_events:
            event.set()

    def _note_life(self) -> list[str]:
        """Note that this process lives; return the ids of those that no longer do."""
        with self._runtime.database.session() as session:
            dead = note_life(session, self.executor_id, timedelta(seconds=DEAD_AFTER_S))
        self._noted_at = time.monotonic()
        return dead

    def _take_over(self, dead: list[str]) -> None:
        if not dead:
            return
        # The library recovers other executors' work through its hosted console only, and by this call.
        DBOS._recover_pending_workflows(dead)
        with self._runtime.database.session() as session:
            forget(session, dead)
        log.info("took over", executors=len(dead))
