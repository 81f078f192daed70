"""Saved views of the list: kept, changed, removed."""

from __future__ import annotations

from uuid import UUID

from flask import url_for
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.view import SavedView, Sharing
from crm_core.errors import CrmError
from crm_core.messages import p, t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services import saved_views
from crm_web.pages.customers.area import pages
from crm_web.pages.customers.forms import TELLABLE
from crm_web.pages.customers.listing import back_to_list
from crm_web.sdk.forms import Form
from crm_web.sdk.request import Request

PAGE = "web/customers/view.html"
TITLES = {
    Sharing.NOBODY: p("who sees a view", "only me"),
    Sharing.TEAM: p("who sees a view", "my team"),
    Sharing.EVERYBODY: p("who sees a view", "everybody"),
}


class ViewSchema(Schema):
    """A view that is kept."""

    name = fields.String(
        required=True, validate=validate.Length(max=250), metadata={"title": t("Name")}
    )
    sharing = fields.String(
        required=True,
        validate=validate.OneOf([each.value for each in Sharing]),
        metadata={"title": t("Who sees it")},
    )
    is_default = fields.Boolean(load_default=False, metadata={"title": t("My list begins with it")})


def _form(request: Request, values: object, error: CrmError | None = None) -> Form:
    offered = [
        (each.value, TITLES[each])
        for each in Sharing
        if each is not Sharing.EVERYBODY or request.may(saved_views.SHARE)
    ]
    return Form(ViewSchema(), values, choices={"sharing": offered}, error=error)  # type: ignore[arg-type]


@pages.get("/views/new", right=CUSTOMER_VIEW)
def new_view(request: Request) -> str:
    """Show the form to keep the list as it is under a name."""
    form = _form(request, {"sharing": "nobody"})
    return request.render(PAGE, form=form, query=request.args.get("rest", ""), view=None)


@pages.post("/views/new", right=CUSTOMER_VIEW)
def add_view(request: Request) -> Response:
    """Keep the list as it is under a name."""
    query = request.form.get("query", "")
    try:
        given = request.read(ViewSchema())
        view = saved_views.add_view(
            request.uow,
            given["name"],
            query,
            sharing=given["sharing"],
            is_default=bool(given["is_default"]),
        )
    except TELLABLE as error:
        form = _form(request, request.form, error)
        return request.refuse(PAGE, error.http_status, form=form, query=query, view=None)
    request.notices.append(("done", t("The view {name} is kept.", name=view.name)))
    return Response(status=303, headers={"Location": back_to_list(view.query)})


@pages.get("/views/<uuid:view_id>", right=CUSTOMER_VIEW)
def view(request: Request, view_id: UUID) -> str:
    """Show the form to change a view."""
    found = request.uow.get(SavedView, view_id)
    values = {name: getattr(found, name) for name in ViewSchema().fields}
    query = request.args.get("rest") or found.query
    return request.render(PAGE, form=_form(request, values), query=query, view=found)


@pages.post("/views/<uuid:view_id>", right=CUSTOMER_VIEW)
def change_view(request: Request, view_id: UUID) -> Response:
    """Change a view, with the list as it is now."""
    query, version = request.form.get("query", ""), request.form.get("version", "")[:10]
    try:
        given = request.read(ViewSchema())
        changed = saved_views.change_view(
            request.uow,
            view_id,
            name=given["name"],
            query=query,
            sharing=given["sharing"],
            is_default=bool(given["is_default"]),
            expected_version=int(version) if version.isdecimal() else None,
        )
    except TELLABLE as error:
        form, found = _form(request, request.form, error), request.uow.get(SavedView, view_id)
        return request.refuse(PAGE, error.http_status, form=form, query=query, view=found)
    request.notices.append(("done", t("The view {name} is kept.", name=changed.name)))
    return Response(status=303, headers={"Location": back_to_list(changed.query)})


@pages.post("/views/<uuid:view_id>/remove", right=CUSTOMER_VIEW)
def remove_view(request: Request, view_id: UUID) -> Response:
    """Remove a view; the customers in it stay as they are."""
    saved_views.remove_view(request.uow, view_id)
    request.notices.append(("done", t("The view is removed.")))
    return Response(status=303, headers={"Location": url_for("customers.customers", sort="name")})
