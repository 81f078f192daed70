"""Saved views: queries on lists, kept under a name by one user for themselves or for others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.user import User
from crm_core.entities.view import SavedView, Sharing
from crm_core.errors import DuplicateError, PermissionDeniedError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import expect_version, filled, one_of
from crm_core.services.customer_list import check_query
from crm_core.services.customer_list_query import list_text, parse_list_query

SHARE = "core.view.share"
CUSTOMERS = "customers"
MOST_VIEWS = 200
"""Views that one user keeps."""


def add_view(
    uow: UnitOfWork,
    name: str,
    query: str,
    *,
    list_name: str = CUSTOMERS,
    sharing: str = Sharing.NOBODY.value,
    is_default: bool = False,
) -> SavedView:
    """Keep a query under a name, for the actor.

    Args:
        uow: A writing unit of work.
        name: What people read; each user has it once a list.
        query: The text of a link to the list, as ``list_text`` gives it.
        list_name: Which list; what a query of a plugin's list means is the plugin's matter.
        sharing: ``nobody``, ``team`` or ``everybody``.
        is_default: Whether the actor's list begins with it, instead of another.

    Raises:
        InputError: The query cannot be asked, or there is no name.
        DuplicateError: The actor has a view of this name.
        PermissionDeniedError: Sharing with everybody takes the right ``core.view.share``.
        RuleViolationError: The actor is no user, or has too many views.
    """
    uow.actor.require(CUSTOMER_VIEW)
    owner_id = uow.actor.user_id
    if owner_id is None:
        raise RuleViolationError(t("A view belongs to a user."), code="core.saved_view.no_owner")
    own = uow.scalars(select(SavedView.id).where(SavedView.owner_id == owner_id)).all()
    if len(own) >= MOST_VIEWS:
        raise RuleViolationError(
            t("You keep {most} views already: remove some first.", most=MOST_VIEWS),
            code="core.saved_view.too_many",
        )
    view = SavedView(
        name=_free_name(uow, owner_id, list_name, name),
        list_name=filled(list_name, "list"),
        query=_checked(uow, list_name, query),
        owner_id=owner_id,
        sharing=_permitted(uow, sharing),
        is_default=False,
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.add(view)
    if is_default:
        _make_default(uow, view)
    uow.flush()
    return view


def change_view(
    uow: UnitOfWork,
    view_id: UUID,
    *,
    name: str | None = None,
    query: str | None = None,
    sharing: str | None = None,
    is_default: bool | None = None,
    expected_version: int | None = None,
) -> SavedView:
    """Change what is given of a view; None leaves it.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: It is another's, or sharing with everybody takes a right.
        StaleVersionError: It was changed since it was read.
        InputError: The query cannot be asked.
    """
    view = _own_view(uow, view_id)
    expect_version(view, expected_version)
    changes: dict[str, Any] = {"updated_at": uow.now}
    if name is not None and name.strip() != view.name:
        changes["name"] = _free_name(uow, view.owner_id, view.list_name, name)
    if query is not None:
        changes["query"] = _checked(uow, view.list_name, query)
    if sharing is not None:
        changes["sharing"] = _permitted(uow, sharing)
    if is_default:
        _make_default(uow, view)
    elif is_default is False:
        view.is_default = False
    for column, value in changes.items():
        setattr(view, column, value)
    uow.flush()
    return view


def remove_view(uow: UnitOfWork, view_id: UUID) -> None:
    """Remove a view.

    Raises:
        NotFoundError: There is none that the actor may see.
        PermissionDeniedError: It is another's.
    """
    uow.delete(_own_view(uow, view_id))
    uow.flush()


def list_views(uow: UnitOfWork, list_name: str = CUSTOMERS) -> list[dict[str, Any]]:
    """Return the views of a list that the actor may use: their own first, then by name.

    Dicts of ``id, name, query, sharing, is_default, owner_id, owner_name, is_own, version``.
    """
    uow.actor.require(CUSTOMER_VIEW)
    names = ("id", "name", "query", "sharing", "is_default", "owner_id", "version")
    statement = (
        select(*(getattr(SavedView, each) for each in names), User.name.label("owner_name"))
        .join(User, User.id == SavedView.owner_id)
        .where(SavedView.list_name == list_name)
        .order_by(SavedView.name, SavedView.id)
    )
    rows = [dict(row._mapping) for row in uow.execute(statement)]
    for row in rows:
        row["is_own"] = row["owner_id"] == uow.actor.user_id
        row["is_default"] = row["is_default"] and row["is_own"]
    return sorted(rows, key=lambda row: not row["is_own"])


def default_query(uow: UnitOfWork, list_name: str = CUSTOMERS) -> str:
    """Return the query that the actor's list begins with; blank where none was chosen."""
    chosen: str | None = uow.scalar(
        select(SavedView.query).where(
            SavedView.owner_id == uow.actor.user_id,
            SavedView.list_name == list_name,
            SavedView.is_default,
        )
    )
    return chosen or ""


def _own_view(uow: UnitOfWork, view_id: UUID) -> SavedView:
    uow.actor.require(CUSTOMER_VIEW)
    view = uow.get(SavedView, view_id)
    shared = view.sharing != Sharing.NOBODY.value
    if view.owner_id != uow.actor.user_id and not (shared and uow.actor.may(SHARE)):
        raise PermissionDeniedError(
            t(
                "The view {name} belongs to another: keep a copy under a name of your own.",
                name=view.name,
            ),
            code="core.saved_view.foreign",
            details={"id": str(view_id)},
        )
    return view


def _checked(uow: UnitOfWork, list_name: str, text: str) -> str:
    if list_name != CUSTOMERS:
        return text.strip()
    query = parse_list_query(text)
    check_query(uow, query)
    return list_text(query)


def _permitted(uow: UnitOfWork, sharing: str) -> str:
    sharing = one_of(Sharing, sharing, "sharing")
    if sharing == Sharing.EVERYBODY:
        uow.actor.require(SHARE)
    return sharing


def _free_name(uow: UnitOfWork, owner_id: UUID, list_name: str, name: str) -> str:
    name = filled(name, "name")
    taken = select(SavedView.id).where(
        SavedView.owner_id == owner_id, SavedView.list_name == list_name, SavedView.name == name
    )
    if uow.scalar(taken) is not None:
        raise DuplicateError(
            t("There is a view {name} already: choose another name.", name=name),
            code="core.saved_view.exists",
        )
    return name


def _make_default(uow: UnitOfWork, view: SavedView) -> None:
    others = select(SavedView).where(
        SavedView.owner_id == view.owner_id,
        SavedView.list_name == view.list_name,
        SavedView.is_default,
    )
    for other in uow.scalars(others):
        other.is_default = False
    view.is_default = True
