"""Searching customers by name, e-mail, phone, VAT or reference, in any script."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import Select

from crm_core.access import Actor, Reach
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.paging import Page, check_limit
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.search.entry import code_words, contact_word, spaced
from crm_core.search.find import Found, Shown, find, matching, near, shown
from crm_core.search.fold import tokens
from crm_core.search.query import Query, parse

DEFAULT_LIMIT = 20


@dataclass(frozen=True, slots=True)
class CustomerHit:
    """One customer found.

    Attributes:
        city: Of the main address.
        email: The first one.
        phone: The first telephone or mobile number.
        matched: Where something of the query was found first: ``name``, ``reference``, ``vat``, or
            a kind of contact point such as ``email``.
    """

    id: UUID
    name: str
    kind: str
    reference: str | None
    city: str | None
    email: str | None
    phone: str | None
    owner_id: UUID | None
    archived: bool
    matched: str


def search_customers(
    uow: UnitOfWork,
    text: str,
    *,
    limit: int = DEFAULT_LIMIT,
    include_archived: bool = False,
    cursor: str | None = None,
) -> Page[CustomerHit]:
    """Return customers in whose name, e-mail, phone, VAT or reference all words are found.

    A word is found where it begins a word there and, from three letters on, inside of words too.
    First come names that begin with the text as typed, then other words that begin with it, then
    those that hold it.

    Args:
        uow: Where, and on whose behalf.
        text: What to look for, up to 200 characters; accents, case and grouping do not matter.
        limit: Hits a page, 1 to 1,000.
        include_archived: Whether archived customers are found.
        cursor: ``next_cursor`` of the page before; None for the first.

    Raises:
        InputError: The text holds no letter or digit or is too long; the limit is out of range;
            the cursor is not one of this list.
        PermissionDeniedError: The actor lacks ``core.customer.view``.
    """
    uow.actor.require(CUSTOMER_VIEW)
    check_limit(limit)
    query = parse(text)
    uow.flush()
    found = find(
        uow.connection(),
        query,
        limit=limit + 1,
        owners=_owners(uow.actor),
        include_archived=include_archived,
        after=None if cursor is None else _decoded(cursor),
    )
    next_cursor = _encoded(found[limit - 1]) if len(found) > limit else None
    # Positions sort by the first letters only; within a page names are put in full order.
    ids = [entry.customer_id for entry in sorted(found[:limit])]
    # The index narrowed the search to the actor's customers; what counts is who owns them now.
    hits = [
        _hit(query, customer)
        for customer in (shown(uow.connection(), ids) if ids else ())
        if uow.actor.may_for_owner(CUSTOMER_VIEW, customer.owner_id)
    ]
    return Page(hits, next_cursor)


def found_ids(uow: UnitOfWork, text: str) -> Select[UUID]:
    """Return a select of the ids of all customers that a text finds, to be joined with conditions.

    Archived ones are among them, and on other conditions than the caller's nobody is left out; the
    session scopes the customers that it is joined with.

    Raises:
        InputError: The text holds no letter or digit, or is too long.
    """
    return matching(uow.session.connection(), parse(text), owners=_owners(uow.actor))


def near_ids(uow: UnitOfWork, beginnings: Collection[str], *, most: int) -> list[Select[UUID]]:
    """Return a select for each beginning of a word: ids of some customers in use who have such one.

    The session scopes the customers that they are joined with.
    """
    return near(uow.session.connection(), beginnings, owners=_owners(uow.actor), most=most)


def _owners(actor: Actor) -> set[UUID] | None:
    """Return whose customers the actor may see; None for everybody's."""
    reach = actor.reach(CUSTOMER_VIEW)
    if reach is Reach.ALL:
        return None
    own = {actor.user_id} if actor.user_id else set()
    return own | actor.team_user_ids if reach is Reach.TEAM else own


def _hit(query: Query, customer: Shown) -> CustomerHit:
    first = {kind: value for kind, value, _ in reversed(customer.contacts)}
    matched = (field for field, words in _fields(customer) if query.touches(spaced(words)))
    return CustomerHit(
        id=customer.id,
        name=customer.name,
        kind=customer.kind,
        reference=customer.reference,
        city=customer.city,
        email=first.get("email"),
        phone=first.get("phone") or first.get("mobile"),
        owner_id=customer.owner_id,
        archived=customer.is_archived,
        matched=next(matched, ""),
    )


def _fields(customer: Shown) -> Iterator[tuple[str, list[str]]]:
    yield "name", tokens(customer.name)
    yield "reference", code_words(customer.reference or "")
    yield "vat", code_words(customer.vat or "")
    for contact in customer.contacts:
        yield contact[0], [contact_word(*contact)]


def _encoded(entry: Found) -> str:
    text = orjson.dumps([entry.stage, entry.name_key, entry.position])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[int, str, int]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        stage, name_key, position = orjson.loads(base64.urlsafe_b64decode(padded))
        if (type(stage), type(name_key), type(position)) != (int, str, int):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error):
        raise InputError(
            t("This cursor does not belong to this list: leave it out to begin at the first page."),
            code="core.page.cursor",
        ) from None
    return stage, name_key, position
