"""Setting up back offices: adding one, its options, its secret, taking it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from crm_core.errors import ConfigurationError, CrmError, InputError
from crm_core.messages import t
from crm_core.secret_refs import forget_in_keyring
from crm_core.services.backend_options import options_of
from crm_core.services.backends import (
    MANAGE,
    backend_named,
    list_backends,
    removal_effects,
    remove_backend,
)
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request
from crm_web.setting_up import add_back_office, change_back_office

if TYPE_CHECKING:
    from crm_core.entities.sync import Backend
    from crm_hooks.contributions import BackendType

pages = Pages("admin_backends", __name__, title="Back offices", prefix="/admin/back-offices")


@pages.get("/", right=MANAGE, menu=Menu(t("Back offices"), "link", "admin", position=30))
def backends(request: Request) -> str:
    """List the back offices, and the kinds that can be added."""
    kinds = request.application.plugins.backend_types
    found = list_backends(request.uow)
    return request.render("web/admin/backends.html", backends=found, kinds=kinds)


@pages.get("/add", right=MANAGE)
def new(request: Request) -> Response | str:
    """Show the form to add a back office of a kind."""
    kind = request.application.plugins.backend_types.get(request.args.get("kind", ""))
    return _form(request, kind) if kind else request.to("admin_backends.backends")


def _form(
    request: Request, kind: BackendType, backend: Backend | None = None, error: str = ""
) -> str:
    typed, config = request.form, backend.config if backend else {}
    options = [
        (
            each,
            typed.get(
                each.name, str(config.get(each.name) or ("" if backend else each.default or ""))
            ),
        )
        for each in options_of(kind)
    ]
    own = {each.name for each in kind.options}
    return request.render(
        "web/admin/backend.html",
        kind=kind,
        backend=backend,
        own=[each for each in options if each[0].name in own],
        general=[each for each in options if each[0].name not in own],
        effects=removal_effects(request.uow, backend.id) if backend else None,
        error=error,
    )


@pages.post("/add", right=MANAGE)
def add(request: Request) -> Response:
    """Add a back office; nothing is asked of it yet."""
    kind, form = request.application.backend_type(request.form.get("kind", "")), request.form
    name = form.get("name", "").strip()
    try:
        add_back_office(
            request.uow,
            request.application,
            kind=kind.name,
            name=name,
            options=form,
            secret=form.get("secret_password", ""),
        )
    except (InputError, ConfigurationError, CrmError) as error:
        if error.http_status == 403:
            raise
        return _again(_form(request, kind, error=error.message), error)
    said = t("{name} was added. Try the connection, then make its plan.", name=name)
    return request.done(said, to="admin_backends.edit", name=name)


def _again(page: str, error: CrmError) -> Response:
    status = 422 if error.http_status >= 500 else error.http_status
    return Response(page, status, content_type="text/html; charset=utf-8")


@pages.get("/of/<name>", right=MANAGE)
def edit(request: Request, name: str) -> str:
    """Show the options of a back office."""
    found = backend_named(request.uow, name)
    return _form(request, request.application.backend_type(found.type), found)


@pages.post("/of/<name>", right=MANAGE)
def change(request: Request, name: str) -> Response:
    """Change the options of a back office; an empty password stays while it goes where it went."""
    found = backend_named(request.uow, name)
    kind, form = request.application.backend_type(found.type), request.form
    try:
        change_back_office(
            request.uow,
            request.application,
            name,
            options=form,
            secret=form.get("secret_password", ""),
        )
    except (InputError, ConfigurationError) as error:
        return _again(_form(request, kind, found, error.message), error)
    return request.done(t("Saved."), to="admin_backends.edit", name=name)


@pages.post("/of/<name>/remove", right=MANAGE)
def remove(request: Request, name: str) -> Response:
    """Take a back office away; customers and documents stay."""
    if request.form.get("again", "").strip() != name:
        return request.back(
            t("Nothing was removed: type its name to go on."),
            otherwise="admin_backends.edit",
            name=name,
        )
    gone: Any = remove_backend(request.uow, name)
    reference = gone.secret_ref
    request.after_commit.append(lambda: forget_in_keyring(reference))
    return request.done(t("{name} was removed.", name=name), to="admin_backends.backends")
