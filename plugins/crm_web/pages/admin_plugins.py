"""Plugins: which are in use, and why one is not."""

from __future__ import annotations

from flask import current_app
from werkzeug.wrappers import Response

from crm_core.messages import t
from crm_core.plugins.activation import MANAGE, disable_plugin, enable_plugin, list_plugins
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("admin_plugins", __name__, title="Plugins", prefix="/admin/plugins")
PATIENCE = 3.0
"""How much longer one may take when it is enabled than at every start."""


@pages.get("/", right=MANAGE, menu=Menu(t("Plugins"), "plug", "admin", position=40))
def plugins(request: Request) -> str:
    """List the plugins that are installed, or were."""
    application = request.application
    found = list_plugins(request.uow, application.installed_plugins, application.plugins)
    faults: dict[str, str] = current_app.extensions["crm"].faults
    return request.render("web/admin/plugins.html", plugins=found, faults=faults)


@pages.post("/<name>/enable", right=MANAGE)
def enable(request: Request, name: str) -> Response:
    """Take a plugin into use: it makes its tables in transactions of its own."""
    application = request.application
    assert request.actor is not None
    enable_plugin(
        application.database,
        application.installed_plugins,
        name,
        by=request.actor.login,
        seconds=application.config.plugin_seconds * PATIENCE,
    )
    return request.done(t("{name} is in use.", name=name), to="admin_plugins.plugins")


@pages.post("/<name>/disable", right=MANAGE)
def disable(request: Request, name: str) -> Response:
    """Take a plugin out of use; its data stays."""
    disable_plugin(request.uow, request.application.installed_plugins, name)
    said = t("{name} is off; its data stays.", name=name)
    return request.done(said, to="home.home" if name == "web" else "admin_plugins.plugins")
