"""Leads of the monitoring platform: taken in bulk, screened by a job, given back in order."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from service.cursors import decode_cursor, encode_cursor
from service.problems import ProblemError
from service.records import Failure, Record
from service.runtime import runtime_of
from service.schemas.leads import LeadPage, LeadRequest, LeadsAnswer, LeadsRequest, lead_answer
from service.security import MayRunJobs
from service.storage.audit import note
from service.storage.jobs import Purpose, create_job, give_out_failures
from service.storage.leads import add_leads, known_leads, outcomes_since

router = APIRouter(prefix="/v1/leads", tags=["监测线索"])


def _row(number: int, lead: LeadRequest, max_chars: int) -> Record | Failure:
    if len(lead.text) > max_chars:
        return Failure(lead.id, number, f"文本过长：{len(lead.text)} 字，上限 {max_chars} 字")
    return Record(lead.id, number, lead.item())


@router.post("", summary="送入线索", status_code=202)
async def take_leads(request: Request, body: LeadsRequest, caller: MayRunJobs) -> LeadsAnswer:
    """收下线索并在后台筛查。按编号幂等：同一编号送多次只处理一次。"""
    runtime = runtime_of(request)
    by_id = {lead.id: lead for lead in body.leads}

    def keep() -> LeadsAnswer:
        with runtime.database.session() as session:
            known = known_leads(session, by_id)
            new = [lead for lead_id, lead in by_id.items() if lead_id not in known]
            if not new:
                return LeadsAnswer(accepted=0, known=len(body.leads), job_id=None)
            rows = [_row(number, lead, runtime.settings.max_chars) for number, lead in enumerate(new)]
            job = create_job(session, caller.name, "监测线索", Purpose.LEADS, rows)
            if not add_leads(session, job.seq, [(lead.id, lead.particulars()) for lead in new]):
                raise ProblemError(409, "同一批线索正由另一请求送入，请稍后重试")
            give_out_failures(session, job.seq)
            note(session, caller.name, "take_leads", job.id)
            return LeadsAnswer(accepted=len(new), known=len(body.leads) - len(new), job_id=job.id)

    answer = await runtime.database_call(keep)
    if answer.job_id:
        await runtime.database_call(runtime.executor.submit, answer.job_id)
    return answer


@router.get("", summary="取回线索结果")
async def give_leads(
    request: Request,
    caller: MayRunJobs,
    since: Annotated[str | None, Query(description="上次返回的 cursor；第一次不填", max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="最多取多少条")] = 100,
) -> LeadPage:
    """按完成先后返回线索的筛查结果。每次用返回的 cursor 接着取，不会遗漏。"""
    del caller
    runtime = runtime_of(request)
    after = decode_cursor(since) or 0

    def read() -> LeadPage:
        with runtime.database.session() as session:
            outcomes = outcomes_since(session, after, limit)
            last = outcomes[-1].seq if outcomes else after
            return LeadPage(items=[lead_answer(outcome) for outcome in outcomes], cursor=encode_cursor(last))

    return await runtime.database_call(read)
