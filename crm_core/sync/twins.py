"""Records of one batch that look like each other by what they would be matched by over there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID


def twins_within(records: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, tuple[UUID, str]]:
    """Return the later ones of records that share a VAT number, reference or e-mail address.

    Args:
        records: Neutral records by local id, oldest first.

    Returns:
        The later record's id to the earlier one's and what they share.
    """
    first: dict[tuple[str, str, str], UUID] = {}
    twins: dict[UUID, tuple[UUID, str]] = {}
    for key, values in records.items():
        for by, value in _marks(values):
            mark = (by, value, str(values.get("kind")))
            if first.setdefault(mark, key) != key:
                twins.setdefault(key, (first[mark], by))
    return twins


def _marks(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    emails = [p["value"] for p in values.get("contact_points") or () if p["kind"] == "email"]
    marks = [
        ("vat", str(values.get("vat") or "")),
        ("reference", str(values.get("reference") or "")),
        ("email", emails[0].casefold() if emails else ""),
    ]
    return [(by, value) for by, value in marks if value]
