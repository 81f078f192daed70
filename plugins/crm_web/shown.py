"""How things are shown: words, numbers, money and moments in the reader's language and zone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, g, request, url_for
from markupsafe import Markup, escape

from crm_core.locale_format import Place
from crm_core.messages import LANGUAGES, RIGHT_TO_LEFT, say, spoken_language, translations
from crm_web.assets import asset
from crm_web.dispatch import panels_at
from crm_web.labels import label
from crm_web.opening import THEME_COOKIE, THEMES, form_token, take_notices
from crm_web.sdk.pages import Menu

CORE = "crm_core"


def install(app: Flask) -> None:
    """Give the templates what they show with."""
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: _catalogue().gettext(text),
        lambda one, many, count: _catalogue().ngettext(one, many, count),
        newstyle=True,
        pgettext=lambda context, text: _catalogue().pgettext(context, text),
        npgettext=lambda context, *texts: _catalogue().npgettext(context, *texts),
    )
    environment.filters.update(
        number=lambda value: _or_dash(value, place().number),
        percent=lambda value: _or_dash(value, place().percent),
        day=lambda value: _or_dash(value, place().day),
        money=money,
        moment=moment,
        ago=ago,
        value=value,
        label=label,
        say=say,
        size=size,
    )
    environment.globals.update(
        asset=asset,
        csrf=lambda: Markup('<input type="hidden" name="_csrf" value="{}">').format(form_token()),
        direction=lambda: "rtl" if spoken_language() in RIGHT_TO_LEFT else "ltr",
        form_token=form_token,
        icon=icon,
        language=spoken_language,
        languages=LANGUAGES,
        menu=menu,
        ngettext=counted,
        notices=take_notices,
        panels_at=panels_at,
        plugin_sections=plugin_sections,
        theme=theme,
    )


def place() -> Place:
    """Return where the reader is."""
    asked = g.request
    zone = asked.viewer.time_zone if asked.viewer else asked.settings.time_zone
    return Place.of(spoken_language(), zone)


def money(amount: Decimal | None, currency_code: str) -> str:
    """Return an amount with its currency."""
    return place().money(amount, currency_code) or "–"


def moment(at: datetime | None) -> Markup | str:
    """Return a moment in the reader's zone, with the exact one on hover."""
    if at is None:
        return "–"
    return _time(at, str(place().moment(at)))


def ago(at: datetime | None) -> Markup | str:
    """Return how long ago a moment was, with the exact one on hover."""
    if at is None:
        return "–"
    return _time(at, place().ago(at, datetime.now(at.tzinfo)))


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    units = ("B", "kB", "MB", "GB")
    power = min((max(count, 1).bit_length() - 1) // 10, len(units) - 1)
    amount = Decimal(count) / (1 << 10 * power)
    return f"{place().number(round(amount, 1 if power and amount < 10 else None))} {units[power]}"


def value(what: Any) -> Any:
    """Return whatever a plugin gives, as it is shown by its type."""
    if isinstance(what, datetime):
        return moment(what)
    if isinstance(what, date):
        return place().day(what)
    if isinstance(what, int | float | Decimal) and not isinstance(what, bool):
        return place().number(what)
    return "–" if what is None or what == "" else what


def icon(name: str, *, turns: bool = False) -> Markup:
    """Return a symbol; one that ``turns`` points the other way in right-to-left languages."""
    return _drawn(f"{asset('web', 'icons.svg')}#{name}", "icon turns" if turns else "icon")


@lru_cache(maxsize=1_024)
def _drawn(address: str, kind: str) -> Markup:
    return Markup('<svg class="{}" aria-hidden="true"><use href="{}"></use></svg>').format(
        kind, address
    )


def counted(one: str, many: str, num: int, /, **variables: Any) -> Markup:
    """Return a text about so many things, the number written as the reader writes numbers."""
    text = _catalogue().ngettext(one, many, num).replace("%(num)d", "%(num)s")
    return Markup(text) % {"num": place().number(num), **variables}  # noqa: S704  our own text


def menu(section: str) -> list[tuple[str, Menu, bool]]:
    """Return a section's entries that the viewer may open: address, entry, whether it is open."""
    asked, found = g.request, []
    for endpoint, right, entry in current_app.extensions["crm"].menus.get(section, ()):
        if asked.may(right):
            here = (request.endpoint or "").partition(".")[0] == endpoint.partition(".")[0]
            found.append((url_for(endpoint), entry, here))
    return found


def plugin_sections() -> list[tuple[str, str]]:
    """Return the sections of the menu that plugins have of their own, each with its heading."""
    web = current_app.extensions["crm"]
    loaded = web.application.plugins.plugins
    return [(name, say(loaded[name].manifest.title)) for name in web.menus if name in loaded]


def theme() -> str:
    """Return the theme chosen in this browser."""
    chosen = request.cookies.get(THEME_COOKIE, THEMES[0])
    return chosen if chosen in THEMES else THEMES[0]


def _time(at: datetime, text: str) -> Markup:
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), place().exact(at), escape(text)
    )


def _or_dash(what: Any, show: Any) -> str:
    return "–" if what is None else show(what)


def _catalogue() -> Any:
    modules = current_app.extensions["crm"].packages
    return translations(spoken_language(), (*modules, CORE))
