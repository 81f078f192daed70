"""What stands around the lines of an offer, and what a company says of all its offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from sqlalchemy import select

from crm_core.entities import Role
from crm_core.errors import ConflictError, InputError, RuleViolationError
from crm_core.messages import LANGUAGES, t
from crm_core.services.checks import PAGES as MOST_TEXT
from crm_sales.permissions import CONFIGURE, QUOTE_EDIT
from crm_sales.schemas.pipelines import design_text
from crm_sales.schemas.quotes import read_offer_rules
from crm_sales.services.pricing.offer_rules import change_offer_rules
from crm_sales.services.pricing.offer_rules_export import export_offer_rules
from crm_sales.services.quotes.checks import permitted_quote
from crm_sales.services.quotes.editing import edit_quote
from crm_sales.services.quotes.reading import header_choices
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_quote_forms", "crm_sales", title=t("Offers"), prefix="/sales/quotes")
REFUSED = (InputError, ConflictError, RuleViolationError)
_LANGUAGES = list(LANGUAGES)


def _text(title: str, *, rows: int = 6, help_: str = "") -> fields.String:
    return fields.String(
        allow_none=True,
        validate=validate.Length(max=MOST_TEXT),
        metadata={"title": title, "rows": rows, "help": help_},
    )


class HeaderSchema(Schema):
    """What stands around the lines."""

    valid_until_on = fields.Date(required=True, metadata={"title": t("Valid until")})
    price_list_id = fields.UUID(allow_none=True, metadata={"title": t("Price list")})
    payment_term_id = fields.UUID(allow_none=True, metadata={"title": t("Payment")})
    language = fields.String(
        allow_none=True,
        validate=validate.OneOf(_LANGUAGES, labels=list(LANGUAGES.values())),
        metadata={"title": t("Language of the document")},
    )
    delivery_address_id = fields.UUID(allow_none=True, metadata={"title": t("Delivered to")})
    invoice_address_id = fields.UUID(allow_none=True, metadata={"title": t("Invoiced to")})
    terms = _text(t("Terms on the document"))
    note = _text(t("Note for us"), help_=t("Never on the document."))


@pages.get("/<uuid:quote_id>/edit", right=QUOTE_EDIT)
def edit(request: Request, quote_id: UUID) -> str:
    """Show the form of what stands around the lines."""
    quote = permitted_quote(request.uow, quote_id, QUOTE_EDIT)
    values = {name: getattr(quote, name) for name in HeaderSchema().fields}
    if values["language"] not in LANGUAGES:
        values["language"] = (values["language"] or "").partition("-")[0]
    return request.render("sales/quotes/edit.html", **_context(request, quote, values))


@pages.post("/<uuid:quote_id>/edit", right=QUOTE_EDIT)
def send_edit(request: Request, quote_id: UUID) -> Any:
    """Keep what stands around the lines."""
    version = request.form.get("version", "")
    try:
        quote = edit_quote(
            request.uow,
            quote_id,
            request.read(HeaderSchema()),
            expected_version=int(version) if version.isdecimal() else None,
        )
    except REFUSED as error:
        request.uow.session.rollback()
        quote = permitted_quote(request.uow, quote_id, QUOTE_EDIT)
        context = _context(request, quote, request.form, error)
        return request.refuse("sales/quotes/edit.html", error.http_status, **context)
    return request.done(t("Saved."), to="sales_quotes.show", quote_id=quote.id)


def _context(
    request: Request, quote: Any, values: Mapping[str, Any], error: Any = None
) -> dict[str, Any]:
    choices = header_choices(request.uow, quote)
    return {"quote": quote, "form": Form(HeaderSchema(), values, choices, error)}


@pages.get("/settings", right=CONFIGURE, menu=Menu(t("Offer settings"), "file", "admin", 54))
def settings(request: Request) -> str:
    """Show limits, floors, bands, rules and bundles."""
    return _settings(request)


@pages.post("/settings/limits", right=CONFIGURE)
def set_limits(request: Request) -> Any:
    """Set how much each role may take off."""
    limits = {
        name.removeprefix("limit-"): value.strip()
        for name, value in request.form.items()
        if name.startswith("limit-") and value.strip()
    }
    return _set(request, {"limits": limits})


@pages.post("/settings/document", right=CONFIGURE)
def set_document(request: Request) -> Any:
    """Set all that the document says."""
    text = request.form.get("document", "")
    try:
        document = read_offer_rules(text.replace("\r\n", "\n").encode())
    except InputError as error:
        return _settings(request, error, text), error.http_status
    return _set(request, document, text)


def _set(request: Request, document: Mapping[str, Any], text: str | None = None) -> Any:
    try:
        change_offer_rules(request.uow, document)
    except REFUSED as error:
        request.uow.session.rollback()
        return _settings(request, error, text), error.http_status
    return request.done(t("Saved."), to="sales_quote_forms.settings")


def _settings(request: Request, error: Any = None, text: str | None = None) -> str:
    document = export_offer_rules(request.uow)
    rest = {name: value for name, value in document.items() if name != "limits"}
    return request.render(
        "sales/quotes/settings.html",
        document=document,
        roles=request.uow.execute(select(Role.code, Role.name).order_by(Role.name)).all(),
        text=design_text(rest) if text is None else text,
        error=error,
    )
