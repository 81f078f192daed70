"""The company and its installation: settings, tags, plugins, audit, deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from dataclasses import fields as fields_of
from typing import Any
from uuid import UUID

from flask import current_app
from marshmallow import fields, validate

from crm_core.cli.plugins import PATIENCE
from crm_core.entities.consent import ProfileAttribute, ProfileType
from crm_core.persistence.paging import Page
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.plugins import activation
from crm_core.schemas.customer import LINE, SHORT
from crm_core.services import deliveries, mail, profile, tags
from crm_core.services.audit import list_audit
from crm_core.services.plugin_settings import list_plugin_settings
from crm_core.services.settings import EDIT, Settings, load_settings, set_setting
from crm_web.sdk.api import Api, Call, Flag, PageQuery, Result, Said, Strict

api = Api("company", title="Company and installation", prefix="/")
AUDIT_VIEW, DELIVERY_VIEW = "core.audit.view", "core.delivery.view"
GREATEST = 2**63 - 1
DELIVERY = f"/deliveries/<int(max={GREATEST}):delivery_id>"


class SettingResult(Result):
    """A setting of the company or of a plugin."""

    name = fields.String(required=True)
    title = Said()
    value = fields.Raw()


class SettingSchema(Strict):
    """A value as a person writes it."""

    value = fields.String(required=True, validate=validate.Length(max=1_000))


class AttributeResult(Result):
    """An attribute of customers' profiles."""

    id = fields.UUID(required=True)
    code = fields.String()
    title = fields.String()
    type = fields.String()
    choices = fields.List(fields.String())
    is_personal = fields.Boolean()
    plugin = fields.String()


class AttributeSchema(Strict):
    """A new attribute."""

    code = fields.String(required=True, validate=validate.Length(1, SHORT))
    title = fields.String(required=True, validate=validate.Length(1, LINE))
    type = fields.String(
        required=True, validate=validate.OneOf([each.value for each in ProfileType])
    )
    choices = fields.List(fields.String(validate=validate.Length(1, LINE)), allow_none=True)
    is_personal = Flag()


class TagCountResult(Result):
    """A tag, and how many customers carry it."""

    id = fields.UUID(required=True)
    name = fields.String()
    customers = fields.Integer()


class PluginResult(Result):
    """A plugin as it stands here."""

    name = fields.String(required=True)
    title = Said()
    version = fields.String()
    state = fields.String()
    requires = fields.List(fields.String())
    reason = Said()
    has_data = fields.Boolean()
    is_served = fields.Boolean(
        metadata={"description": "Whether the server that answers has it; it follows state."}
    )
    pages_left_out = Said(
        metadata={"description": "Why its pages and resources are not there although it is served."}
    )


class AuditQuery(PageQuery):
    """Which entries."""

    entity_type = fields.String(validate=validate.Length(1, LINE))
    entity_id = fields.String(validate=validate.Length(1, LINE))
    customer_id = fields.UUID()


class AuditResult(Result):
    """Who changed what."""

    id = fields.Integer(required=True)
    at = fields.DateTime()
    actor_login = fields.String()
    origin = fields.String()
    action = fields.String()
    entity_type = fields.String()
    entity_id = fields.String()
    customer_id = fields.UUID()
    changes = fields.Raw()
    position = fields.Integer()


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    state = fields.String(validate=validate.OneOf(["pending", "done", "dead", "dropped"]))
    handler = fields.String(validate=validate.Length(1, LINE))


class DeliveryResult(Result):
    """An event that was handed, or is to be handed, to a handler."""

    id = fields.Integer(required=True)
    handler = fields.String()
    state = fields.String()
    attempts = fields.Integer()
    next_at = fields.DateTime()
    done_at = fields.DateTime()
    error = Said()
    event = fields.String()
    at = fields.DateTime()
    entity_type = fields.String()
    entity_id = fields.String()
    actor_login = fields.String()
    origin = fields.String()


class MailResult(Result):
    """A mail that waits, or was sent of late; without what it says."""

    id = fields.UUID(required=True)
    to_address = fields.String()
    subject = fields.String()
    kind = fields.String()
    made_at = fields.DateTime()
    next_at = fields.DateTime()
    attempts = fields.Integer()
    error = Said()
    sent_at = fields.DateTime()


@api.get("/settings", page=SettingResult, right=EDIT)
def settings(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the settings of the company and of plugins."""
    values = load_settings(call.uow)
    own = [{"name": each.name, "value": getattr(values, each.name)} for each in fields_of(Settings)]
    plugins = [
        {"name": declared.name, "title": declared.title, "value": value}
        for declared, value in list_plugin_settings(call.uow)
    ]
    return [*own, *plugins]


@api.put("/settings/<name>", body=SettingSchema, result=SettingResult, right=EDIT)
def change_setting(call: Call, name: str) -> Mapping[str, Any]:
    """Set a setting."""
    return {"name": name, "value": set_setting(call.uow, name, call.body["value"])}


@api.get("/profile-attributes", page=AttributeResult, right=CUSTOMER_VIEW)
def attributes(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the attributes of customers' profiles."""
    return profile.list_attributes(call.uow)


@api.post(
    "/profile-attributes",
    body=AttributeSchema,
    result=AttributeResult,
    status=201,
    right=profile.DESIGN,
)
def define_attribute(call: Call) -> ProfileAttribute:
    """Define an attribute of customers' profiles."""
    body = dict(call.body)
    return profile.define_attribute(call.uow, body.pop("code"), **body)


@api.get("/tags", page=TagCountResult, right=CUSTOMER_VIEW)
def list_tags(call: Call) -> Sequence[Mapping[str, Any]]:
    """List all tags, each with the number of customers that one may see."""
    return tags.list_tags(call.uow)


@api.get("/plugins", page=PluginResult, right=activation.MANAGE)
def plugins(call: Call) -> Sequence[Mapping[str, Any]]:
    """List the plugins that are installed here or have been, and what is wrong with them."""
    application = call.request.application
    installed, host = application.installed_plugins, application.plugins
    return [_told(call, each) for each in activation.list_plugins(call.uow, installed, host)]


@api.get("/plugins/<name>", result=PluginResult, right=activation.MANAGE)
def plugin(call: Call, name: str) -> Mapping[str, Any]:
    """Return one plugin: whether it is on, and whether this server has taken that up."""
    return _shown(call, call.uow, name)


def _shown(call: Call, uow: UnitOfWork, name: str) -> Mapping[str, Any]:
    application = call.request.application
    installed, host = application.installed_plugins, application.plugins
    listed = {each.name: each for each in activation.list_plugins(uow, installed, host)}
    if name not in listed:
        activation.installed_plugin(installed, name)  # refuses it, and names those that there are
    return _told(call, listed[name])


def _told(call: Call, plugin: activation.PluginInfo) -> Mapping[str, Any]:
    is_served = plugin.name in call.request.application.plugins.plugins
    left_out = current_app.extensions["crm"].faults.get(plugin.name)
    return {**asdict(plugin), "is_served": is_served, "pages_left_out": left_out}


@api.post(
    "/plugins/<name>/enable",
    result=PluginResult,
    status=202,
    right=activation.MANAGE,
    opens_own=True,
)
def enable_plugin(call: Call, name: str) -> Mapping[str, Any]:
    """Take a plugin into use: its tables are made; servers have it within a second (is_served)."""
    application = call.request.application
    activation.enable_plugin(
        application.database,
        application.installed_plugins,
        name,
        by=call.actor.login,
        seconds=application.config.plugin_seconds * PATIENCE,
    )
    with application.unit_of_work(call.actor) as uow:
        return _shown(call, uow, name)


@api.post("/plugins/<name>/disable", result=PluginResult, status=202, right=activation.MANAGE)
def disable_plugin(call: Call, name: str) -> Mapping[str, Any]:
    """Take a plugin out of use, its data stays; servers drop it within a second (is_served)."""
    activation.disable_plugin(call.uow, call.request.application.installed_plugins, name)
    return _shown(call, call.uow, name)


@api.get("/audit", query=AuditQuery, page=AuditResult, right=AUDIT_VIEW)
def audit(call: Call) -> Page[dict[str, Any]]:
    """List who changed what, newest first."""
    return list_audit(call.uow, **call.query)


@api.get("/deliveries", query=DeliveryQuery, page=DeliveryResult, right=DELIVERY_VIEW)
def list_deliveries(call: Call) -> Page[dict[str, Any]]:
    """List what events were handed to, newest first."""
    return deliveries.list_deliveries(call.uow, **call.query)


@api.post(f"{DELIVERY}/retry", right=deliveries.MANAGE)
def retry_delivery(call: Call, delivery_id: int) -> None:
    """Have a delivery tried again."""
    deliveries.retry_delivery(call.uow, delivery_id)


@api.post(f"{DELIVERY}/drop", right=deliveries.MANAGE)
def drop_delivery(call: Call, delivery_id: int) -> None:
    """Leave a delivery out for good."""
    deliveries.drop_delivery(call.uow, delivery_id)


@api.get("/mail", query=PageQuery, page=MailResult, right=mail.VIEW)
def list_mail(call: Call) -> Page[dict[str, Any]]:
    """List mail, what waits and what was sent of late, the latest first."""
    return mail.list_mail(call.uow, **call.query)


@api.post("/mail/<uuid:mail_id>/retry", right=mail.MANAGE)
def retry_mail(call: Call, mail_id: UUID) -> None:
    """Have a mail that waits sent at once."""
    mail.retry_mail(call.uow, mail_id)
