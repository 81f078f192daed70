"""How things are shown: words, numbers, money and moments in the reader's language and zone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, g, request, url_for
from markupsafe import Markup, escape

from crm_core.locale_format import Place
from crm_core.messages import LANGUAGES, RIGHT_TO_LEFT, say, spoken_language, t, translations
from crm_core.record_words import field_words
from crm_web.assets import asset
from crm_web.dispatch import panels_at
from crm_web.labels import label
from crm_web.opening import THEME_COOKIE, THEMES, form_token, take_notices
from crm_web.sdk.pages import Menu

CORE = "crm_core"
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrom": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
"""By a mark in what a browser says of itself; the first that fits counts, for all claim much."""


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
        month=lambda value: place().month(value),
        span=lambda value: place().span(value),
        country=lambda value: place().country(value) if value else "",
        tongue=lambda value: place().tongue(value) if value else "",
        module=module_words,
        browser=browser,
        value=value,
        label=own_label,
        field_words=own_field_words,
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


def browser(agent: str | None) -> str:
    """Return what people call the browser that names itself so, and what it runs on."""
    name = next((name for mark, name in BROWSERS.items() if mark in (agent or "")), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in (agent or "")), "")
    if name and system:
        return say(t("{browser} on {system}", browser=name, system=system))
    return name or (agent or "–")[:60]


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
    menus = current_app.extensions["crm"].menus
    if "menu_place" not in g:  # the entry whose address is the most of this page's
        known = [url_for(entry[0]) for entries in menus.values() for entry in entries]
        within = [
            each
            for each in known
            if each != "/" and f"{request.path}/".startswith(f"{each.rstrip('/')}/")
        ]
        g.menu_place = max(within, key=len, default=request.path)
    may = [
        (url_for(endpoint), entry)
        for endpoint, right, entry in menus.get(section, ())
        if g.request.may(right)
    ]
    return [(address, entry, address == g.menu_place) for address, entry in may]


def plugin_sections() -> list[tuple[str, str]]:
    """Return the sections of the menu that plugins have of their own, each with its heading."""
    web = current_app.extensions["crm"]
    loaded = web.application.plugins.plugins
    return [(name, say(loaded[name].manifest.title)) for name in web.menus if name in loaded]


def module_words(module: str) -> str:
    """Return what people call where an entry of a timeline comes from: a plugin, by its title."""
    plugin = current_app.extensions["crm"].application.plugins.plugins.get(module.partition(".")[0])
    return say(plugin.manifest.title) if plugin else label(module, "module")


def own_label(word: str | None, topic: str) -> str:
    """Return what people read for a word kept; records of a plugin it names itself."""
    declared = current_app.extensions["crm"].application.plugins.entities
    if topic == "entity" and word in declared:
        return say(declared[word].title)
    return label(word, topic)


def own_field_words(path: str, entity: str) -> str:
    """Return what people read for a field of records, which may be a plugin's."""
    declared = current_app.extensions["crm"].application.plugins.entities
    return say(field_words(path, entity, declared))


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
