"""Things to do: mine, or everybody's that I may see, soonest due first."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from typing import Any

from crm_core.messages import Message, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.activities import EDIT, list_activities
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request
from crm_web.shown import place

pages = Pages("activities", __name__, title="Activities", prefix="/activities")


@pages.get("/", right=CUSTOMER_VIEW, menu=Menu(t("To do"), icon="check", position=30))
def activities(request: Request) -> str:
    """Show what is to be done, or what was done."""
    whose = "all" if request.args.get("whose") == "all" else "mine"
    is_done = request.args.get("state") == "done"
    page = list_activities(
        request.uow,
        owner_id=request.uow.actor.user_id if whose == "mine" else None,
        is_open=not is_done,
        cursor=request.args.get("cursor") or None,
    )
    return request.render(
        "web/activities.html",
        groups=_groups(page.items, is_done=is_done),
        next_cursor=page.next_cursor,
        whose=whose,
        is_done=is_done,
        may_complete=request.may(EDIT),
    )


def _groups(items: Any, *, is_done: bool) -> list[tuple[Message, list[dict[str, Any]]]]:
    """Return activities below headings that say when they are due."""
    if is_done:
        return [(t("Done"), list(items))] if items else []
    now = datetime.now(UTC)
    zone = place().zone
    midnight = datetime.combine(now.astimezone(zone).date(), time.min, zone)
    ends = (
        (t("Overdue"), now),
        (t("Today"), midnight + timedelta(days=1)),
        (t("Within a week"), midnight + timedelta(days=8)),
    )

    def when(each: dict[str, Any]) -> Message:
        return next((title for title, end in ends if each["due_at"] < end), t("Later"))

    told = [{**each, "is_overdue": each["due_at"] < now} for each in items]
    return [(title, list(some)) for title, some in groupby(told, key=when)]
