"""Finding records in Odoo that are the same as ours, before another is made."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crm_core.entities.customer import CustomerKind
from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.sync.protocol import RIGHT_MISSING, Match, Probe
from crm_odoo.mappings.model import Row
from crm_odoo.mappings.written import blankable, is_company, is_contact, tag_place
from crm_odoo.records import OdooRecords

_LOOSE_SIGNS = (" ", ".", "-", "/")
"""Signs that people put into VAT numbers; Odoo stores them where it does not check numbers."""
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_WILDCARDS = re.compile(r"([\\%_])")

Found = Mapping[str, Sequence[Match]]
Read = Callable[[Sequence[Any], Sequence[str]], list[dict[str, Any]]]
"""Reads the records of an entity in a domain."""


class Finder:
    """Looks records of one entity up, many at a time.

    Args:
        records: The connection.
        model: The entity's model.
        read: Reads records of the entity's domain, so that no others are ever found.
    """

    def __init__(self, records: OdooRecords, model: str, read: Read) -> None:
        self._records = records
        self._model = model
        self._read = read

    def by_external_id(self, probes: Sequence[Probe]) -> Found:
        """Return records that go by our name for them."""
        named = self._named(probes)
        rows = self._read([["id", "in", sorted(set(named.values()))]], ["display_name"])
        there = {row["id"]: row for row in rows}
        return {
            key: [_match(there[record_id], "external_id")]
            for key, record_id in named.items()
            if record_id in there
        }

    def tags(self, probes: Sequence[Probe]) -> Found:
        """Return tags of the same path; those in the very same letters before others."""
        rows = self._read([], ["display_name"])
        found = {}
        for probe in probes:
            path = str(tag_place(probe.values["name"], probe.values)["display_name"])
            alike = [row for row in rows if row["display_name"].casefold() == path.casefold()]
            same = [row for row in alike if row["display_name"] == path]
            found[probe.key] = [_match(row, "name") for row in same or alike]
        return found

    def by_vat(self, probes: Sequence[Probe]) -> Found:
        """Return companies, or persons of no company, with the same number, however spelled."""
        wanted = {
            probe.key: compact
            for probe in probes
            if not is_contact(probe.values) and (compact := _compact(probe.values.get("vat")))
        }
        if not wanted:
            return {}
        spellings = {
            spelling
            for probe in probes
            if probe.key in wanted
            for spelling in (
                wanted[probe.key], wanted[probe.key].lower(), probe.values["vat"].strip()
            )
        }  # fmt: skip
        domain = _any_of(
            [["vat", "in", sorted(spellings)], *(["vat", "like", sign] for sign in _LOOSE_SIGNS)]
        )
        fields = ["display_name", "vat", "is_company", "parent_id"]
        numbers = defaultdict(list)
        for row in self._read(domain, fields):
            if row["is_company"] or not row["parent_id"]:
                numbers[_compact(row["vat"]), row["is_company"]].append(row)
        return {
            probe.key: [_match(row, "vat") for row in numbers[wanted[probe.key], _company(probe)]]
            for probe in probes
            if probe.key in wanted
        }

    def by_reference(self, probes: Sequence[Probe]) -> Found:
        """Return records with the same reference."""
        wanted = {probe.key: blankable(probe.values.get("reference")) for probe in probes}
        asked = sorted({reference for reference in wanted.values() if reference})
        if not asked:
            return {}
        rows = self._read([["ref", "in", asked]], ["display_name", "ref"])
        return {
            key: [_match(row, "reference") for row in rows if row["ref"].strip() == reference]
            for key, reference in wanted.items()
            if reference
        }

    def by_email(self, probes: Sequence[Probe]) -> Found:
        """Return records of the same kind with one of the same e-mail addresses."""
        wanted = {probe.key: _emails(probe.values.get("contact_points")) for probe in probes}
        asked = sorted(set().union(*wanted.values()))
        if not asked:
            return {}
        there = self._records.fields(self._model, ["email_normalized"])
        if there:
            field, domain = "email_normalized", [["email_normalized", "in", asked]]
        else:
            escaped = [_WILDCARDS.sub(r"\\\1", email) for email in asked]
            field, domain = "email", _any_of([["email", "=ilike", email] for email in escaped])
        by_email = defaultdict(list)
        for row in self._read(domain, ["display_name", "is_company", field]):
            by_email[row[field].strip().casefold(), row["is_company"]].append(row)
        found = {}
        for probe in probes:
            rows = {
                row["id"]: row
                for email in wanted[probe.key]
                for row in by_email[email, _company(probe)]
            }
            found[probe.key] = [_match(rows[number], "email") for number in sorted(rows)]
        return found

    def names(self, remote_ids: Sequence[str], entity: str, prefix: str) -> dict[str, str]:
        """Return names of ours that these records go by, the oldest of each; by remote id."""
        domain = [
            ["module", "=", prefix.rstrip(".")],
            ["name", "=like", _WILDCARDS.sub(r"\\\1", f"{entity}_") + "%"],
            ["model", "=", self._model],
            ["res_id", "in", [int(key) for key in remote_ids]],
        ]
        found: dict[str, str] = {}
        try:
            rows = self._records.rows("ir.model.data", domain, ["name", "res_id"])
        except FatalSyncError as error:
            if error.code != RIGHT_MISSING:
                raise
            return self._first_names(remote_ids, f"{prefix}{entity}_")
        for row in rows:
            found.setdefault(str(row["res_id"]), f"{prefix}{row['name']}")
        return found

    def _first_names(self, remote_ids: Sequence[str], head: str) -> dict[str, str]:
        """The same where the table of external ids is closed to us: Odoo tells the oldest."""
        ids = [int(key) for key in remote_ids]
        told = self._records.transport.execute(
            self._model, "get_external_id", ids, context=self._records.context
        )
        return {str(key): name for key, name in told.items() if name.startswith(head)}

    def _named(self, probes: Sequence[Probe]) -> dict[str, int]:
        """Return the record that bears each probe's external id, by probe key."""
        names: dict[str, dict[str, str]] = defaultdict(dict)
        for probe in probes:
            module, _, name = probe.external_id.partition(".")
            names[module][name] = probe.key
        found: dict[str, int] = {}
        try:
            for module, keys in names.items():
                domain = [
                    ["module", "=", module],
                    ["name", "in", sorted(keys)],
                    ["model", "=", self._model],
                ]
                for row in self._records.rows("ir.model.data", domain, ["name", "res_id"]):
                    found[keys[row["name"]]] = row["res_id"]
        except FatalSyncError as error:
            if error.code != RIGHT_MISSING:
                raise
            return self._named_one_by_one(probes)
        return found

    def _named_one_by_one(self, probes: Iterable[Probe]) -> dict[str, int]:
        """The same where the table of external ids is closed to us: for few, one call each."""
        found = {}
        for probe in probes:
            if not probe.may_be_there:
                continue
            module, _, name = probe.external_id.partition(".")
            try:
                model, record_id = self._records.transport.execute(
                    "ir.model.data",
                    "check_object_reference",
                    module,
                    name,
                    context=self._records.context,
                )
            except RecordSyncError as error:
                if error.details.get("error") != "builtins.ValueError":
                    raise
                continue
            if model == self._model and record_id:
                found[probe.key] = record_id
        return found


def _match(row: Row, by: str) -> Match:
    return Match(str(row["id"]), str(row["display_name"] or "").strip(), by)


def _company(probe: Probe) -> bool:
    return is_company(probe.values.get("kind") or CustomerKind.PERSON)


def _compact(vat: Any) -> str:
    return _NOT_ALPHANUMERIC.sub("", vat or "").upper()


def _emails(points: Any) -> set[str]:
    return {
        point["value"].strip().casefold()
        for point in points or ()
        if point["kind"] == "email" and point["value"].strip()
    }


def _any_of(conditions: Sequence[Any]) -> list[Any]:
    return ["|"] * (len(conditions) - 1) + list(conditions)
