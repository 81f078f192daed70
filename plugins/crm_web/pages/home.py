"""The first page: what needs me today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import current_app, url_for

from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.activities import EDIT
from crm_core.services.home import my_day
from crm_web.sdk.pages import ANYBODY, Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("home", __name__, title="Home", prefix="/")
RECORDS: Mapping[str, tuple[str, str]] = {
    "customer": ("customers.card", "customer_id"),
    "conflict": ("sync.conflict", "conflict_id"),
}
"""Entity to the page of one record, and what that page calls its id."""
OF_CARD: Mapping[str, tuple[str, str]] = {
    "core.duplicates": ("customers.duplicates", "customer_id"),
}
"""Cards whose records have a page of their own for what is to be done about them."""
WHOLE: Mapping[str, str] = {"core.conflicts": "sync.conflicts", "core.set_aside": "sync.desk"}
"""Card to the page that shows all of it."""
TONES: Mapping[str, str] = {"warning": "warn", "danger": "bad", "info": "info"}


@pages.get("/", right=ANYBODY, menu=Menu(t("My day"), icon="home", position=10))
def home(request: Request) -> str:
    """Show what needs the viewer first."""
    day = my_day(request.uow) if request.may(CUSTOMER_VIEW) else None
    return request.render(
        "web/home.html",
        day=day,
        may_complete=request.may(EDIT),
        leads_to=leads_to,
        whole=lambda name: _address(WHOLE.get(name, ""), {}),
        tones=TONES,
    )


def leads_to(card: str, entity: str, key: UUID | None) -> str | None:
    """Return the page of a record that a card names; None where no page shows such records."""
    shown = RECORDS.get(entity) or current_app.extensions["crm"].shown.get(entity, ("", ""))
    endpoint, argument = OF_CARD.get(card) or shown
    return _address(endpoint, {argument: key}) if key is not None else None


def _address(endpoint: str, arguments: Mapping[str, Any]) -> str | None:
    if endpoint not in current_app.view_functions:
        return None
    return url_for(endpoint, **arguments)
