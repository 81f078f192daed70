"""Who gets which leads: rules, what people take on, and when they are away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from crm_core.errors import ConflictError, CrmError, InputError, NotFoundError
from crm_core.messages import t
from crm_core.services.teams import list_teams
from crm_sales.permissions import LEAD_ASSIGN, LEAD_EDIT, LEAD_VIEW
from crm_sales.schemas.assignment import RuleSchema
from crm_sales.services.assignment.choosing import plain
from crm_sales.services.assignment.explaining import WAYS, conditions_of
from crm_sales.services.assignment.people import (
    add_absence,
    list_absences,
    list_sellers,
    remove_absence,
    set_seller,
)
from crm_sales.services.assignment.rules import list_rules, remove_rule, set_rule
from crm_web.sdk import Form, Menu, Pages, Request

pages = Pages("sales_assignment", "crm_sales", title=t("Assignment"), prefix="/sales/rules")

LISTS = ("countries", "postal_prefixes", "products", "categories", "languages", "sources")
PLAIN = ("name", "position", "is_active", "least_amount", "most_amount", "currency_code", "way")
_TITLES = {name: field.metadata for name, field in RuleSchema().fields.items()}


def _listed(name: str) -> fields.String:
    told = _TITLES[name]
    several = t("{what} Commas between several.", what=told.get("help", ""))
    return fields.String(metadata={**told, "help": several}, allow_none=True)


class RuleForm(Schema):
    """A rule as a form shows it: lists as text."""

    name = RuleSchema().fields["name"]
    position = fields.Integer(
        allow_none=True, validate=validate.Range(0, 10_000), metadata=_TITLES["position"]
    )
    countries = _listed("countries")
    postal_prefixes = _listed("postal_prefixes")
    languages = _listed("languages")
    sources = _listed("sources")
    products = _listed("products")
    categories = _listed("categories")
    least_amount = RuleSchema().fields["least_amount"]
    most_amount = RuleSchema().fields["most_amount"]
    currency_code = fields.String(allow_none=True, metadata=_TITLES["currency_code"])
    way = RuleSchema().fields["way"]
    is_active = fields.Boolean(metadata=_TITLES["is_active"])


class AbsenceForm(Schema):
    """When somebody is away."""

    user = fields.UUID(required=True, metadata={"title": t("Who")})
    from_on = fields.Date(required=True, metadata={"title": t("From")})
    until_on = fields.Date(required=True, metadata={"title": t("Until")})
    stand_in = fields.UUID(allow_none=True, metadata={"title": t("Stands in")})


class SellerForm(Schema):
    """What somebody takes on."""

    user = fields.UUID(required=True)
    takes_leads = fields.Boolean(load_default=False)
    daily_leads = fields.Integer(allow_none=True, load_default=None)


@pages.get("/", right=LEAD_VIEW, menu=Menu(t("Lead rules"), "filter", "sales", 80))
def rules(request: Request) -> str:
    """Show the rules in their order, and people."""
    return request.render("sales/assignment/rules.html", **_all(request))


@pages.get("/new", right=LEAD_ASSIGN)
def new(request: Request) -> str:
    """Show the form for a rule."""
    return request.render("sales/assignment/rule.html", **_form(request, {"is_active": True}))


@pages.post("/new", right=LEAD_ASSIGN)
def send_new(request: Request) -> Any:
    """Add a rule."""
    return _saved(request, None)


@pages.get("/<uuid:rule_id>", right=LEAD_ASSIGN)
def rule(request: Request, rule_id: UUID) -> str:
    """Show the form of a rule."""
    found = next((each for each in list_rules(request.uow) if each["id"] == rule_id), None)
    if found is None:
        raise NotFoundError(t("There is no such rule any more."), code="sales.rule.not_found")
    weights = {
        f"{'user' if target['user'] else 'team'}:{target['user'] or target['team']}": target
        for target in found["targets"]
    }
    amounts = ("least_amount", "most_amount")
    values = {
        **found,
        **{name: plain(found[name]) for name in amounts if found[name] is not None},
        **{name: ", ".join(found[name]) for name in LISTS},
        **{name: str(target["weight"]) for name, target in weights.items()},
    }
    return request.render("sales/assignment/rule.html", **_form(request, values))


@pages.post("/<uuid:rule_id>", right=LEAD_ASSIGN)
def send(request: Request, rule_id: UUID) -> Any:
    """Change a rule."""
    return _saved(request, rule_id)


@pages.post("/<uuid:rule_id>/remove", right=LEAD_ASSIGN)
def remove(request: Request, rule_id: UUID) -> Any:
    """Remove a rule."""
    remove_rule(request.uow, rule_id)
    return request.done(t("Removed."), to="sales_assignment.rules")


@pages.post("/people", right=LEAD_EDIT)
def send_person(request: Request) -> Any:
    """Say what somebody takes on."""
    try:
        told = request.read(SellerForm())
        set_seller(request.uow, told.pop("user"), **told)
    except InputError as error:
        return _refused(request, error)
    return request.done(t("Saved."), to="sales_assignment.rules")


@pages.post("/absences", right=LEAD_EDIT)
def send_absence(request: Request) -> Any:
    """Say when somebody is away."""
    try:
        told = request.read(AbsenceForm())
        stand_in = told.get("stand_in")
        days = (told["from_on"], told["until_on"])
        add_absence(request.uow, told["user"], *days, stand_in_id=stand_in)
    except (InputError, ConflictError) as error:
        return _refused(request, error)
    return request.done(t("Noted."), to="sales_assignment.rules")


@pages.post("/absences/<uuid:absence_id>/remove", right=LEAD_EDIT)
def drop_absence(request: Request, absence_id: UUID) -> Any:
    """Take an absence back."""
    remove_absence(request.uow, absence_id)
    return request.done(t("Taken back."), to="sales_assignment.rules")


def _refused(request: Request, error: CrmError) -> Any:
    context = _all(request, error)
    return request.refuse("sales/assignment/rules.html", error.http_status, **context)


def _all(request: Request, error: CrmError | None = None) -> dict[str, Any]:
    actor = request.uow.actor
    people = list_sellers(request.uow)
    absences = list_absences(request.uow)

    def is_mine(user_id: UUID) -> bool:
        own = user_id == actor.user_id and actor.may(LEAD_EDIT)
        return own or (actor.may(LEAD_EDIT) and actor.may_for_owner(LEAD_ASSIGN, user_id))

    mine = [(str(each["user_id"]), each["name"]) for each in people if is_mine(each["user_id"])]
    everybody = [(str(each["user_id"]), each["name"]) for each in people]
    values = request.form if error else {"user": str(actor.user_id)}
    return {
        "rules": [
            {**each, "conditions": conditions_of(each), "way_title": WAYS[each["way"]]}
            for each in list_rules(request.uow)
        ],
        "people": people,
        "absences": absences,
        "is_mine": is_mine,
        "form": Form(AbsenceForm(), values, {"user": mine, "stand_in": everybody}, error)
        if mine
        else None,
        "may_edit": request.may(LEAD_ASSIGN) and actor.may_for_owner(LEAD_ASSIGN, None),
    }


def _saved(request: Request, rule_id: UUID | None) -> Any:
    form = request.form
    values: dict[str, Any] = {name: _split(form.get(name, "")) for name in LISTS}
    for name in PLAIN:
        text = form.get(name, "").strip()
        if text or name.endswith("_amount") or name == "name":
            values[name] = text if text or name == "name" else None
    values["is_active"] = form.get("is_active") == "true"
    values["targets"] = [
        {kind: name, "weight": _weight(text)}
        for key, text in form.items()
        if (kind := key.partition(":")[0]) in ("user", "team")
        and (name := key.partition(":")[2])
        and text.strip()
    ]
    version = form.get("version", "")
    try:
        expected = int(version) if version.isascii() and version.isdigit() else None
        set_rule(request.uow, values, rule_id=rule_id, expected_version=expected)
    except (InputError, ConflictError, NotFoundError) as error:
        context = _form(request, form, error, rule_id)
        return request.refuse("sales/assignment/rule.html", error.http_status, **context)
    return request.done(t("Saved."), to="sales_assignment.rules")


def _form(
    request: Request, values: Any, error: CrmError | None = None, rule_id: UUID | None = None
) -> dict[str, Any]:
    return {
        "form": Form(RuleForm(), values, error=error),
        "values": values,
        "rule_id": rule_id or values.get("id"),
        "version": values.get("version"),
        "people": list_sellers(request.uow),
        "teams": list_teams(request.uow),
    }


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _weight(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text
