"""Odoo's records as the connector asks for them: many at a time, archived ones too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.sync.protocol import RIGHT_MISSING
from crm_odoo.mappings.model import Company
from crm_odoo.transport import OdooTransport

_IDS = re.compile(r"\d+")
_SMALL_READ = 2_000
"""Records a call, for models that come beside the pages."""


class OdooRecords:
    """Reading calls of one connection, all in one language and in UTC."""

    def __init__(self, transport: OdooTransport, language: str | None = None) -> None:
        self.transport = transport
        self._language = language
        self._context: dict[str, Any] | None = None
        self._company: Company | None = None
        self._may_ask_exists = True

    @property
    def language(self) -> str:
        """Odoo's code of the language that names come in."""
        return self._language or self.transport.user_language

    @property
    def context(self) -> dict[str, Any]:
        """What Odoo is told with each call."""
        if self._context is None:
            self._context = {
                "active_test": False,
                "lang": self.language,
                "tz": "UTC",
                # A product's name without its reference in brackets.
                "display_default_code": False,
            }
        return self._context

    def company(self) -> Company:
        """Return the user's company, read once."""
        if self._company is None:
            user = self._one("res.users", self.transport.user_id, "company_id", "tz")
            currency = self._one("res.company", user["company_id"], "currency_id")["currency_id"]
            code = self._one("res.currency", currency, "name")["name"]
            self._company = Company(user["company_id"], currency, code, _zone(user["tz"]))
        return self._company

    def search(
        self,
        model: str,
        domain: Sequence[Any],
        *,
        limit: int | None = None,
        active_only: bool = False,
    ) -> list[int]:
        """Return the ids of records in a domain, in ascending order, archived ones too."""
        context = {**self.context, "active_test": active_only}
        found: list[int] = self.transport.execute(
            model, "search", list(domain), order="id", limit=limit, context=context
        )
        return found

    def count(self, model: str, domain: Sequence[Any]) -> int:
        """Return how many records are in a domain."""
        return int(
            self.transport.execute(model, "search_count", list(domain), context=self.context)
        )

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Return these records; many-to-one fields as plain ids, which is cheaper for Odoo.

        Raises:
            FatalSyncError: One of them may not be read.
        """
        if not ids:
            return []
        rows: list[dict[str, Any]] = self.transport.execute(
            model, "read", list(ids), list(fields), load="_classic_write", context=self.context
        )
        return rows

    def read_readable(
        self, model: str, ids: Sequence[int], fields: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return those of these records that may be read; the rest is left out."""
        rows: list[dict[str, Any]] = []
        for start in range(0, len(ids), _SMALL_READ):
            chunk = ids[start : start + _SMALL_READ]
            try:
                rows += self.read(model, chunk, fields)
            except FatalSyncError as error:
                if error.code != RIGHT_MISSING or not self.readable(model):
                    raise
                visible = self.search(model, [["id", "in", list(chunk)]])
                rows += self.read(model, visible, fields)
        return rows

    def readable(self, model: str) -> bool:
        """Return whether the user may read this model at all, by trying."""
        try:
            self.search(model, [], limit=1)
        except FatalSyncError as error:
            if error.code != RIGHT_MISSING:
                raise
            return False
        return True

    def rows(
        self, model: str, domain: Sequence[Any], fields: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return the records in a domain in ascending order of id, archived ones too."""
        found: list[dict[str, Any]] = self.transport.execute(
            model, "search_read", list(domain), list(fields), order="id", context=self.context
        )
        return found

    def may(self, model: str, deed: str) -> bool:
        """Return whether the user's groups allow ``create`` or ``write``; rules are not asked."""
        try:
            return bool(
                self.transport.execute(model, "check_access_rights", deed, raise_exception=False)
            )
        except RecordSyncError as error:
            # Newer versions say the same by another method.
            if error.details.get("error") != "builtins.AttributeError":
                raise
            return bool(self.transport.execute(model, "has_access", [], deed))

    def existing(self, model: str, ids: Sequence[int]) -> set[int]:
        """Return which of these records are there, readable or not."""
        if not self._may_ask_exists:
            return self._met(model, ids)
        try:
            found = self.transport.execute(model, "exists", list(ids), context=self.context)
        except FatalSyncError as error:
            # Odoo 19 keeps this method to itself.
            if error.code != RIGHT_MISSING:
                raise
            self._may_ask_exists = False
            return self._met(model, ids)
        # Newer versions give the recordset's own text, such as "res.partner(7, 9)".
        if isinstance(found, str):
            found = _IDS.findall(found.partition("(")[2])
        return {int(record_id) for record_id in found}

    def _met(self, model: str, ids: Sequence[int]) -> set[int]:
        """The same where Odoo may not be asked: what is hidden refuses, what is gone is absent."""
        readable = set(self.search(model, [["id", "in", sorted(set(ids))]]))
        return readable | self._hidden(model, sorted(set(ids) - readable))

    def _hidden(self, model: str, ids: Sequence[int]) -> set[int]:
        try:
            return {row["id"] for row in self.read(model, ids, ["write_date"])}
        except FatalSyncError as error:
            if error.code != RIGHT_MISSING:
                raise
        if len(ids) == 1:
            return set(ids)
        middle = len(ids) // 2
        return self._hidden(model, ids[:middle]) | self._hidden(model, ids[middle:])

    def fields(self, model: str, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | None:
        """Return type and relation of those of these fields that there are; None without model."""
        try:
            found: dict[str, dict[str, Any]] = self.transport.execute(
                model,
                "fields_get",
                sorted(names),
                attributes=["type", "relation"],
                context=self.context,
            )
        except RecordSyncError as error:
            # An unknown model is told as a UserError [14] or a KeyError.
            if error.details.get("error") in ("odoo.exceptions.UserError", "builtins.KeyError"):
                return None
            raise
        return {name: found[name] for name in names if name in found}

    def _one(self, model: str, record_id: int, *fields: str) -> dict[str, Any]:
        return self.read(model, [record_id], fields)[0]


def _zone(name: Any) -> ZoneInfo:
    """Return a user's time zone; UTC where it is not set, or nobody but that Odoo knows it."""
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, ZoneInfoNotFoundError):
        return ZoneInfo("UTC")
