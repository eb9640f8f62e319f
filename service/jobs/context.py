"""The runtime that workflows work with: DBOS calls plain functions, which reach it through here."""

from service.runtime import Runtime

_runtime: Runtime | None = None


def set_runtime(runtime: Runtime | None) -> None:
    """Say which runtime workflows work with."""
    global _runtime  # noqa: PLW0603 - one a process, as DBOS is
    _runtime = runtime


def current() -> Runtime:
    """Return the runtime of this process."""
    if _runtime is None:
        raise RuntimeError("no runtime: the job executor was not started")
    return _runtime
