"""The web application of one database: the pages of all plugins in use, put together."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog
from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from crm_core.bootstrap import Application
from crm_core.errors import ConfigurationError, CrmError
from crm_core.plugins.discovery import FAILURES, described
from crm_hooks.contributions import WebModule
from crm_web import assets, opening, shown
from crm_web.api.mount import mount
from crm_web.compression import compressed
from crm_web.dispatch import PageView
from crm_web.problems import broken, problem, refused
from crm_web.sdk.api import Api
from crm_web.sdk.pages import Menu, Pages, Panel
from crm_web.security import secured

log = structlog.get_logger(__name__)
MOST_BYTES = 64 * 1024 * 1024
MOST_FORM_BYTES = 2 * 1024 * 1024
OWN = "web"
P = TypeVar("P", Pages, Api)


@dataclass
class Web:
    """What the application is made of.

    Attributes:
        application: The product.
        menus: Entries by section, in order: endpoint, the right that its page takes, entry.
        panels: Parts of pages by place, in order.
        shown: Entity to the page that shows its records, and what its path calls their id.
        faults: Plugins whose pages are left out, with the reason.
        packages: Whose catalogues the templates speak with.
        openapi: Makes the document that describes the API.
    """

    application: Application
    menus: dict[str, list[tuple[str, str, Menu]]] = field(default_factory=lambda: defaultdict(list))
    panels: dict[str, list[Panel]] = field(default_factory=lambda: defaultdict(list))
    shown: dict[str, tuple[str, str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    openapi: Callable[[], dict[str, Any]] = dict


def create_app(application: Application, *, trusted_proxies: int = 0) -> Flask:
    """Return the WSGI application of a database.

    Args:
        application: The product.
        trusted_proxies: How many proxies stand before it and set ``X-Forwarded-…``; with 0 those
            headers are not believed.
    """
    app = Flask("crm_web", static_folder=None, template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_MEMORY_SIZE=MOST_FORM_BYTES)
    app.url_map.strict_slashes = False
    web = app.extensions["crm"] = Web(application)
    shown.install(app)
    static: dict[str, Path] = {}
    for module, pages in _loaded(web, "pages", Pages):
        web.packages = tuple(dict.fromkeys((*web.packages, pages.package.partition(".")[0])))
        folder = Path(str(importlib.import_module(pages.package).__file__)).parent
        _add(app, web, pages, folder / "templates")
        if (folder / "static").is_dir() and _plugin(module) != OWN:
            static[_plugin(module)] = folder / "static"
    for entries in web.menus.values():
        entries.sort(key=lambda entry: entry[2].position)
    for panels in web.panels.values():
        panels.sort(key=lambda panel: panel.position)
    app.register_blueprint(assets.blueprint(static))
    mount(app, [api for _, api in _loaded(web, "api", Api)])
    app.before_request(opening.open_request)
    app.after_request(opening.write_cookies)
    app.after_request(secured)
    app.after_request(compressed)
    app.teardown_request(opening.close_request)
    app.register_error_handler(CrmError, problem)
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(Exception, broken)
    if trusted_proxies:
        number = trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=number, x_proto=number, x_host=number
        )
    return app


def _loaded(web: Web, part: str, kind: type[P]) -> Iterator[tuple[WebModule, P]]:
    """Import a part of all plugins in use; one that fails is left out with the reason."""
    for module in web.application.plugins.web_modules.values():
        reference: str = getattr(module, part)
        if not reference:
            continue
        path, _, attribute = reference.partition(":")
        try:
            found = getattr(importlib.import_module(path), attribute)
            _check(module, found, kind)
        except FAILURES as error:
            log.warning("left out", plugin=_plugin(module), part=part, exc_info=True)
            web.faults[_plugin(module)] = described(error)
            continue
        yield module, found


def _plugin(module: WebModule) -> str:
    return module.name.partition(".")[0]


def _check(module: WebModule, found: Any, kind: type[P]) -> None:
    if not isinstance(found, kind):
        raise ConfigurationError(f"{module.name}: that is no crm_web.sdk.{kind.__name__}.")
    plugin = _plugin(module)
    own = found.name == plugin or found.name.startswith(f"{plugin}_")
    below = found.path == f"/{found.name}" or f"{found.path}/".startswith(f"/{plugin}/")
    if plugin != OWN and not (own and below):
        raise ConfigurationError(f"What {plugin} adds must be called {plugin} or {plugin}_….")


def _add(app: Flask, web: Web, pages: Pages, templates: Path) -> None:
    blueprint = Blueprint(pages.name, pages.package, template_folder=str(templates))
    app.register_blueprint(blueprint, url_prefix=pages.path)
    for route in pages.routes:
        endpoint = f"{pages.name}.{route.name}"
        rule = (pages.path.rstrip("/") + route.rule).rstrip("/") or "/"
        app.add_url_rule(rule, endpoint, PageView(route), methods=[route.method])
        if route.menu is not None:
            web.menus[route.menu.section].append((endpoint, route.right, route.menu))
        if route.shows:
            web.shown[route.shows] = endpoint, route.rule.partition("<uuid:")[2].partition(">")[0]
    for panel in pages.panels:
        web.panels[panel.place].append(panel)
