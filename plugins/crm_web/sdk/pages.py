"""Declaring pages, menu entries and panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

View = Callable[..., Any]
V = TypeVar("V", bound=View)
ANYBODY = ""
"""The right of a page that every signed-in user may open."""


@dataclass(frozen=True, slots=True)
class Menu:
    """An entry of the menu.

    Attributes:
        title: What it says.
        icon: Name of a symbol in the icon sheet; see ``crm_web/static/icons.svg``.
        section: ``work``, ``admin`` or the name of a plugin's own.
        position: Lower comes first.
    """

    title: str
    icon: str = "dot"
    section: str = "work"
    position: int = 50


@dataclass(frozen=True, slots=True)
class Route:
    """One page.

    Attributes:
        name: Its function's: ``cards``; links name it ``loyalty.cards``.
        rule: Its path below the prefix, in Werkzeug's words.
        method: ``GET`` or ``POST``.
        view: What answers.
        right: What it takes to open it; empty for every user.
        is_public: Whether it opens without signing in; it is given no unit of work.
        menu: Its entry, or None.
        own_work: Whether it is given no unit of work, for it opens those that it needs itself.
        steps: What the user may still have to do to finish signing in while it opens all the same.
        shows: The entity whose record it shows, or empty: what names such a record leads here.
    """

    name: str
    rule: str
    method: str
    view: View
    right: str
    is_public: bool = False
    menu: Menu | None = None
    own_work: bool = False
    steps: tuple[str, ...] = ()
    shows: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of somebody else's page, such as the customer card.

    Attributes:
        place: The page it stands on: ``customer``, ``home``, ``backend``.
        title: Its heading.
        view: ``view(request, **what the page is about) -> str``: markup, or an empty text for
            nothing to show. What fails here says so in its own frame.
        right: What it takes to see it.
        position: Lower comes first.
    """

    place: str
    title: str
    view: View
    right: str
    position: int = 50


@dataclass
class Pages:
    """The pages of one plugin, or one part of them.

    Args:
        name: The plugin's own, or beginning with it and an underscore.
        package: ``__name__`` of the module, by which templates are found: they lie in
            ``templates/<name>/`` beside it.
        title: What people read.
        prefix: Where its paths begin; ``/<name>`` unless said.
    """

    name: str
    package: str
    title: str
    prefix: str | None = None
    routes: list[Route] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where its paths begin."""
        return f"/{self.name}" if self.prefix is None else self.prefix

    def get(
        self,
        rule: str,
        *,
        right: str,
        menu: Menu | None = None,
        is_public: bool = False,
        own_work: bool = False,
        steps: tuple[str, ...] = (),
        shows: str = "",
    ) -> Callable[[V], V]:
        """Declare a page that only reads.

        Args:
            rule: Its path below the prefix: ``/`` or ``/<uuid:card_id>``.
            right: What it takes to open it; ``ANYBODY`` for every signed-in user.
            menu: Its entry in the menu; None for none.
            is_public: Whether it opens without signing in, such as an offer behind a signed link.
            own_work: Whether it is given no unit of work, for it opens those that it needs itself:
                one that waits for somebody else must not hold a transaction open meanwhile.
            steps: For the pages of signing in; nobody else's.
            shows: The entity whose record it shows, such as ``loyalty_card``, by the id that its
                path has: cards on the first page that name such records lead here.
        """
        return self._declare("GET", rule, right, is_public, menu, own_work, steps, shows)

    def post(
        self,
        rule: str,
        *,
        right: str,
        is_public: bool = False,
        own_work: bool = False,
        steps: tuple[str, ...] = (),
    ) -> Callable[[V], V]:
        """Declare what a form or script sends to; see :meth:`get`."""
        return self._declare("POST", rule, right, is_public, None, own_work, steps)

    def panel(self, place: str, title: str, *, right: str, position: int = 50) -> Callable[[V], V]:
        """Declare a part of somebody else's page; see :class:`Panel`."""

        def declared(view: V) -> V:
            self.panels.append(Panel(place, title, view, right, position))
            return view

        return declared

    def _declare(
        self,
        method: str,
        rule: str,
        right: str,
        is_public: bool,
        menu: Menu | None,
        own_work: bool,
        steps: tuple[str, ...],
        shows: str = "",
    ) -> Callable[[V], V]:
        def declared(view: V) -> V:
            name = view.__name__
            if any(route.name == name for route in self.routes):
                raise ValueError(f"{self.name} has two pages called {name}")
            self.routes.append(
                Route(name, rule, method, view, right, is_public, menu, own_work, steps, shows)
            )
            return view

        return declared
