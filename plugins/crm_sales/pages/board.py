"""The board: a pipeline's open deals in columns, moved by hand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from crm_core.errors import CrmError, InputError
from crm_core.messages import say, t
from crm_core.services.settings import company_day
from crm_sales.models import Stage
from crm_sales.permissions import CONFIGURE, OPPORTUNITY_EDIT, OPPORTUNITY_VIEW
from crm_sales.services.board import board_choices, show_board
from crm_sales.services.opportunities import move_opportunity
from crm_sales.services.pipelines import list_pipelines
from crm_web.sdk import Menu, Pages, Request

pages = Pages("sales_board", "crm_sales", title=t("Pipeline"), prefix="/sales/board")


def key_in(request: Request, name: str) -> UUID | None:
    """Return the id that an argument or a field of a form holds, None for nothing.

    Raises:
        InputError: It is no id.
    """
    text = request.args.get(name) or request.form.get(name) or ""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InputError(
            t("The address names something that is no record: open the page anew."),
            code="sales.page.key",
        ) from None


@pages.get("/", right=OPPORTUNITY_VIEW, menu=Menu(t("Pipeline"), "columns", "sales", 10))
def board(request: Request) -> str:
    """Show the open deals of a pipeline, stage by stage."""
    return _drawn(request)


@pages.post("/move", right=OPPORTUNITY_EDIT)
def move(request: Request) -> Any:
    """Bring a deal to the stage that it was dropped on, or say why it may not go there."""
    try:
        told = _moved(request)
    except CrmError as error:
        if request.wants_json:
            return {"message": say(error.message), "code": error.code}, error.http_status
        return _drawn(request, error), error.http_status
    if request.wants_json:
        return {"message": say(told)}
    return request.back(told, otherwise="sales_board.board")


def _moved(request: Request) -> str:
    deal_id, stage_id = key_in(request, "deal"), key_in(request, "stage")
    if deal_id is None or stage_id is None:
        raise InputError(
            t("Choose a deal first, then the stage to bring it to."), code="sales.board.choose"
        )
    version = request.form.get(f"version-{deal_id}", "")
    deal = move_opportunity(
        request.uow,
        deal_id,
        stage_id,
        expected_version=int(version) if version.isdecimal() else None,
    )
    request.uow.flush()
    stage = request.uow.get(Stage, stage_id)
    if stage.is_won:
        return t("{deal} is won.", deal=deal.name)
    return t("{deal} stands in {stage} now.", deal=deal.name, stage=stage.name)


def _drawn(request: Request, error: CrmError | None = None) -> str:
    owner_id, team_id = key_in(request, "owner"), key_in(request, "team")
    if request.args.get("whose") == "mine" and request.viewer:
        owner_id = request.viewer.user_id
    found = show_board(
        request.uow,
        request.args.get("pipeline") or None,
        owner_id=owner_id,
        team_id=team_id,
    )
    owners, teams = board_choices(request.uow, found.pipeline_id)
    return request.render(
        "sales/board/board.html",
        board=found,
        pipelines=list_pipelines(request.uow),
        owners=owners,
        teams=teams,
        owner_id=owner_id,
        team_id=team_id,
        error=error,
        now=request.uow.now,
        today=company_day(request.uow),
        may_edit=request.may(OPPORTUNITY_EDIT),
        may_configure=request.may(CONFIGURE),
    )
