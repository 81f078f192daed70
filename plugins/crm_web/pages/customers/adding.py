"""Adding a customer, with a look at whether it is here already."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.entities.customer import CustomerKind, CustomerStage
from crm_core.errors import CrmError, InputError
from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.search.fold import tokens
from crm_core.services.customers import CREATE, create_customer
from crm_core.services.search import CustomerHit, search_customers
from crm_web.pages.customers.area import chosen_from, pages, tidy
from crm_web.pages.customers.forms import TELLABLE, beside_fields
from crm_web.sdk.forms import Form
from crm_web.sdk.request import Request

PAGE = "web/customers/new.html"
LINE = validate.Length(max=250)
FEW = 5
POINTS = ("email", "phone", "mobile", "website")
PLACE = ("street", "postal_code", "city", "country_code")
LOOKED_FOR = {"email": ("email",), "phone": ("phone", "mobile"), "mobile": ("phone", "mobile")}


class NewSchema(Schema):
    """What is asked of a new customer; the rest is filled in on its card."""

    name = fields.String(required=True, validate=LINE, metadata={"title": t("Name")})
    kind = fields.String(
        required=True, validate=chosen_from("kind", CustomerKind), metadata={"title": t("Kind")}
    )
    email = fields.String(allow_none=True, validate=LINE, metadata={"title": t("E-mail")})
    phone = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Phone")})
    mobile = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Mobile")})
    website = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Website")})
    stage = fields.String(
        required=True, validate=chosen_from("stage", CustomerStage), metadata={"title": t("Stage")}
    )
    vat = fields.String(
        allow_none=True, validate=validate.Length(max=64), metadata={"title": t("VAT number")}
    )
    reference = fields.String(
        allow_none=True, validate=validate.Length(max=64), metadata={"title": t("Reference")}
    )
    street = fields.String(allow_none=True, validate=LINE, metadata={"title": t("Street")})
    postal_code = fields.String(
        allow_none=True, validate=validate.Length(max=64), metadata={"title": t("Postal code")}
    )
    city = fields.String(allow_none=True, validate=LINE, metadata={"title": t("City")})
    country_code = fields.String(
        allow_none=True,
        validate=LINE,
        metadata={"title": t("Country"), "help": t("Its name or its code of two letters.")},
    )
    tags = fields.String(
        allow_none=True,
        validate=validate.Length(max=2_000),
        metadata={"title": t("Tags"), "help": t("Several are separated by commas.")},
    )
    note = fields.String(
        allow_none=True,
        validate=validate.Length(max=100_000),
        metadata={"title": t("Note"), "rows": 3},
    )


@pages.get("/new", right=CREATE)
def new(request: Request) -> str:
    """Show the form for a new customer."""
    values = {"kind": "person", "stage": "prospect", **request.args.to_dict()}
    return request.render(PAGE, form=Form(NewSchema(), values), found=[])


@pages.post("/new", right=CREATE)
def send_new(request: Request) -> Response:
    """Add a customer; first show who looks the same, unless told to add it anyway."""
    found: list[CustomerHit] = []
    try:
        given = tidy(request.read(NewSchema()))
        if not request.form.get("anyway"):
            found = _alike(request, given)
        if not found:
            customer = create_customer(request.uow, _values(given))
            request.uow.flush()
            message = t("{customer} is added.", customer=customer.name)
            return request.done(message, to="customers.card", customer_id=customer.id)
    except TELLABLE as error:
        return _again(request, [], error)
    return _again(request, found, None)


def _again(request: Request, found: list[CustomerHit], error: CrmError | None) -> Response:
    if error is not None:
        _name_points(request, error)
        beside_fields(error)
    form = Form(NewSchema(), request.form, error=error)
    status = error.http_status if error else 409
    return request.refuse(PAGE, status, form=form, found=found)


def _name_points(request: Request, error: CrmError) -> None:
    """Let faults of contact points name the fields that they were typed in."""
    typed = [name for name in POINTS if request.form.get(name, "").strip()]
    faults: Any = error.details.get("faults")
    for fault in faults if isinstance(faults, list) else ():
        part, _, rest = fault["field"].partition(".")
        if part == "contact_points":
            fault["field"] = typed[int(rest.partition(".")[0])]


def _values(given: dict[str, Any]) -> dict[str, Any]:
    values = {name: given.pop(name) for name in ("name", "kind", "stage")}
    points = [{"kind": name, "value": given[name]} for name in POINTS if given.get(name)]
    address = {name: given[name] for name in PLACE if given.get(name)}
    tags = (given.get("tags") or "").replace("،", ",").split(",")
    return {
        **values,
        **{name: given.get(name) for name in ("vat", "reference", "note")},
        "contact_points": points,
        "addresses": [address] if address else [],
        "tags": [tag.strip() for tag in tags if tag.strip()],
    }


def _alike(request: Request, given: dict[str, Any]) -> list[CustomerHit]:
    """Return customers with the same e-mail, number, VAT number or name, that the viewer sees."""
    if not request.may(CUSTOMER_VIEW):
        return []
    found: dict[Any, CustomerHit] = {}
    for name in ("email", "phone", "mobile", "vat"):
        for hit in _hits(request, given.get(name)):
            if hit.matched in LOOKED_FOR.get(name, (name,)):
                found.setdefault(hit.id, hit)
    words = sorted(tokens(given["name"]))
    for hit in _hits(request, given["name"]):
        if sorted(tokens(hit.name)) == words:
            found.setdefault(hit.id, hit)
    return list(found.values())


def _hits(request: Request, text: str | None) -> list[CustomerHit]:
    if not text:
        return []
    try:
        return list(search_customers(request.uow, text, limit=FEW).items)
    except InputError:  # nothing in it to look for
        return []
