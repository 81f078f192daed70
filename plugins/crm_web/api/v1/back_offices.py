"""Setting up back offices: adding and changing them, when they are synced, whom to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from marshmallow import fields, validate

from crm_core.entities.sync import SYNC_VIEW
from crm_core.schemas.customer import LINE, TEXT
from crm_core.secret_refs import forget_in_keyring
from crm_core.services.backend_options import options_of
from crm_core.services.backends import MANAGE, backend_named, remove_backend
from crm_core.sync.alerts import alert_of, remove_alert, set_alert
from crm_core.sync.schedule import DEFAULT, schedule_of, set_schedule
from crm_web.sdk.api import Api, Call, Flag, Result, Strict, Whole
from crm_web.setting_up import add_back_office, change_back_office

api = Api("back_offices", title="Setting up back offices", prefix="/")
BACKEND = "/backends/<name>"
MOST = 1_000_000


class OptionResult(Result):
    """One option of a kind of back office."""

    name = fields.String(required=True)
    help = fields.String()
    required = fields.Boolean()
    default = fields.String()


class KindResult(Result):
    """A kind of back office that can be added."""

    name = fields.String(required=True)
    title = fields.String()
    needs_secret = fields.Boolean()
    options = fields.List(fields.Nested(OptionResult))


class _OptionsField(fields.Dict):
    def __init__(self) -> None:
        text = fields.String(validate=validate.Length(max=TEXT))
        super().__init__(
            keys=fields.String(validate=validate.Length(max=LINE)),
            values=text,
            validate=validate.Length(max=100),
            metadata={"description": "Option to value, as ``GET /backend-types`` names them."},
        )


class NewBackendSchema(Strict):
    """A new back office."""

    type = fields.String(required=True, validate=validate.Length(1, LINE))
    name = fields.String(required=True, validate=validate.Length(1, LINE))
    options = _OptionsField()
    secret = fields.String(validate=validate.Length(max=LINE))


class BackendSchema(Strict):
    """All options of a back office; the secret stays where none is given."""

    options = _OptionsField()
    secret = fields.String(validate=validate.Length(max=LINE))


class SetUpResult(Result):
    """A back office and its options; its secret is told to nobody."""

    id = fields.UUID(required=True)
    name = fields.String()
    type = fields.String()
    options = fields.Dict(keys=fields.String(), values=fields.String(), attribute="config")
    is_enabled = fields.Boolean()


class ScheduleResult(Result):
    """When the worker runs a back office."""

    backend = fields.String(required=True)
    is_enabled = fields.Boolean()
    is_paused = fields.Boolean()
    every = fields.String()
    entities = fields.Dict(keys=fields.String(), values=fields.String())
    sweep = fields.String()
    full = fields.String()
    heavy_hours = fields.String()


class ScheduleSchema(Strict):
    """Times such as ``5m`` or ``1h``; null goes back to what is usual."""

    every = fields.String(allow_none=True, validate=validate.Length(max=10))
    sweep = fields.String(allow_none=True, validate=validate.Length(max=10))
    full = fields.String(allow_none=True, validate=validate.Length(max=10))
    heavy_hours = fields.String(allow_none=True, validate=validate.Length(max=11))
    entities = fields.Dict(
        keys=fields.String(validate=validate.Length(max=LINE)),
        values=fields.String(allow_none=True, validate=validate.Length(max=10)),
        validate=validate.Length(max=100),
    )
    is_paused = Flag()


class AlertResult(Result):
    """Whom to tell of troubles; of a webhook's address only its beginning."""

    backend = fields.String(required=True)
    mail_to = fields.String()
    webhook = fields.String()
    webhook_secret_ref = fields.String()
    conflicts = fields.Integer()
    set_aside = fields.Integer()
    standing = fields.List(fields.String())
    waiting = fields.Integer()


class AlertSchema(Strict):
    """Whom to tell; null takes one away, what is left out stays."""

    mail_to = fields.String(allow_none=True, validate=validate.Length(max=1_000))
    webhook_url = fields.String(allow_none=True, validate=validate.Length(max=2_000))
    webhook_secret_ref = fields.String(allow_none=True, validate=validate.Length(max=500))
    conflicts = Whole(allow_none=True, validate=validate.Range(1, MOST))
    set_aside = Whole(allow_none=True, validate=validate.Range(1, MOST))


@api.get("/backend-types", page=KindResult, right=MANAGE)
def list_types(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the kinds of back offices that can be added, with their options."""
    kinds = call.request.application.plugins.backend_types.values()
    return [
        {
            "name": kind.name,
            "title": kind.title,
            "needs_secret": kind.needs_secret,
            "options": options_of(kind),
        }
        for kind in kinds
    ]


@api.post("/backends", body=NewBackendSchema, result=SetUpResult, status=201, right=MANAGE)
def add(call: Call) -> Any:
    """Add a back office; nothing is asked of it yet."""
    body = call.body
    return add_back_office(
        call.uow,
        call.request.application,
        kind=body["type"],
        name=body["name"],
        options=body.get("options", {}),
        secret=body.get("secret", ""),
    )


@api.get(f"{BACKEND}/options", result=SetUpResult, right=MANAGE)
def options(call: Call, name: str) -> Any:
    """Return the options of a back office."""
    return backend_named(call.uow, name)


@api.put(f"{BACKEND}/options", body=BackendSchema, result=SetUpResult, right=MANAGE)
def change(call: Call, name: str) -> Any:
    """Replace the options of a back office."""
    body = call.body
    return change_back_office(
        call.uow,
        call.request.application,
        name,
        options=body.get("options", {}),
        secret=body.get("secret", ""),
    )


@api.delete(BACKEND, right=MANAGE)
def remove(call: Call, name: str) -> None:
    """Take a back office away; customers and documents stay."""
    reference = remove_backend(call.uow, name).secret_ref
    call.request.after_commit.append(lambda: forget_in_keyring(reference))


@api.get(f"{BACKEND}/schedule", result=ScheduleResult, right=SYNC_VIEW)
def schedule(call: Call, name: str) -> Mapping[str, Any]:
    """Return when the worker runs a back office."""
    usual = timedelta(minutes=call.request.application.config.sync_minutes)
    return schedule_of(call.uow, name, usual)


@api.patch(f"{BACKEND}/schedule", body=ScheduleSchema, result=ScheduleResult, right=MANAGE)
def change_schedule(call: Call, name: str) -> Mapping[str, Any]:
    """Change when the worker runs a back office."""
    given = dict(call.body)
    entities = given.pop("entities", {})
    changes = {key: DEFAULT if value is None else value for key, value in given.items()}
    texts = [f"{entity}={every or DEFAULT}" for entity, every in entities.items()]
    set_schedule(call.uow, name, **changes, entities=texts)
    return schedule(call, name)


@api.get(f"{BACKEND}/alert", result=AlertResult, right=SYNC_VIEW)
def alert(call: Call, name: str) -> Mapping[str, Any]:
    """Return whom to tell of the troubles of a back office."""
    return alert_of(call.uow, name)


@api.patch(f"{BACKEND}/alert", body=AlertSchema, result=AlertResult, right=MANAGE)
def change_alert(call: Call, name: str) -> Mapping[str, Any]:
    """Change whom to tell."""
    numbers = ("conflicts", "set_aside")
    changes = {
        key: (0 if key in numbers else "off") if value is None else value
        for key, value in call.body.items()
    }
    set_alert(call.uow, name, **changes)
    return alert_of(call.uow, name)


@api.delete(f"{BACKEND}/alert", right=MANAGE)
def tell_nobody(call: Call, name: str) -> None:
    """Tell nobody any more."""
    remove_alert(call.uow, name)
