"""Refuses fields of queries and forms that a route does not know: FastAPI drops them, mistyped ones among them."""

from collections.abc import Iterable, Sequence

from fastapi import Request
from fastapi.params import Form
from fastapi.routing import APIRoute

from service.problems import ProblemError
from service.schemas.common import echo

MAX_NAMED = 10


def _faults(given: Sequence[str], known: Sequence[str]) -> Iterable[str]:
    """Yield what is wrong with fields of these names."""
    usable = f"可用的有 {'、'.join(known)}" if known else "此处没有参数"
    for name in dict.fromkeys(given):
        if name not in known:
            yield f"{echo(name)}：多余的字段，{usable}"
        elif (count := given.count(name)) > 1:
            yield f"{name}：收到 {count} 个，只能有 1 个"


async def check_fields(request: Request) -> None:
    """Raise ProblemError 422 where the query or the form has a field that the route does not know, or one twice."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - the application has no other routes that ask for a key
    query = [name for name, _ in request.query_params.multi_items()]
    faults = list(_faults(query, [field.alias for field in route.dependant.query_params]))
    if form := [field.alias for field in route.dependant.body_params if isinstance(field.field_info, Form)]:
        faults += _faults([name for name, _ in (await request.form()).multi_items()], form)
    if faults:
        raise ProblemError(422, "；".join(faults[:MAX_NAMED]))
