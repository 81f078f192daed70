"""Floors, personal prices, bundles and price lists: lists of them, and a form for each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate
from sqlalchemy import select

from crm_core.entities import Currency
from crm_core.errors import ConflictError, CrmError, InputError, NotFoundError, RuleViolationError
from crm_core.messages import Message, t
from crm_core.services.checks import LINE
from crm_core.services.checks import PAGES as MOST_TEXT
from crm_core.services.lookup import resolve_unmerged_id
from crm_sales.pages.quotes import text_of
from crm_sales.permissions import CONFIGURE, QUOTE_VIEW
from crm_sales.services.pricing.customer_lists import (
    customers_with_lists,
    give_price_list,
    open_price_list,
    take_price_list,
)
from crm_sales.services.pricing.price_lists import lists_by_cost, rules_by_cost
from crm_sales.services.pricing.single_rules import KINDS, take_out
from crm_sales.services.quotes.reading import list_price_lists, price_list_page
from crm_web.sdk import Form, Pages, Request

pages = Pages(
    "sales_offer_rules", "crm_sales", title=t("Offer settings"), prefix="/sales/quotes/settings"
)
PART = "/<any(floors, bands, bundles):part>"
RULE = f"{PART}/<uuid:item_id>"
REFUSED = (InputError, ConflictError, RuleViolationError)


def _text(title: str, help_: str = "", *, required: bool = False, **told: Any) -> fields.String:
    return fields.String(
        required=required,
        allow_none=not required,
        validate=validate.Length(max=told.pop("most", LINE)),
        metadata={"title": title, "help": help_, **told},
    )


def _number(title: str, most: int, help_: str = "", *, required: bool = False) -> fields.Decimal:
    return fields.Decimal(
        required=required,
        allow_none=not required,
        validate=validate.Range(Decimal(0), Decimal(most)),
        metadata={"title": title, "help": help_},
    )


def _currency() -> fields.String:
    return _text(t("Currency"), t("Needed with an amount."))


MOST_MONEY = 100_000_000


class FloorForm(Schema):
    """A floor price."""

    product = _text(t("Product"), t("Its reference. Empty for a category, or for everything."))
    category = _text(t("Category"), t("Its full path, such as All / Furniture; with all below it."))
    percent_of_list = _number(t("Percent of the list price"), 100, t("Either this, or a price."))
    price = _number(t("Price"), MOST_MONEY)
    currency = _currency()


class BandForm(Schema):
    """A personal price band."""

    name = _text(t("Name"), required=True)
    percent = _number(t("Percent off"), 100, required=True)
    months = fields.Integer(
        load_default=12,
        validate=validate.Range(1, 120),
        metadata={"title": t("Months looked back"), "help": t("12 unless said.")},
    )
    never_overdue = fields.Boolean(
        load_default=False, metadata={"title": t("No invoice paid late or overdue")}
    )
    most_days_to_pay = fields.Integer(
        allow_none=True,
        validate=validate.Range(0, 3_650),
        metadata={"title": t("Days to pay, at most"), "help": t("On average.")},
    )
    least_revenue = _number(t("Invoiced at least"), MOST_MONEY, t("Without tax."))
    currency = _currency()


class BundleForm(Schema):
    """A bundle."""

    name = _text(t("Name"), required=True)
    parts = _text(
        t("Parts"),
        t("A line each: reference | how many."),
        required=True,
        rows=6,
        most=MOST_TEXT,
    )
    percent = _number(t("Percent off the parts"), 100, t("Either this, or a price."))
    price = _number(t("Price of all"), MOST_MONEY)
    currency = _currency()


class OpenForm(Schema):
    """Whether a price list is free to use."""

    is_open = fields.Boolean(load_default=False)


class GivenForm(Schema):
    """The price list that a customer is given."""

    customer = _text(t("Customer"), t("A reference or an id."), required=True)
    price_list_id = fields.UUID(required=True, metadata={"title": t("Price list")})


FORMS: Mapping[str, type[Schema]] = {"floors": FloorForm, "bands": BandForm, "bundles": BundleForm}
TITLES: Mapping[str, Message] = {
    "floors": t("Floor prices"),
    "bands": t("Personal prices"),
    "bundles": t("Bundles"),
}
NEW: Mapping[str, Message] = {
    "floors": t("New floor price"),
    "bands": t("New personal price"),
    "bundles": t("New bundle"),
}
WHY: Mapping[str, Message] = {
    "floors": t(
        "Below these nobody sells, whoever approves. The narrowest holds: a product's before its "
        "category's, that before the one for everything."
    ),
    "bands": t(
        "Customers who meet all conditions of one pay so much less, and are told why. The best one "
        "counts; it is no discount."
    ),
    "bundles": t("Products that are offered and priced together."),
}


@pages.get(PART, right=CONFIGURE)
def rules(request: Request, part: str) -> str:
    """List floors, bands or bundles."""
    return request.render(
        "sales/quotes/rules.html",
        part=part,
        page=KINDS[part].list_some(request.uow, cursor=request.args.get("cursor") or None),
        titles=TITLES,
        new=NEW[part],
        why=WHY[part],
    )


@pages.get(f"{PART}/new", right=CONFIGURE)
def new(request: Request, part: str) -> str:
    """Show the form for one more."""
    return _form(request, part, {})


@pages.post(f"{PART}/new", right=CONFIGURE)
def send_new(request: Request, part: str) -> Any:
    """Add one."""
    return _saved(request, part, None)


@pages.get(RULE, right=CONFIGURE)
def rule(request: Request, part: str, item_id: UUID) -> str:
    """Show the form of one."""
    found = KINDS[part].show(request.uow, item_id)
    values = {name: _typed(value) for name, value in found.items()}
    if part == "bundles":
        parts = [f"{each['product']} | {text_of(each['quantity'])}" for each in found["parts"]]
        values["parts"] = "\n".join(parts)
    return _form(request, part, values, item_id)


@pages.post(RULE, right=CONFIGURE)
def send(request: Request, part: str, item_id: UUID) -> Any:
    """Change one."""
    return _saved(request, part, item_id)


@pages.post(f"{RULE}/remove", right=CONFIGURE)
def remove(request: Request, part: str, item_id: UUID) -> Any:
    """Take one out."""
    take_out(request.uow, KINDS[part].model, item_id)
    return request.done(t("Taken out."), to="sales_offer_rules.rules", part=part)


@pages.get("/price-lists", right=CONFIGURE)
def price_lists(request: Request) -> str:
    """List price lists, which of them are free to use, and the customers with one of their own."""
    return request.render("sales/quotes/price_lists.html", **_lists(request))


@pages.post("/price-lists/<uuid:price_list_id>", right=CONFIGURE)
def send_open(request: Request, price_list_id: UUID) -> Any:
    """Say whether a price list is free to use."""
    open_price_list(request.uow, price_list_id, **request.read(OpenForm()))
    return request.done(t("Saved."), to="sales_offer_rules.price_lists")


@pages.post("/price-lists/given", right=CONFIGURE)
def give(request: Request) -> Any:
    """Give a customer a price list."""
    try:
        told = request.read(GivenForm())
        customer_id = resolve_unmerged_id(request.uow, told["customer"])
        give_price_list(request.uow, customer_id, told["price_list_id"])
    except (*REFUSED, NotFoundError) as error:
        request.uow.session.rollback()
        context = _lists(request, error)
        return request.refuse("sales/quotes/price_lists.html", error.http_status, **context)
    return request.done(t("Saved."), to="sales_offer_rules.price_lists")


@pages.post("/price-lists/given/<uuid:customer_id>/<currency_code>/remove", right=CONFIGURE)
def take(request: Request, customer_id: UUID, currency_code: str) -> Any:
    """Have the default list hold for a customer again."""
    take_price_list(request.uow, customer_id, currency_code)
    return request.done(t("Taken back."), to="sales_offer_rules.price_lists")


@pages.panel("backend", t("Prices by cost"), right=QUOTE_VIEW)
def of_backend(request: Request, backend: str) -> str:
    """Say of which price lists of a back office not all prices are known here."""
    lists = lists_by_cost(request.uow, backend)
    return request.render("sales/quotes/by_cost.html", lists=lists) if lists else ""


def _saved(request: Request, part: str, item_id: UUID | None) -> Any:
    version = request.form.get("version", "")
    expected = int(version) if version.isascii() and version.isdigit() else None
    try:
        told = {
            name: each for name, each in request.read(FORMS[part]()).items() if each is not None
        }
        if part == "bundles":
            told["parts"] = _parts(told["parts"])
        KINDS[part].keep(request.uow, told, item_id, expected_version=expected)
    except REFUSED as error:
        request.uow.session.rollback()
        return _form(request, part, request.form, item_id, error), error.http_status
    return request.done(t("Saved."), to="sales_offer_rules.rules", part=part)


def _form(
    request: Request,
    part: str,
    values: Any,
    item_id: UUID | None = None,
    error: CrmError | None = None,
) -> str:
    active = select(Currency.code).where(Currency.is_active.is_(True)).order_by(Currency.code)
    codes = [(code, code) for code in request.uow.scalars(active)]
    return request.render(
        "sales/quotes/rule.html",
        part=part,
        item_id=item_id,
        version=values.get("version"),
        title=values.get("name") or (TITLES[part] if item_id else NEW[part]),
        why=WHY[part],
        form=Form(FORMS[part](), values, {"currency": codes}, error),
    )


def _lists(request: Request, error: CrmError | None = None) -> dict[str, Any]:
    lists = price_list_page(request.uow, cursor=request.args.get("lists") or None)
    every = list_price_lists(request.uow)
    choices = [(str(each.id), f"{each.name} ({each.currency_code})") for each in every]
    return {
        "lists": lists,
        "by_cost": rules_by_cost(request.uow, [each["id"] for each in lists.items]),
        "page": customers_with_lists(request.uow, cursor=request.args.get("cursor") or None),
        "form": Form(GivenForm(), request.form if error else {}, {"price_list_id": choices}, error),
    }


def _parts(text: str) -> list[tuple[str, str]]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    pairs = [line.rpartition("|") if "|" in line else (line, "|", "1") for line in lines]
    return [(name.strip(), quantity.strip()) for name, _, quantity in pairs]


def _typed(value: Any) -> Any:
    return text_of(value) if isinstance(value, Decimal) else value
