"""Settings that plugins declare with crm_register_settings."""

from __future__ import annotations

from typing import Any

import pytest

from crm_core.access import Actor, Reach
from crm_core.errors import InputError, NotFoundError, PermissionDeniedError
from crm_core.hook_calls import NoHooks
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.plugin_settings import list_plugin_settings, values_of
from crm_core.services.settings import set_setting
from crm_hooks.contributions import PluginSetting

DECLARED = (
    PluginSetting("paper.copies", "Copies", "whole", default=2, least=1, most=9),
    PluginSetting("paper.colour", "Colour", "choice", choices=(("red", "Red"), ("blue", "Blue"))),
    PluginSetting("paper.both_sides", "Both sides", "yes_no", default=False),
    PluginSetting("paper.sizes", "Sizes", "list", default=[]),
    PluginSetting("paper.key", "Key", "secret"),
    PluginSetting("paper.title", "Title", check="crm_paper:check"),
    PluginSetting("paper.lock", "Lock", right="paper.drawer.lock"),
)


class Hooks(NoHooks):
    """One plugin with settings is in use."""

    settings = {each.name: each for each in DECLARED}  # noqa: RUF012

    def call(self, reference: str, what: str, uow: Any, *arguments: Any) -> Any:
        if arguments[0] == "bad":
            raise InputError("Title: not this one.")
        return arguments[0].upper()


@pytest.fixture
def paper(database: Database) -> Database:
    database.hooks = Hooks()
    return database


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("paper.copies", " 7 ", 7),
        ("paper.copies", "", 2),
        ("paper.colour", "blue", "blue"),
        ("paper.both_sides", "Yes", True),
        ("paper.sizes", "A4, A5 A4", ["A4", "A5"]),
        ("paper.key", "env:PAPER_KEY", "env:PAPER_KEY"),
        ("paper.title", "hello", "HELLO"),
    ],
)
def test_a_setting_is_kept_as_its_kind_says(
    paper: Database, system: Actor, name: str, text: str, value: Any
) -> None:
    with unit_of_work(paper, actor=system, write=True) as uow:
        set_setting(uow, name, text)
        uow.commit()
    with unit_of_work(paper, actor=system) as uow:
        assert values_of(uow, DECLARED)[name] == value
        assert {each.name: kept for each, kept in list_plugin_settings(uow)}[name] == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("paper.copies", "0"),
        ("paper.copies", "9" * 5000),
        ("paper.copies", "٣"),
        ("paper.colour", "green"),
        ("paper.both_sides", "maybe"),
        ("paper.key", "the secret itself"),
        ("paper.title", "bad"),
        ("paper.title", "x" * 2000),
    ],
)
def test_what_will_not_do_is_refused(paper: Database, system: Actor, name: str, text: str) -> None:
    with unit_of_work(paper, actor=system, write=True) as uow:
        with pytest.raises(InputError) as refused:
            set_setting(uow, name, text)
        assert "the secret itself" not in refused.value.message


def test_unknown_settings_and_rights(paper: Database, system: Actor) -> None:
    with unit_of_work(paper, actor=system, write=True) as uow:
        with pytest.raises(NotFoundError):
            set_setting(uow, "paper.unknown", "1")
    with unit_of_work(paper, actor=Actor(None, "eleni"), write=True) as uow:
        with pytest.raises(PermissionDeniedError):
            set_setting(uow, "paper.copies", "1")


def test_a_setting_may_ask_for_a_right_of_its_own(paper: Database) -> None:
    edits = Actor(None, "eleni", {"core.settings.edit": Reach.ALL})
    locks = Actor(None, "lena", {"paper.drawer.lock": Reach.ALL})
    for actor, may, may_not in (
        (edits, "paper.copies", "paper.lock"),
        (locks, "paper.lock", "paper.copies"),
    ):
        with unit_of_work(paper, actor=actor, write=True) as uow:
            assert set_setting(uow, may, "3")
            with pytest.raises(PermissionDeniedError) as refused:
                set_setting(uow, may_not, "3")
        assert refused.value.code == "core.permission_denied"
