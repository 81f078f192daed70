"""Settings of the company and of plugins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from werkzeug.wrappers import Response

from crm_core.errors import InputError, NotFoundError, StaleVersionError
from crm_core.messages import LANGUAGES, n, t
from crm_core.services.plugin_settings import list_plugin_settings
from crm_core.services.settings import EDIT, load_settings, right_to_set, set_setting
from crm_hooks.contributions import PluginSetting
from crm_web.pages.meanwhile import laid_over
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("admin_settings", __name__, title="Settings", prefix="/admin/settings")
OWN = {
    "company": (t("Company"), t("What stands above every page and in mails.")),
    "base_currency": (t("Currency"), t("ISO code that totals are also told in, such as EUR.")),
    "time_zone": (t("Time zone"), t("Such as Europe/Athens, for whoever has chosen none.")),
    "language": (t("Language"), t("Such as el-GR, for whoever has chosen none.")),
    "phone_region": (t("Country of phones"), t("For numbers without a prefix, such as GR.")),
}


@pages.get("/", right=EDIT, menu=Menu(t("Settings"), "cog", "admin", position=50))
def settings(request: Request) -> str:
    """Show all settings that one may change."""
    return _shown(request)


def _shown(request: Request, wrong: dict[str, str] | None = None, **sent: Any) -> str:
    own = asdict(load_settings(request.uow))
    groups: dict[str, list[tuple[PluginSetting, str]]] = {}
    for declared, value in list_plugin_settings(request.uow):
        if not request.may(right_to_set(declared)):
            continue
        plugin = declared.name.partition(".")[0]
        groups.setdefault(plugin, []).append((declared, _typed(value)))
    titles = {
        name: loaded.manifest.title for name, loaded in request.application.plugins.plugins.items()
    }
    return request.render(
        "web/admin/settings.html",
        own=[(key, *told, own[key] or "") for key, told in OWN.items()],
        groups=groups,
        titles=titles,
        wrong=wrong or {},
        sent=sent,
        languages=LANGUAGES,
    )


def _typed(value: Any) -> str:
    """Return a value as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


@pages.post("/", right=EDIT)
def change(request: Request) -> Response:
    """Set what was changed; nothing is saved while something will not do."""
    own = asdict(load_settings(request.uow))
    before = {key: str(own[key] or "") for key in OWN}
    before |= {d.name: _typed(value) for d, value in list_plugin_settings(request.uow)}
    typed, theirs = laid_over(request.form, before)
    if theirs:
        page = _shown(request, before=before, typed=typed, theirs=theirs)
        return Response(
            page, StaleVersionError.http_status, content_type="text/html; charset=utf-8"
        )
    changed = {key: typed[key] for key in before if typed[key] != before[key]}
    wrong: dict[str, str] = {}
    for key, text in changed.items():
        try:
            set_setting(request.uow, key, text)
        except (InputError, NotFoundError) as error:
            wrong[key] = error.message
    if wrong:
        page = _shown(request, wrong, before=before, typed=typed)
        return Response(page, 422, content_type="text/html; charset=utf-8")
    said = n("{count} setting changed.", "{count} settings changed.", len(changed))
    return request.done(said, to="admin_settings.settings")
