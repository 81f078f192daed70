"""Who lets an offer pass: its maker within their limit, above it somebody whose limit reaches."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from crm_core.entities import Product, User
from crm_core.errors import PermissionDeniedError, RuleViolationError
from crm_core.messages import joined, t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled, optional
from crm_core.services.settings import company_day
from crm_sales.models import LineRole, Quote, QuoteApproval, QuoteLine, QuoteState, Unpriced
from crm_sales.permissions import QUOTE_APPROVE, QUOTE_EDIT, QUOTE_VIEW
from crm_sales.services.pricing.configuration import broken_rules
from crm_sales.services.pricing.limits import own_limit
from crm_sales.services.quotes.amounts import counts
from crm_sales.services.quotes.checks import (
    changeable_quote,
    expect_unchanged,
    permitted_quote,
    unsold,
)
from crm_sales.services.quotes.pricing import (
    check_floor,
    is_product,
    lines_of,
    refuse_broken,
    take_floors,
)

WAITING, APPROVED, REFUSED, WITHDRAWN = "waiting", "approved", "refused", "withdrawn"


def submit_quote(uow: UnitOfWork, quote_id: UUID, *, expected_version: int | None = None) -> Quote:
    """Ask for an offer to pass: it is approved within the actor's limit, else it waits.

    Raises:
        RuleViolationError: It is not complete, not valid any more, or breaks a rule; all that is
            wrong stands in the message.
    """
    quote = changeable_quote(uow, quote_id, expected_version)
    if quote.state != QuoteState.DRAFT:
        return quote
    lines = lines_of(uow, quote.id)
    refuse_incomplete(uow, quote, lines)
    quote.updated_at = uow.now
    if quote.discount_percent <= own_limit(uow):
        quote.state, quote.approved_at = QuoteState.APPROVED, uow.now
        return quote
    quote.state = QuoteState.WAITING
    uow.add(
        QuoteApproval(
            quote_id=quote.id,
            asked_by_id=uow.actor.user_id,
            asked_at=uow.now,
            percent=quote.discount_percent,
            list_facts=quote.list_facts,
        )
    )
    uow.flush()
    return quote


def refuse_incomplete(uow: UnitOfWork, quote: Quote, lines: list[QuoteLine]) -> None:
    """Raise RuleViolationError where an offer cannot be sent as it is, with all the reasons."""
    uow.actor.require(QUOTE_VIEW)
    take_floors(uow, quote, lines)
    for line in lines:
        check_floor(line, quote.currency_code)
    bought = {line.product_id for line in lines if counts(line) and line.product_id}
    refuse_broken([*problems_of(lines, quote, company_day(uow)), *broken_rules(uow, bought)])
    offered = {line.product_id for line in lines if line.product_id}
    statement = select(Product.id, Product.name, Product.is_sold, Product.archived_at)
    for product in uow.execute(statement.where(Product.id.in_(offered)).order_by(Product.name)):
        if product.archived_at is not None or not product.is_sold:
            raise unsold(product)


def problems_of(lines: list[QuoteLine], quote: Quote, today: date) -> list[str]:
    """Return what an offer still lacks, in sentences."""
    found: list[str] = []
    if not any(is_product(line) and line.role != LineRole.OPTION for line in lines):
        found.append(t("The offer has no products: add what is to be sold."))
    if quote.valid_until_on < today:
        found.append(t("The offer was valid until a day that has passed: give a later one."))
    found += [
        unpriced_told(line.unpriced, line.description)
        for line in lines
        if is_product(line) and line.unit_price is None
    ]
    groups: dict[str, int] = {}
    for line in lines:
        if line.role == LineRole.ALTERNATIVE:
            groups[line.group or ""] = groups.get(line.group or "", 0) + line.is_chosen
    for group, chosen in groups.items():
        if chosen != 1:
            found.append(t("Choose one of the alternatives {group}.", group=group))
    return found


def unpriced_told(why: str | None, product: str | None = None) -> str:
    """Return why a line has no price, and what to do."""
    named = {"product": product or ""}
    if why == Unpriced.COST:
        return t(
            "{product} has no price here: the price list works it out from the cost, which only "
            "the back office knows. Type the price, or choose another price list.",
            **named,
        )
    if why == Unpriced.RATE:
        return t(
            "{product} has no price here: no rate leads to the offer's currency. Type the price, "
            "or have the rate added.",
            **named,
        )
    return t("{product} has no price: type one.", **named)


def approve_quote(
    uow: UnitOfWork, quote_id: UUID, *, note: str | None = None, expected_version: int | None = None
) -> Quote:
    """Let an offer pass that waits.

    Raises:
        PermissionDeniedError: The actor asked for it themselves, or their limit does not reach.
        RuleViolationError: It does not wait, such as when somebody else was faster.
    """
    quote, request = _waiting(uow, quote_id, expected_version)
    limit = own_limit(uow)
    if request.percent > limit:
        raise PermissionDeniedError(
            t(
                "{number} takes {percent} % off, your limit is {limit} %: somebody whose limit "
                "reaches has to decide.",
                number=quote.number,
                percent=_plain(request.percent),
                limit=_plain(limit),
            ),
            code="sales.quote.limit",
            details={"right": QUOTE_APPROVE, "percent": str(request.percent)},
        )
    _decide(uow, request, APPROVED, optional(note, "note"))
    quote.state, quote.approved_at, quote.updated_at = QuoteState.APPROVED, uow.now, uow.now
    return quote


def refuse_approval(
    uow: UnitOfWork, quote_id: UUID, reason: str, *, expected_version: int | None = None
) -> Quote:
    """Send an offer that waits back to its maker, with a reason.

    Raises:
        PermissionDeniedError: The actor asked for it themselves.
        RuleViolationError: It does not wait, such as when somebody else was faster.
    """
    quote, request = _waiting(uow, quote_id, expected_version)
    _decide(uow, request, REFUSED, filled(reason, "reason", most=2_000))
    quote.state, quote.updated_at = QuoteState.DRAFT, uow.now
    return quote


def withdraw_request(uow: UnitOfWork, quote: Quote) -> None:
    """Let nobody decide on an offer that is changed meanwhile."""
    uow.actor.require(QUOTE_EDIT)
    if quote.state == QuoteState.WAITING:
        mine = select(QuoteApproval).where(QuoteApproval.quote_id == quote.id)
        for request in uow.scalars(mine.where(QuoteApproval.decision == WAITING)):
            request.decision, request.decided_at = WITHDRAWN, uow.now


def _waiting(
    uow: UnitOfWork, quote_id: UUID, expected_version: int | None
) -> tuple[Quote, QuoteApproval]:
    quote = permitted_quote(uow, quote_id, QUOTE_APPROVE, lock=True)
    statement = select(QuoteApproval).where(QuoteApproval.quote_id == quote.id)
    latest = uow.scalars(
        statement.order_by(QuoteApproval.asked_at.desc(), QuoteApproval.id.desc()).limit(1)
    ).first()
    if quote.state != QuoteState.WAITING or latest is None or latest.decision != WAITING:
        raise _not_waiting(uow, quote, latest)
    if latest.asked_by_id is not None and latest.asked_by_id == uow.actor.user_id:
        raise PermissionDeniedError(
            t("You asked for {number} to be approved: somebody else decides.", number=quote.number),
            code="sales.quote.own_approval",
            details={"right": QUOTE_APPROVE},
        )
    expect_unchanged(uow, quote, expected_version)
    return quote, latest


def _not_waiting(uow: UnitOfWork, quote: Quote, latest: QuoteApproval | None) -> RuleViolationError:
    told = [t("The offer {number} does not wait for approval.", number=quote.number)]
    if latest is not None and latest.decided_by_id is not None:
        who = uow.scalar(select(User.name).where(User.id == latest.decided_by_id))
        said = {
            APPROVED: t("{name} has approved it already.", name=who or ""),
            REFUSED: t("{name} has refused it already.", name=who or ""),
        }
        told.append(said[latest.decision])
    return RuleViolationError(
        joined(told, " "),
        code="sales.quote.not_waiting",
        details={"id": str(quote.id), "state": quote.state},
    )


def _decide(uow: UnitOfWork, request: QuoteApproval, decision: str, reason: str | None) -> None:
    request.decision, request.reason = decision, reason
    request.decided_by_id, request.decided_at = uow.actor.user_id, uow.now


def _plain(percent: object) -> str:
    return f"{percent:f}".rstrip("0").rstrip(".")
