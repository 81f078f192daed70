"""The lines of an offer: adding, changing, moving and taking them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.errors import InputError, NotFoundError, RuleViolationError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import filled, one_of, optional
from crm_sales.models import (
    Bundle,
    BundlePart,
    LineKind,
    LineRole,
    Quote,
    QuoteLine,
)
from crm_sales.services.pricing.formulas import ZERO
from crm_sales.services.quotes.amounts import Reckoning
from crm_sales.services.quotes.approval import withdraw_request
from crm_sales.services.quotes.checks import (
    changeable_quote,
    percent_from,
    price_from,
    quantity_from,
    reckoning_for,
    sold_products,
)
from crm_sales.services.quotes.pricing import lines_of, settle_quote

MOST_LINES = 300
MOST_TEXT = 4_000
OF_PRODUCTS = ("quantity", "unit_price", "discount_percent", "tax_percent", "role", "group")
FIELDS = (*OF_PRODUCTS, "description", "is_chosen")
"""What can be changed of a line; those of products only of lines that sell one."""


def add_line(
    uow: UnitOfWork,
    quote_id: UUID,
    *,
    product_id: UUID | None = None,
    kind: str = LineKind.PRODUCT,
    expected_version: int | None = None,
    **values: Any,
) -> QuoteLine:
    """Add a line at the end of an offer: a product, a section or a note.

    Args:
        uow: A writing unit of work.
        quote_id: To which offer.
        product_id: What is sold.
        kind: ``product``, ``section`` or ``note``.
        expected_version: The version of the offer that was read.
        **values: What :func:`edit_lines` changes; a price is the price list's unless typed, the
            quantity one, the role ``normal``.

    Raises:
        InputError: A number will not do (``sales.quote.quantity``, ``.price``, ``.discount``).
        RuleViolationError: The product is not sold any more, sells below its floor price, or is
            excluded by another.
    """
    quote = changeable_quote(uow, quote_id, expected_version)
    lines = _with_room(uow, quote, 1)
    kind = one_of(LineKind, kind, "kind")
    how = reckoning_for(uow, quote.currency_code)
    line = QuoteLine(quote_id=quote.id, position=len(lines) + 1, kind=kind)
    line.role, line.is_chosen = LineRole.NORMAL, True
    if kind == LineKind.PRODUCT:
        if product_id is None:
            raise InputError(t("Choose a product."), code="sales.quote.product")
        product = sold_products(uow, (product_id,))[product_id]
        line.product_id, line.description, line.unit = product.id, product.name, product.unit
        line.discount_percent = ZERO
        values = {"quantity": 1, **values}
    else:
        values = {"description": filled(values.get("description"), "description", most=MOST_TEXT)}
    _apply(line, [*lines, line], values, how)
    uow.add(line)
    withdraw_request(uow, quote)
    settle_quote(uow, quote, [*lines, line], how)
    return line


def add_bundle(
    uow: UnitOfWork,
    quote_id: UUID,
    bundle_id: UUID,
    *,
    quantity: Any = 1,
    expected_version: int | None = None,
) -> QuoteLine:
    """Add a bundle at the end of an offer: a head, and its parts priced together."""
    quote = changeable_quote(uow, quote_id, expected_version)
    bundle = uow.get(Bundle, bundle_id)
    parts = uow.scalars(
        select(BundlePart).where(BundlePart.bundle_id == bundle.id).order_by(BundlePart.position)
    ).all()
    if bundle.archived_at is not None or not parts:
        raise RuleViolationError(
            t("The bundle {name} is not sold any more: choose another.", name=bundle.name),
            code="sales.quote.bundle_gone",
        )
    lines = _with_room(uow, quote, len(parts) + 1)
    times = quantity_from(quantity)
    head = QuoteLine(
        quote_id=quote.id,
        position=len(lines) + 1,
        kind=LineKind.SECTION,
        role=LineRole.BUNDLE,
        is_chosen=True,
        bundle_id=bundle.id,
        description=bundle.name,
        quantity=times,
    )
    uow.add(head)
    uow.flush()
    lines.append(head)
    products = sold_products(uow, [part.product_id for part in parts])
    for part in parts:
        product = products[part.product_id]
        lines.append(
            uow.add(
                QuoteLine(
                    quote_id=quote.id,
                    position=len(lines) + 1,
                    kind=LineKind.PRODUCT,
                    role=LineRole.NORMAL,
                    is_chosen=True,
                    bundle_line_id=head.id,
                    product_id=product.id,
                    description=product.name,
                    unit=product.unit,
                    quantity=part.quantity * times,
                    discount_percent=ZERO,
                )
            )
        )
    withdraw_request(uow, quote)
    settle_quote(uow, quote, lines)
    return head


def edit_lines(
    uow: UnitOfWork,
    quote_id: UUID,
    changes: Mapping[UUID, Mapping[str, Any]],
    *,
    expected_version: int | None = None,
) -> Quote:
    """Change lines of an offer, all or none of them.

    Args:
        uow: A writing unit of work.
        quote_id: Which offer.
        changes: By line: quantity, unit_price (None for the price list's), discount_percent,
            tax_percent (None for an estimate), role, group (of an alternative), is_chosen,
            description.
        expected_version: The version of the offer that was read.

    Raises:
        NotFoundError: A line is not one of this offer.
        InputError, RuleViolationError: As :func:`add_line`.
    """
    quote = changeable_quote(uow, quote_id, expected_version)
    how = reckoning_for(uow, quote.currency_code)
    lines = lines_of(uow, quote.id)
    apply_changes(lines, changes, how)
    withdraw_request(uow, quote)
    settle_quote(uow, quote, lines, how)
    return quote


def apply_changes(
    lines: Sequence[Any], changes: Mapping[UUID, Mapping[str, Any]], how: Reckoning
) -> None:
    """Change lines, of the database or not, checked; nothing is priced yet."""
    known = {line.id: line for line in lines}
    for line_id, values in changes.items():
        if line_id not in known:
            raise _no_line(line_id)
        _apply(known[line_id], lines, values, how)


def remove_line(
    uow: UnitOfWork, quote_id: UUID, line_id: UUID, *, expected_version: int | None = None
) -> Quote:
    """Take a line away; the head of a bundle goes with its parts, a part goes with neither."""
    quote = changeable_quote(uow, quote_id, expected_version)
    lines = lines_of(uow, quote.id)
    line = _line(lines, line_id)
    if line.bundle_line_id is not None:
        raise _of_bundle(line)
    gone = [each for each in lines if line_id in (each.id, each.bundle_line_id)]
    for each in reversed(gone):
        uow.delete(each)
        uow.flush()
    withdraw_request(uow, quote)
    settle_quote(uow, quote, [each for each in lines if each not in gone])
    return quote


def move_line(
    uow: UnitOfWork,
    quote_id: UUID,
    line_id: UUID,
    *,
    steps: int,
    expected_version: int | None = None,
) -> Quote:
    """Move a line up (below zero) or down; a bundle moves as a whole."""
    quote = changeable_quote(uow, quote_id, expected_version)
    lines = lines_of(uow, quote.id)
    line = _line(lines, line_id)
    if line.bundle_line_id is not None:
        raise _of_bundle(line)
    blocks = [[each] for each in lines if each.bundle_line_id is None]
    for block in blocks:
        block += [each for each in lines if each.bundle_line_id == block[0].id]
    at = next(n for n, block in enumerate(blocks) if block[0] is line)
    blocks.insert(max(0, at + steps), blocks.pop(at))
    withdraw_request(uow, quote)
    settle_quote(uow, quote, [each for block in blocks for each in block])
    return quote


def _with_room(uow: UnitOfWork, quote: Quote, more: int) -> list[QuoteLine]:
    lines = lines_of(uow, quote.id)
    if len(lines) + more > MOST_LINES:
        raise RuleViolationError(
            t("An offer has up to {most} lines: make another for the rest.", most=MOST_LINES),
            code="sales.quote.too_long",
        )
    return lines


def _line(lines: Sequence[QuoteLine], line_id: UUID) -> QuoteLine:
    found = next((line for line in lines if line.id == line_id), None)
    if found is None:
        raise _no_line(line_id)
    return found


def _no_line(line_id: UUID) -> NotFoundError:
    return NotFoundError(
        t("The offer has no line {line_id}: load it again.", line_id=line_id),
        code="sales.quote.no_line",
        details={"line_id": str(line_id)},
    )


def _of_bundle(line: Any) -> RuleViolationError:
    return RuleViolationError(
        t(
            "{product} is part of a bundle: change the bundle as a whole.",
            product=line.description or "",
        ),
        code="sales.quote.bundle_part",
    )


def _apply(line: Any, lines: Sequence[Any], values: Mapping[str, Any], how: Reckoning) -> None:
    unknown = values.keys() - set(FIELDS)
    if unknown:
        raise InputError(
            t("{field} of a line cannot be set.", field=min(unknown)),
            code="sales.quote.field",
        )
    if "description" in values:
        line.description = optional(values["description"], "description", most=MOST_TEXT)
    if line.role == LineRole.BUNDLE:
        _apply_to_bundle(line, lines, values)
    elif line.kind == LineKind.PRODUCT:
        _apply_to_product(line, lines, values, how)


def _apply_to_bundle(head: Any, lines: Sequence[Any], values: Mapping[str, Any]) -> None:
    parts = [line for line in lines if line.bundle_line_id == head.id]
    if "quantity" in values:
        times = quantity_from(values["quantity"])
        for part in parts:
            part.quantity = quantity_from(part.quantity * times / head.quantity)
        head.quantity = times
    if "discount_percent" in values:
        head.discount_percent = percent_from(values["discount_percent"] or ZERO)
        for part in parts:
            part.discount_percent = head.discount_percent


def _apply_to_product(
    line: Any, lines: Sequence[Any], values: Mapping[str, Any], how: Reckoning
) -> None:
    is_part = line.bundle_line_id is not None
    if is_part and values.keys() & {"quantity", "unit_price", "discount_percent", "role", "group"}:
        raise _of_bundle(line)
    if "quantity" in values:
        line.quantity = quantity_from(values["quantity"])
    if "unit_price" in values:
        typed = values["unit_price"]
        line.unit_price = None if typed is None else price_from(typed, how.price_places)
    if "discount_percent" in values:
        line.discount_percent = percent_from(values["discount_percent"] or ZERO)
    if "tax_percent" in values:
        typed = values["tax_percent"]
        line.tax_percent = None if typed is None else percent_from(typed, "sales.quote.tax")
    if "group" in values:
        line.group = optional(values["group"], "group", most=100)
    if "role" in values:
        _play(line, lines, one_of(LineRole, values["role"], "role"))
    if line.role == LineRole.ALTERNATIVE and line.group is None:
        raise InputError(
            t("Name the group of alternatives that it belongs to."), code="sales.quote.group"
        )
    if "is_chosen" in values:
        choose(line, lines, is_chosen=bool(values["is_chosen"]))


def _play(line: Any, lines: Sequence[Any], role: str) -> None:
    if role == LineRole.BUNDLE:
        raise InputError(t("A bundle is added as a whole."), code="sales.quote.role")
    if role == line.role:
        return
    line.role = role
    others = [each for each in lines if each is not line and each.group == line.group]
    rivals = [each for each in others if each.role == LineRole.ALTERNATIVE]
    if role == LineRole.ALTERNATIVE:
        line.is_chosen = not any(each.is_chosen for each in rivals)
    else:
        line.is_chosen = role == LineRole.NORMAL
        line.group = None


def choose(line: Any, lines: Sequence[Any], *, is_chosen: bool) -> None:
    """Take an option or alternative, or leave it; of alternatives the others are left."""
    if line.role == LineRole.NORMAL:
        return
    line.is_chosen = is_chosen
    if is_chosen and line.role == LineRole.ALTERNATIVE:
        for other in lines:
            if other is not line and other.group == line.group and other.role == line.role:
                other.is_chosen = False
