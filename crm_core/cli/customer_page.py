"""The customer card as a page that people read in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from crm_core.cli.output import Output
from crm_core.locale_format import Place
from crm_core.messages import joined, n, t
from crm_core.services.card import Balance, CustomerCard

SHOWN_PRODUCTS = 10
LATE = "overdue"


def draw_card(out: Output, card: CustomerCard, place: Place) -> None:
    """Print a customer card, leaving out the sections that are empty."""
    _identity(out, card, place)
    _section(out, t("Contact"), [(p["kind"], _labelled(p)) for p in card.contact_points])
    _section(out, t("Addresses"), [(a["use"], _address(a)) for a in card.addresses])
    _section(out, t("Relations"), [_relation(tie, place) for tie in card.relationships])
    _activities(out, card, place)
    _documents(out, card, place)
    _balance(out, card.balance, place)
    _timeline(out, card, place)
    _section(out, t("Consents"), [_consent(said, place) for said in card.consents])
    _section(out, t("Profile"), [(v["title"], v["value"]) for v in card.profile])
    _products(out, card, place)
    _panels(out, card, place)
    _section(out, t("Answered for by"), [_owner(owner, place) for owner in card.owners])
    _section(
        out, t("Sources"), [line for source in card.sources for line in _source(source, place)]
    )


def _identity(out: Output, card: CustomerCard, place: Place) -> None:
    customer = card.customer
    mark = "  [archived]" if customer["archived_at"] else ""
    out.line(t("{name}{mark}", name=customer["name"], mark=mark))
    out.fields(
        [
            ("ID", customer["id"]),
            (t("Kind"), f"{customer['kind']}, {customer['stage']}"),
            (t("Reference"), customer["reference"]),
            ("VAT", customer["vat"]),
            (t("Job title"), customer["job_title"]),
            (t("Language"), customer["language"]),
            (t("Preferred channel"), customer["preferred_channel"]),
            (t("Owner"), customer["owner_name"] or "nobody"),
            (t("Tags"), ", ".join(tag["name"] for tag in card.tags)),
            (t("Archived"), place.moment(customer["archived_at"])),
            (t("Note"), customer["note"]),
        ]
    )


def _section(out: Output, title: str, lines: Iterable[tuple[str, str]]) -> None:
    found = list(lines)
    if found:
        out.heading(title)
        out.fields(found, indent=2)


def _labelled(point: dict[str, Any]) -> str:
    return f"{point['value']} ({point['label']})" if point["label"] else str(point["value"])


def _address(address: dict[str, Any]) -> str:
    city = " ".join(filter(None, (address["postal_code"], address["city"])))
    parts = (
        *(address["recipient"], address["street"], address["street2"], city),
        *(address["region"], address["country_code"], address["email"], address["phone"]),
        *(address["mobile"], address["note"]),
    )
    return ", ".join(filter(None, parts))


def _relation(tie: dict[str, Any], place: Place) -> tuple[str, str]:
    parts: list[str] = [f"{tie['other_name']}  {tie['other_id']}"]
    if tie["started_on"]:
        parts.append(t("since {day}", day=place.day(tie["started_on"])))
    if tie["ended_on"]:
        parts.append(t("until {day}", day=place.day(tie["ended_on"])))
    text = joined(parts, ", ")
    return tie["label"], joined([text, f"({tie['note']})"]) if tie["note"] else text


def _activities(out: Output, card: CustomerCard, place: Place) -> None:
    if card.activities:
        out.heading(t("To do"))
        out.table(
            [t("Due"), "", t("Type"), t("Summary"), t("Who"), "ID"],
            [
                (
                    place.moment(todo["due_at"]),
                    LATE if todo["is_overdue"] else "",
                    *(todo["type"], todo["summary"], todo["owner_name"], todo["id"]),
                )
                for todo in card.activities
            ],
        )


def _documents(out: Output, card: CustomerCard, place: Place) -> None:
    if card.documents:
        out.heading(t("Documents"))
        out.table(
            [t("Day"), t("Kind"), t("Number"), t("State"), t("Total"), t("To pay"), t("Due"), ""],
            [
                (
                    place.day(row["issued_on"]),
                    *(row["kind"], row["number"], row["payment_state"] or row["state"]),
                    place.money(row["total_amount"], row["currency_code"]),
                    place.money(row["open_amount"], row["currency_code"]) if row["is_open"] else "",
                    place.day(row["due_on"]),
                    LATE if row["is_overdue"] else "",
                )
                for row in card.documents
            ],
        )


def _balance(out: Output, balance: Balance, place: Place) -> None:
    if not balance.currencies:
        return
    lines = [
        (row["currency_code"], _owed(place, row, row["currency_code"]))
        for row in balance.currencies
    ]
    base = balance.base_currency
    if balance.without_rate:
        lines.append(
            (
                t("in all"),
                t(
                    "unknown: no rate from {without_rate}",
                    without_rate=", ".join(balance.without_rate),
                ),
            )
        )
    elif balance.rate_on:
        total = {"open_amount": balance.open_amount, "overdue_amount": balance.overdue_amount}
        day = place.day(balance.rate_on)
        lines.append(
            (
                t("in all, {base}", base=base),
                t("{amounts}, at rates of {day}", amounts=_owed(place, total, base), day=day),
            )
        )
    _section(out, t("Still to pay"), lines)


def _owed(place: Place, row: dict[str, Any], currency_code: str) -> str:
    text = place.money(row["open_amount"], currency_code) or ""
    if row["overdue_amount"]:
        text += f", {place.money(row['overdue_amount'], currency_code)} {LATE}"
    return text


def _timeline(out: Output, card: CustomerCard, place: Place) -> None:
    if card.timeline:
        out.heading(t("Timeline"))
        out.table(
            [t("When"), t("What"), "", t("Who")],
            [
                (
                    place.moment(entry["at"]) or place.day(entry["on"]),
                    " ".join(filter(None, (entry["detail"], entry["direction"]))),
                    *(entry["title"], entry["who"]),
                )
                for entry in card.timeline
            ],
        )


def _consent(said: dict[str, Any], place: Place) -> tuple[str, str]:
    when = place.moment(said["at"])
    return f"{said['purpose']}, {said['channel']}", f"{said['status']} {when} ({said['evidence']})"


def _products(out: Output, card: CustomerCard, place: Place) -> None:
    if card.products:
        out.heading(t("Bought"))
        out.table(
            [t("Last"), t("Product"), t("Quantity"), t("Times")],
            [
                (
                    place.day(product["last_on"]),
                    product["name"],
                    f"{product['quantity'].normalize():f}" if product["quantity"] else "",
                    product["times"],
                )
                for product in card.products[:SHOWN_PRODUCTS]
            ],
        )
        if len(card.products) > SHOWN_PRODUCTS:
            out.line(
                n("… and {count} more", "… and {count} more", len(card.products) - SHOWN_PRODUCTS)
            )


def _panels(out: Output, card: CustomerCard, place: Place) -> None:
    for panel in card.panels:
        out.heading(panel.title)
        out.fields([(label, _shown(value, place)) for label, value in panel.fields], indent=2)
        if panel.rows:
            rows = [[_shown(value, place) for value in row] for row in panel.rows]
            out.table(list(panel.headings), rows)


def _shown(value: Any, place: Place) -> Any:
    if isinstance(value, datetime):
        return place.moment(value)
    return place.day(value) if isinstance(value, date) else value


def _owner(owner: dict[str, Any], place: Place) -> tuple[str, str]:
    until = place.moment(owner["until_at"]) or t("now")
    span = t(
        "{from_at} to {until}, set by {changed_by}",
        from_at=place.moment(owner["from_at"]),
        until=until,
        changed_by=owner["changed_by"],
    )
    return owner["user_name"] or t("nobody"), span


def _source(source: dict[str, Any], place: Place) -> list[tuple[str, str]]:
    told = t("record {remote_id}, {state}", remote_id=source["remote_id"], state=source["state"])
    lines = [
        (
            source["backend"],
            t(
                "{told}, changed here {synced_at}",
                told=told,
                synced_at=place.moment(source["synced_at"]),
            ),
        )
    ]
    read: dict[str, list[str]] = {}
    for entity, at in source["refreshed"].items():
        read.setdefault(place.moment(at) or t("never"), []).append(entity)
    if len(read) == 1:
        return [*lines, ("  read", t("{read}, everything", read=next(iter(read))))]
    return [*lines, *(("  read", f"{at}: {', '.join(names)}") for at, names in read.items())]
