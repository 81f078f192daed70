"""Hooks about customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_hooks.contributions import (
    CardPanel,
    HomeCard,
    ListColumn,
    NewCustomer,
    Objection,
    TimelineEntry,
    TimelineRequest,
)
from crm_hooks.markers import hookspec


@hookspec
def crm_register_list_columns() -> Sequence[ListColumn]:
    """Add columns to the list of customers, with their filters and their order.

    Called once, at bootstrap, outside any transaction; the implementation must be pure. What the
    columns name is called when a list is read, within the reading transaction of whoever looks at
    it; one that fails leaves its column blank, and is named beside the list.

    Returns:
        A sequence of ``ListColumn``; empty for none. None counts as empty.

    Raises:
        Anything raised quarantines the plugin, with the reason shown by ``crm doctor``.

    Ordering: columns are offered after the core's own, by plugin name; a name that another plugin
    has quarantines the later plugin.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import ListColumn
        >>> @hookimpl
        ... def crm_register_list_columns():
        ...     letters = ("crm_paper.lists:letters", "crm_paper.lists:number_of_letters")
        ...     return [ListColumn("paper.letters", "Letters", "number", *letters)]
        >>> crm_register_list_columns()[0].kind
        'number'
    """
    raise NotImplementedError


@hookspec
def crm_collect_card_panels(uow: Any, customer_id: UUID) -> Sequence[CardPanel]:
    """Show something of this plugin's on a customer's card.

    Called each time a card is shown, within the reading transaction of whoever looks at it, for a
    customer that this actor may see.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``); to be read only.
        customer_id: Whose card.

    Returns:
        A sequence of ``CardPanel``; empty or None for nothing to show.

    Raises:
        Anything raised is logged; in the place of this plugin's panels one says that it failed.

    Ordering: panels stand by the position of their implementation, then by plugin name.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import CardPanel
        >>> @hookimpl(position=10)
        ... def crm_collect_card_panels(uow, customer_id):
        ...     return [CardPanel("Letters", fields=(("Sent", 3),))]
        >>> crm_collect_card_panels(None, None)[0].title
        'Letters'
    """
    raise NotImplementedError


@hookspec
def crm_collect_timeline(
    uow: Any, customer_id: UUID, wanted: TimelineRequest
) -> Sequence[TimelineEntry]:
    """Put what happened in this plugin onto a customer's timeline.

    Called for each page of a timeline, within the reading transaction of whoever looks at it, for a
    customer that this actor may see.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``); to be read only.
        customer_id: Whose timeline.
        wanted: Which entries. What does not fit is left out by the core, but then a page may be
            short.

    Returns:
        The latest ``wanted.limit`` entries that fit, in any order; empty or None for none.

    Raises:
        Anything raised is logged, and the timeline is shown without this plugin's entries.

    Ordering: of no effect; entries are merged by their moment, the latest first.

    Since: 1.0

    Example:
        >>> from datetime import UTC, datetime
        >>> from uuid import UUID
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import TimelineEntry, TimelineRequest
        >>> @hookimpl
        ... def crm_collect_timeline(uow, customer_id, wanted):
        ...     at = datetime(2026, 3, 31, tzinfo=UTC)
        ...     return [TimelineEntry("paper", UUID(int=1), at, "Letter sent")]
        >>> crm_collect_timeline(None, None, TimelineRequest())[0].title
        'Letter sent'
    """
    raise NotImplementedError


@hookspec
def crm_collect_home_cards(uow: Any) -> Sequence[HomeCard]:
    """Tell a user what of this plugin needs them today.

    Called each time the first page is shown, within the reading transaction of whoever looks at it;
    it should answer within some ten milliseconds.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``); to be read only.

    Returns:
        A sequence of ``HomeCard``; empty or None for nothing to tell.

    Raises:
        Anything raised is logged, and the page is shown without this plugin's cards.

    Ordering: cards stand after the core's own, by the position of their implementation, then by
    plugin name.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import HomeCard
        >>> @hookimpl
        ... def crm_collect_home_cards(uow):
        ...     return [HomeCard("paper.unanswered", "Letters to answer", 3, tone="warning")]
        >>> crm_collect_home_cards(None)[0].count
        3
    """
    raise NotImplementedError


@hookspec
def crm_decide_customer_owner(uow: Any, customer: NewCustomer) -> UUID | None:
    """Say who shall answer for a new customer for whom nobody was named.

    Called when a person adds one customer without naming an owner, within the writing transaction,
    before the customer is stored. Imports and syncs name owners themselves.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``).
        customer: What is known of the customer.

    Returns:
        The id of an enabled user, or None to leave it to others. The first answer wins; when all
        say None, whoever adds the customer owns it.

    Raises:
        Anything raised stops the operation with a message that names the plugin.

    Ordering: by the position of the implementations, then by plugin name.

    Since: 1.0

    Example:
        >>> from uuid import UUID
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import NewCustomer
        >>> @hookimpl
        ... def crm_decide_customer_owner(customer):
        ...     return UUID(int=1) if customer.country_code == "GR" else None
        >>> crm_decide_customer_owner(NewCustomer("person", "Eleni", "prospect", None, "GR")).int
        1
    """
    raise NotImplementedError


@hookspec
def crm_check_customer_archive(uow: Any, customer_id: UUID) -> Sequence[Objection]:
    """Object to a customer being archived.

    Called before a person archives a customer, within the writing transaction.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``).
        customer_id: Who is to be archived.

    Returns:
        A sequence of ``Objection``; empty or None for no objection.

    Raises:
        Anything raised counts as an objection that names the plugin.

    Ordering: objections are shown by the position of their implementation, then by plugin name.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import Objection
        >>> @hookimpl
        ... def crm_check_customer_archive(customer_id):
        ...     return [Objection("Three letters are not answered yet: answer them first.")]
        >>> crm_check_customer_archive(None)[0].message[:5]
        'Three'
    """
    raise NotImplementedError


@hookspec
def crm_check_customer_merge(uow: Any, keep_id: UUID, drop_id: UUID) -> Sequence[Objection]:
    """Object to two customers becoming one.

    Called before a customer goes into another, within the writing transaction, whether a person
    asks for it or a back office did so. Afterwards rows of any table with a foreign key to
    customers follow to the survivor by themselves, also those of plugins that are off, and go back
    when the merge is undone; a row that a unique rule of its table forbids there stays where it
    is. Object where that would be wrong. Who keeps customers' ids otherwise hears the events
    ``core.customer.merged`` and ``core.customer.unmerged``.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``).
        keep_id: Who survives.
        drop_id: Who goes into it.

    Returns:
        A sequence of ``Objection``; empty or None for no objection.

    Raises:
        Anything raised counts as an objection that names the plugin.

    Ordering: objections are shown by the position of their implementation, then by plugin name.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import Objection
        >>> @hookimpl
        ... def crm_check_customer_merge(keep_id, drop_id):
        ...     return [Objection("Both have a key to the same locker: take one back first.")]
        >>> crm_check_customer_merge(None, None)[0].message[:4]
        'Both'
    """
    raise NotImplementedError


@hookspec
def crm_check_offer(
    uow: Any, customer_id: UUID, product_ids: Sequence[UUID]
) -> Sequence[Objection]:
    """Object to a customer being offered what they did not ask for.

    Called whenever something is suggested to be offered to a customer, within the reading
    transaction of whoever looks, for a customer that they may see. Objections are shown above
    what is suggested: an open complaint, money that is owed, no consent. They forbid nothing.

    Args:
        uow: The unit of work (``crm_core.persistence.unit_of_work.UnitOfWork``); to be read only.
        customer_id: To whom.
        product_ids: What; empty while nothing is chosen yet.

    Returns:
        A sequence of ``Objection``; empty or None for no objection.

    Raises:
        Anything raised counts as an objection that names the plugin.

    Ordering: objections are shown by the position of their implementation, then by plugin name.

    Since: 1.0

    Example:
        >>> from crm_hooks import hookimpl
        >>> from crm_hooks.contributions import Objection
        >>> @hookimpl
        ... def crm_check_offer(customer_id):
        ...     return [Objection("A letter of complaint is open: answer it before you offer.")]
        >>> crm_check_offer(None)[0].message[:8]
        'A letter'
    """
    raise NotImplementedError
