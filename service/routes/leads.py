"""Leads of the monitoring platform: taken in bulk, screened by a job, given back in order."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request

from service.cursors import decode_cursor, encode_cursor
from service.problems import ProblemError
from service.records import Record
from service.routes.screenings import read_item
from service.runtime import Runtime, runtime_of
from service.schemas.common import echo_id
from service.schemas.leads import LeadError, LeadPage, LeadRequest, LeadsAnswer, LeadsRequest, lead_answer
from service.security import MayRunJobs
from service.storage.audit import note
from service.storage.jobs import Purpose, create_job
from service.storage.leads import add_leads, known_leads, outcomes_since

router = APIRouter(prefix="/v1/leads", tags=["监测线索"])


def _read(runtime: Runtime, given: Sequence[object]) -> tuple[dict[str, LeadRequest], list[LeadError]]:
    """Return the good leads by id, and what is wrong with the others; of one id the first good one stands."""
    leads: dict[str, LeadRequest] = {}
    places: dict[str, int] = {}
    errors = []
    for index, own in enumerate(given):
        lead = read_item(runtime, LeadRequest, own)
        if isinstance(lead, str):
            errors.append(LeadError(index=index, id=echo_id(own), error=lead))
        elif lead.id in leads:
            error = f"id：与序号 {places[lead.id]} 的线索重复"
            errors.append(LeadError(index=index, id=lead.id, error=error))
        else:
            leads[lead.id], places[lead.id] = lead, index
    return leads, errors


@router.post("", summary="送入线索", status_code=202)
async def take_leads(request: Request, body: LeadsRequest, caller: MayRunJobs) -> LeadsAnswer:
    """收下线索并在后台筛查；有误的线索逐条报错，不影响其他线索。按编号幂等：同一编号送多次只处理一次。"""
    runtime = runtime_of(request)
    leads, errors = _read(runtime, body.leads)

    def keep() -> LeadsAnswer:
        with runtime.database.session() as session:
            known = known_leads(session, leads)
            new = [lead for lead_id, lead in leads.items() if lead_id not in known]
            if not new:
                return LeadsAnswer(accepted=0, known=len(known), job_id=None, errors=errors)
            rows = [Record(lead.id, number, lead.item()) for number, lead in enumerate(new)]
            job = create_job(session, caller.name, "监测线索", Purpose.LEADS, rows)
            if not add_leads(session, job.seq, [(lead.id, lead.particulars()) for lead in new]):
                raise ProblemError(409, "同一批线索正由另一请求送入，请稍后重试")
            note(session, caller.name, "take_leads", job.id)
            return LeadsAnswer(accepted=len(new), known=len(known), job_id=job.id, errors=errors)

    answer = await runtime.database_call(keep)
    if answer.job_id:
        await runtime.database_call(runtime.executor.submit, answer.job_id)
    return answer


@router.get("", summary="取回线索结果")
async def give_leads(
    request: Request,
    caller: MayRunJobs,
    since: Annotated[str | None, Query(description="上次返回的 cursor；第一次不填或留空", max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="最多取多少条")] = 100,
) -> LeadPage:
    """按完成先后返回线索的筛查结果。每次用返回的 cursor 接着取，不会遗漏。"""
    runtime = runtime_of(request)
    after = decode_cursor(since) or 0

    def read() -> LeadPage:
        with runtime.database.session() as session:
            outcomes = outcomes_since(session, after, limit)
            last = outcomes[-1].seq if outcomes else after
            note(session, caller.name, "export_lead", *(outcome.lead.lead_id for outcome in outcomes))
            return LeadPage(items=[lead_answer(outcome) for outcome in outcomes], cursor=encode_cursor(last))

    return await runtime.database_call(read)
