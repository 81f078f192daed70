"""Settings that plugins declare: their values, and what administrators make of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from crm_core.entities.system import Setting
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.secret_refs import is_reference
from crm_hooks.contributions import PluginSetting

_YES_NO = {"yes": True, "true": True, "on": True, "1": True}
_YES_NO |= {"no": False, "false": False, "off": False, "0": False}


def values_of(uow: UnitOfWork, declared: Iterable[PluginSetting]) -> dict[str, Any]:
    """Return the values of some settings by name, with the defaults of those never set."""
    found = {each.name: each.default for each in declared}
    statement = select(Setting.key, Setting.value).where(Setting.key.in_(sorted(found)))
    return found | {row.key: row.value for row in uow.execute(statement)}


def list_plugin_settings(uow: UnitOfWork) -> list[tuple[PluginSetting, Any]]:
    """Return what plugins in use declare, each with its value."""
    declared = list(uow.hooks.settings.values())
    values = values_of(uow, declared)
    return [(each, values[each.name]) for each in declared]


def value_from(uow: UnitOfWork, declared: PluginSetting, text: str) -> Any:
    """Return what is kept of what was typed for a setting; nothing typed is its default.

    Raises:
        InputError: It will not do.
    """
    text = text.strip()
    if not text:
        return declared.default
    try:
        value = _KINDS[declared.kind](declared, text)
    except ValueError as error:
        raise InputError(
            t("{title}: {reason}", title=declared.title, reason=error.args[0]),
            code="core.setting.invalid",
            details={"setting": declared.name},
        ) from None
    if declared.check:
        what = t("The check of {name}", name=declared.name)
        return uow.hooks.call(declared.check, what, uow, value)
    return value


def _text(_declared: PluginSetting, text: str) -> str:
    if len(text) > 1_000 or "\x00" in text:
        raise ValueError(t("it is longer than 1,000 characters: shorten it."))
    return text


def _whole(declared: PluginSetting, text: str) -> int:
    least, most = declared.least, declared.most
    if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
        raise ValueError(t("give a whole number from {least} to {most}.", least=least, most=most))
    return int(text)


def _yes_no(_declared: PluginSetting, text: str) -> bool:
    if text.lower() not in _YES_NO:
        raise ValueError(t("say yes or no."))
    return _YES_NO[text.lower()]


def _choice(declared: PluginSetting, text: str) -> str:
    known = [value for value, _ in declared.choices]
    if text not in known:
        raise ValueError(t("choose one of {choices}.", choices=", ".join(known)))
    return text


def _list(declared: PluginSetting, text: str) -> list[str]:
    return list(dict.fromkeys(_text(declared, text).replace(",", " ").split()))


def _secret(_declared: PluginSetting, text: str) -> str:
    if not is_reference(text):
        raise ValueError(
            t("a secret is told by where it is kept: file:PATH, env:NAME or keyring:NAME.")
        )
    return text


_KINDS = {
    "text": _text,
    "whole": _whole,
    "yes_no": _yes_no,
    "choice": _choice,
    "list": _list,
    "secret": _secret,
}
