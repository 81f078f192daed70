"""How a back office is synced: who wins which field, when it is run, whom to tell of troubles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import make_response
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from crm_core.channels import mail_server
from crm_core.entities.sync import SYNC_VIEW
from crm_core.errors import InputError, StaleVersionError
from crm_core.messages import n, t
from crm_core.services.sync_status import last_read
from crm_core.sync.alerts import alert_of, remove_alert, send_test, set_alert
from crm_core.sync.masters import CHOICES, DEEDS, WHEN_DELETED, masters_of, set_masters
from crm_core.sync.schedule import DEFAULT, schedule_of, set_schedule
from crm_web.pages.customers.forms import WAS
from crm_web.pages.meanwhile import laid_over
from crm_web.pages.sync.declared import MANAGE, pages
from crm_web.sdk.forms import SEE_BESIDE, Form
from crm_web.sdk.request import Request

TIME = t("Such as 90s, 5m, 1h or 1d.")
TIMES = {"every", "sweep", "full", "heavy_hours"}
ENTITY = "entity-"
NONE = {"mail_to": "off", "webhook_secret_ref": "off", "conflicts": 0, "set_aside": 0}
"""What takes away what was told."""


class ScheduleSchema(Schema):
    """When the worker runs a back office."""

    every = fields.String(
        load_default=None,
        metadata={"title": t("Time between two runs"), "help": TIME},
        validate=validate.Length(max=10),
    )
    sweep = fields.String(
        load_default=None,
        metadata={
            "title": t("Time between two searches for what is gone"),
            "help": t("Empty: at every run. It compares all records, so it takes longer."),
        },
        validate=validate.Length(max=10),
    )
    full = fields.String(
        load_default=None,
        metadata={
            "title": t("Time between two readings of every record"),
            "help": t("Finds what changed there without a trace in its date. Empty: never."),
        },
        validate=validate.Length(max=10),
    )
    heavy_hours = fields.String(
        load_default=None,
        metadata={
            "title": t("Do both only within these hours"),
            "help": t("Such as 22:00-06:00, in the company's time zone. Empty: always."),
        },
        validate=validate.Length(max=11),
    )
    is_paused = fields.Boolean(load_default=False, metadata={"title": t("Paused")})


class AlertSchema(Schema):
    """Whom to tell when syncs get into trouble."""

    mail_to = fields.String(
        load_default=None,
        metadata={"title": t("Mail to"), "help": t("One address, or several with commas.")},
        validate=validate.Length(max=1_000),
    )
    webhook_url = fields.String(
        load_default=None,
        metadata={
            "title": t("Webhook"),
            "help": t("An https address. It is not shown again; leave it empty to keep it."),
        },
        validate=validate.Length(max=2_000),
    )
    webhook_secret_ref = fields.String(
        load_default=None,
        metadata={
            "title": t("Where the webhook's secret is kept"),
            "help": t("env:NAME, file:PATH or keyring:NAME."),
        },
        validate=validate.Length(max=500),
    )
    conflicts = fields.Integer(
        load_default=None,
        metadata={"title": t("From so many open conflicts on"), "help": t("Empty: never.")},
        validate=validate.Range(min=1, max=1_000_000),
    )
    set_aside = fields.Integer(
        load_default=None,
        metadata={"title": t("From so many records set aside on"), "help": t("Empty: never.")},
        validate=validate.Range(min=1, max=1_000_000),
    )


@pages.get("/of/<name>/mapping", right=SYNC_VIEW)
def mapping(request: Request, name: str) -> str:
    """Show who wins each field."""
    return _mapping(request, name)


def _mapping(request: Request, name: str, error: str = "", **sent: Any) -> str:
    entities: dict[str, list[dict[str, Any]]] = {}
    for item in masters_of(request.uow, name, **_fixed(request, name)):
        entities.setdefault(item["entity"], []).append(item)
    return request.render(
        "web/sync/mapping.html",
        name=name,
        entities=entities,
        choices=CHOICES,
        deeds=DEEDS,
        when_deleted=WHEN_DELETED,
        error=error,
        sent=sent,
    )


def _fixed(request: Request, name: str) -> dict[str, Any]:
    application = request.application
    plugins = tuple(application.plugins.entities.values())
    return {"fixed": application.fixed_masters(name), "plugins": plugins}


@pages.post("/of/<name>/mapping", right=MANAGE)
def set_mapping(request: Request, name: str) -> Response:
    """Change who wins which field; what was left as it is stays untold."""
    known = masters_of(request.uow, name, **_fixed(request, name))
    now = {item["id"]: item["master"] for item in known}
    typed, theirs = laid_over(request.form, now)
    if theirs:
        error = StaleVersionError(SEE_BESIDE)
        page = _mapping(request, name, error.message, typed=typed, theirs=theirs)
        return make_response(page, error.http_status)
    texts = [f"{field}={typed[field]}" for field in now if typed[field] != now[field]]
    try:
        if texts:
            set_masters(request.uow, name, texts, **_fixed(request, name))
    except InputError as error:
        return make_response(_mapping(request, name, error.message), error.http_status)
    said = n("{count} field changed.", "{count} fields changed.", len(texts))
    return request.done(said, to="sync.mapping", name=name)


@pages.get("/of/<name>/schedule", right=SYNC_VIEW)
def schedule(request: Request, name: str) -> str:
    """Show when a back office is run, and whom to tell of its troubles."""
    return _watch(request, name)


def _watch(
    request: Request,
    name: str,
    *,
    form: Form | None = None,
    alert_form: Form | None = None,
    was: Mapping[str, str] | None = None,
) -> str:
    uow = request.uow
    found, alert = _schedule(request, name), alert_of(uow, name)
    ages = last_read(uow).get(found["id"], {})
    return request.render(
        "web/sync/schedule.html",
        name=name,
        schedule=found,
        entities=sorted({*ages, *found["entities"]}),
        form=form or Form(ScheduleSchema(), found),
        alert=alert,
        alert_form=alert_form or Form(AlertSchema(), alert),
        stood={**_texts(ScheduleSchema(), found), **_texts(AlertSchema(), alert), **(was or {})},
    )


def _schedule(request: Request, name: str) -> dict[str, Any]:
    return schedule_of(
        request.uow, name, timedelta(minutes=request.application.config.sync_minutes)
    )


def _texts(schema: Schema, values: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands in a form's fields, as it sends them; what is never shown is left out."""
    texts = {name: values[name] for name in schema.fields if name in values}
    return {name: "true" if value is True else str(value or "") for name, value in texts.items()}


def _expect_unchanged(theirs: Mapping[str, str]) -> None:
    if theirs:
        beside = {
            name: t("Theirs, saved meanwhile: {value}", value=value or t("empty"))
            for name, value in theirs.items()
        }
        raise StaleVersionError(SEE_BESIDE, details={"fields": beside})


def _refused(
    request: Request, name: str, which: str, form: Form, now: Mapping[str, str]
) -> Response:
    """Show a form again; what stood there counts as seen where what others saved is shown."""
    assert form.error is not None
    was = dict(now)
    if not isinstance(form.error, StaleVersionError):
        was = {field: request.form.get(WAS + field, value) for field, value in now.items()}
    page = _watch(request, name, was=was, **{which: form})
    return make_response(page, form.error.http_status)


@pages.post("/of/<name>/schedule", right=MANAGE)
def change_schedule(request: Request, name: str) -> Response:
    """Change when the worker runs a back office."""
    found, sent = _schedule(request, name), {"is_paused": "", **request.form}
    now = _texts(ScheduleSchema(), found)
    for field in sent:
        if field.startswith(ENTITY):
            now[field] = found["entities"].get(field.removeprefix(ENTITY), "")
    typed, theirs = laid_over(sent, now)
    try:
        given = request.read(ScheduleSchema())
        _expect_unchanged(theirs)
        changed = {field for field in now if typed[field] != now[field]}
        set_schedule(
            request.uow,
            name,
            **{field: given[field] or DEFAULT for field in TIMES & changed},
            entities=[
                f"{field.removeprefix(ENTITY)}={typed[field] or DEFAULT}"
                for field in sorted(changed)
                if field.startswith(ENTITY)
            ],
            is_paused=given["is_paused"] if "is_paused" in changed else None,
        )
    except (InputError, StaleVersionError) as error:
        return _refused(request, name, "form", Form(ScheduleSchema(), typed, error=error), now)
    return request.done(t("Saved."), to="sync.schedule", name=name)


@pages.post("/of/<name>/alert", right=MANAGE)
def change_alert(request: Request, name: str) -> Response:
    """Change whom to tell; told to nobody any more where all is emptied."""
    if request.form.get("remove"):
        remove_alert(request.uow, name)
        return request.done(t("Nobody is told any more."), to="sync.schedule", name=name)
    now = _texts(AlertSchema(), alert_of(request.uow, name))
    typed, theirs = laid_over(request.form, now)
    try:
        given = request.read(AlertSchema())
        _expect_unchanged(theirs)
        changed = {
            field: given[field] or NONE[field] for field in now if typed[field] != now[field]
        }
        set_alert(request.uow, name, webhook_url=given["webhook_url"], **changed)
    except (InputError, StaleVersionError) as error:
        sent = {**request.form, **typed}
        return _refused(request, name, "alert_form", Form(AlertSchema(), sent, error=error), now)
    return request.done(t("Saved."), to="sync.schedule", name=name)


@pages.post("/of/<name>/alert/test", right=MANAGE)
def test_alert(request: Request, name: str) -> Response:
    """Send a test to whoever is told."""
    application, actor = request.application, request.actor
    assert actor is not None

    def send() -> None:  # once nothing is held any more: a mail server may take its time
        server = mail_server(application.config)
        for each in send_test(application.database, actor, server, name):
            told = t("{channel}: {outcome}", channel=each.channel, outcome=each.error or t("sent"))
            request.notices.append(("bad" if each.error else "done", told))

    request.after_commit.append(send)
    return request.to("sync.schedule", name=name)
