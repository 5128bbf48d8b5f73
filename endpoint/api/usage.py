"""The route of usage: what was transcribed, by day, caller or model, as JSON or CSV."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from endpoint.access.meter import LedgerMeter
from endpoint.access.usage import Group, grouped
from endpoint.access.usage_report import DAYS, as_csv, as_json, first_day
from endpoint.api.job_forms import parse_query, query_docs
from endpoint.api.openapi import error_responses
from endpoint.api.state import ServerState, caller_of
from endpoint.caller import Caller, Scope
from endpoint.errors import InvalidRequest
from endpoint.text.format import dumps, warnings


class UsageQuery(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: date | None = Field(None, description=f"First day, in UTC; absent: {DAYS} days before the last.")
    end: date | None = Field(None, description="Last day, which is included; absent: today.")
    group_by: Group = Field("day", description="What a row is: `day`, `key` (a caller) or `model`.")
    format: Literal["json", "csv"] = Field("json", description="`csv`: the rows as a table.")
    key: str = Field("", description="Id of one caller; only with the scope `admin` another's than one's own.")


class UsageRows(BaseModel):
    """Some usage."""

    model_config = ConfigDict(frozen=True)

    requests: int = Field(ge=0, description="Requests and jobs that text came of.")
    audio_seconds: float = Field(ge=0, description="Length of their recordings, exact to the millisecond.")
    billed_seconds: int = Field(ge=0, description="The same with each recording rounded up to whole seconds.")
    amount: float | None = Field(description="What they cost; null where a model has no price in `PRICES`.")


class UsageGroup(UsageRows):
    name: str = Field(description="The day, caller or model.")


class Usage(BaseModel):
    object: Literal["usage"] = Field("usage", description="Always this word.")
    start: date = Field(description="First day.")
    end: date = Field(description="Last day.")
    group_by: Group = Field(description="What a row is.")
    currency: str = Field(description="Of the amounts.")
    data: list[UsageGroup] = Field(description="In the order of their names.")
    total: UsageRows = Field(description="All of them.")


def usage_routes(server: ServerState, meter: LedgerMeter) -> APIRouter:
    """The route without its prefix."""
    router = APIRouter(tags=["usage"])
    csv_table = {"schema": {"type": "string", "description": "A line for each row, with names in the first."}}
    responses = {200: {"content": {"text/csv": csv_table}}, **error_responses(400, 401, 503)}

    @router.get(
        "/usage", response_model=Usage, responses=responses, openapi_extra={"parameters": query_docs(UsageQuery)}
    )
    async def read_usage(request: Request) -> Response:
        """Audio that was transcribed: one's own; with the scope `admin` everybody's."""
        query, notices = parse_query(UsageQuery, request.query_params.multi_items(), server.settings.strict_fields)
        start, end = _days(query)
        await meter.flushed()
        rows = await meter.ledger.days(start.isoformat(), end.isoformat(), _whose(caller_of(request), query.key))
        groups = grouped(rows, query.group_by, server.settings.prices)
        currency = server.settings.price_currency
        if query.format == "csv" or "text/csv" in request.headers.get("accept", ""):
            return Response(as_csv(groups, query.group_by, currency), media_type="text/csv")
        body = as_json(groups, query.group_by, currency, start.isoformat(), end.isoformat())
        return Response(dumps(body | warnings(notices)), media_type="application/json")

    return router


def _whose(caller: Caller, key: str) -> str | None:
    """The caller whose usage may be seen; None for all."""
    if Scope.ADMIN in caller.scopes:
        return key or None
    return caller.id


def _days(query: UsageQuery) -> tuple[date, date]:
    end = query.end or datetime.now(UTC).date()
    start = query.start or first_day(end)
    if start > end:
        raise InvalidRequest("start: is after end", param="start")
    return start, end
