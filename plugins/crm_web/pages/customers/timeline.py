"""What happened with a customer over every channel and module, filtered and paged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from flask import url_for

from crm_core.entities.customer import Customer
from crm_core.entities.interaction import Channel
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.services.card import TIMELINE_LIMIT, CustomerCard
from crm_core.services.timeline import ACTIVITY, DOCUMENT, INTERACTION, customer_timeline
from crm_hooks.contributions import TimelineEntry, TimelineRequest
from crm_web.labels import label
from crm_web.pages.customers.area import pages
from crm_web.sdk.request import Request
from crm_web.shown import module_words, place

CHANNELS = (Channel.PHONE, Channel.EMAIL, Channel.VISIT, Channel.MESSENGER, Channel.WEB)
"""Channels that have a chip of their own; the others are in the list beside."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter of one click."""

    title: str
    address: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """Some of what happened, as it is shown.

    Attributes:
        text: What was looked for; ``since`` and ``until`` are days as they were sent.
        older: Address of the next entries; None at the end.
    """

    customer_id: UUID
    entries: Sequence[TimelineEntry]
    chips: Sequence[Chip]
    text: str = ""
    since: str = ""
    until: str = ""
    channel: str = ""
    module: str = ""
    older: str | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether something is left out."""
        return bool(self.text or self.since or self.until or self.channel or self.module)


@pages.get("/<uuid:customer_id>/timeline", right=CUSTOMER_VIEW)
def timeline(request: Request, customer_id: UUID) -> str:
    """Show what happened, as far as it is asked for."""
    customer = request.uow.get(Customer, customer_id)
    asked = {
        name: request.args.get(name, "").strip()
        for name in ("channel", "module", "text", "since", "until")
    }
    page = customer_timeline(
        request.uow,
        customer_id,
        TimelineRequest(
            channels=frozenset(filter(None, [asked["channel"]])),
            modules=frozenset(filter(None, [asked["module"]])),
            text=asked["text"] or None,
            since=_day(asked["since"], time.min),
            until=_day(asked["until"], time.max),
        ),
        limit=TIMELINE_LIMIT,
        cursor=request.args.get("cursor") or None,
    )
    older = None
    if page.next_cursor:
        older = url_for(
            "customers.timeline", customer_id=customer_id, cursor=page.next_cursor, **_given(asked)
        )
    chips = _chips(customer_id, page.items, asked)
    shown = Timeline(customer_id, page.items, chips, older=older, **asked)
    return request.render("web/customers/timeline.html", customer=customer, timeline=shown)


def latest(request: Request, customer_id: UUID, card: CustomerCard) -> Timeline:
    """Return the latest entries of a card that has been read, with what plugins add."""
    added: list[TimelineEntry] = request.uow.hooks.collect(
        "crm_collect_timeline",
        uow=request.uow,
        customer_id=customer_id,
        wanted=TimelineRequest(limit=TIMELINE_LIMIT),
    )
    entries = [*(_entry(each) for each in card.timeline), *added]
    entries.sort(key=lambda each: each.at, reverse=True)
    chips = _chips(customer_id, entries, {})
    older = None
    if len(entries) >= TIMELINE_LIMIT:
        older = url_for("customers.timeline", customer_id=customer_id)
    return Timeline(customer_id, entries[:TIMELINE_LIMIT], chips, older=older)


def _entry(row: dict[str, Any]) -> TimelineEntry:
    said = row["kind"] == INTERACTION
    return TimelineEntry(
        module=row["kind"],
        id=row["id"],
        at=row["at"] or datetime.combine(row["on"], time.min, UTC),
        title=row["title"] or "",
        detail="" if said else row["detail"],
        body=row["body"],
        channel=row["detail"] if said else None,
        direction=row["direction"],
        who=row["who"],
    )


def _chips(
    customer_id: UUID, entries: Sequence[TimelineEntry], asked: dict[str, str]
) -> list[Chip]:
    """Return filters: everything, the common channels, what modules there are."""
    rest = {name: asked.get(name, "") for name in ("text", "since", "until")}
    present = {"channel": asked.get("channel", ""), "module": asked.get("module", "")}
    offered: list[tuple[str, str, str]] = [(t("Everything"), "", "")]
    offered += [(label(channel.value, "channel"), "channel", channel.value) for channel in CHANNELS]
    modules = dict.fromkeys([DOCUMENT, ACTIVITY, *(each.module for each in entries)])
    modules.pop(INTERACTION, None)
    offered += [(module_words(module), "module", module) for module in modules]
    chips = []
    for title, name, word in offered:
        wanted: dict[str, Any] = {name: word} if name else {}
        address = url_for("customers.timeline", customer_id=customer_id, **wanted, **_given(rest))
        is_on = {"channel": "", "module": "", **wanted} == present
        chips.append(Chip(title, address, is_on))
    return chips


def _given(asked: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value}


def _day(text: str, at: time) -> datetime | None:
    """Return a day's first or last moment where the reader is, in that zone: its day counts."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        moment = datetime.combine(day, at, place().zone)
        moment.astimezone(UTC)  # refuses what lies beyond all calendars there
    except (ValueError, OverflowError):
        raise InputError(
            t("{text!r} is no day; write it like 2026-03-31.", text=text[:40]), code="web.day"
        ) from None
    return moment
