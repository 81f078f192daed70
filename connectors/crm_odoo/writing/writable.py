"""The half of the backend that writes: what may be written, what it comes to, and doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.messages import t
from crm_core.sync.protocol import RIGHT_MISSING, Draft, Edit, Match, Priced, Probe, Written
from crm_odoo.mappings.model import EntityMapping
from crm_odoo.mappings.order import ASKED
from crm_odoo.records import OdooRecords
from crm_odoo.shapes import FieldsInfo, Shape
from crm_odoo.writing import orders
from crm_odoo.writing.finder import Finder, Found
from crm_odoo.writing.outgoing import Outgoing
from crm_odoo.writing.tables import Tables
from crm_odoo.writing.writer import Writer, by_depth

TAG_MODEL = "res.partner.category"
SALES_MANAGER = "Sales: Administrator (sales_team.group_sale_manager)"
BATCH = 500
MERGER = "base.partner.merge.automatic.wizard"


class Writing:
    """Writes to one Odoo; the backend hands it its mappings as they stand on the server."""

    def __init__(self, records: OdooRecords) -> None:
        self._records = records
        self._tables = Tables(records)
        self._writer = Writer(records, self.context)
        self._outgoing: dict[str, Outgoing] = {}
        self._allowed: dict[str, bool] = {}

    def context(self, model: str) -> dict[str, Any]:
        """Return what Odoo is told with each call that writes.

        Tags have a name in each language, and are read in one: that one is written. Partners are
        written in none: Odoo would take it, and a time zone too, for the partner's own. Nobody is
        mailed that a customer was assigned to him: a first push would send thousands.
        """
        context: dict[str, Any] = {
            "active_test": False,
            "mail_create_nosubscribe": True,
            "mail_auto_subscribe_no_notify": True,
        }
        if model == TAG_MODEL:
            context["lang"] = self._records.language
        return context

    def outgoing(self, mapping: EntityMapping, shape: Shape, info: FieldsInfo) -> Outgoing:
        """Return a mapping's way out, fitted to the server once."""
        if mapping.name not in self._outgoing:
            company = self._records.company
            self._outgoing[mapping.name] = Outgoing(mapping, shape, info, self._tables, company)
        return self._outgoing[mapping.name]

    def may(self, model: str) -> bool:
        """Return whether the user may make and change records of a model; asked once."""
        if model not in self._allowed:
            self._allowed[model] = all(
                self._records.may(model, deed) for deed in ("create", "write")
            )
        return self._allowed[model]

    def require(self, mapping: EntityMapping) -> None:
        """Raise FatalSyncError with code RIGHT_MISSING unless records may be written."""
        if not self.may(mapping.model):
            raise FatalSyncError(
                t(
                    "The user may not create and change {model} in Odoo. Give it the group "
                    "{group}.",
                    model=mapping.model,
                    group=mapping.grants_writing,
                ),
                code=RIGHT_MISSING,
                details={"model": mapping.model},
            )

    def create(
        self, mapping: EntityMapping, outgoing: Outgoing, drafts: Sequence[Draft]
    ) -> list[Written]:
        """Make records; tags after the tags above them."""
        self.require(mapping)
        if mapping.name == "sales_order":
            return self._create_orders(mapping, outgoing, drafts)
        if mapping.model != TAG_MODEL:
            return self._writer.create(mapping.model, outgoing, drafts)
        answers: dict[str, Written] = {}
        for group in by_depth(drafts):
            for answer in self._writer.create(mapping.model, outgoing, group):
                answers[answer.key] = answer
            self._tables.forget(TAG_MODEL)
        return [answers[draft.key] for draft in drafts]

    def _create_orders(
        self, mapping: EntityMapping, outgoing: Outgoing, drafts: Sequence[Draft]
    ) -> list[Written]:
        refused = orders.obstacles(self._records, drafts)
        ready = [draft for draft in drafts if draft.key not in refused]
        answers = {
            key: Written(key, None, refusal.code, refusal.reason)
            for key, refusal in refused.items()
        }
        for answer in self._writer.create(mapping.model, outgoing, ready):
            answers[answer.key] = answer
        return [answers[draft.key] for draft in drafts]

    def price(
        self, mapping: EntityMapping, outgoing: Outgoing, drafts: Sequence[Draft]
    ) -> list[Priced]:
        """Return what orders would cost: made as drafts, read and deleted.

        Asked again after a lost answer, the same draft is met under its external id.
        """
        if not self._records.may(mapping.model, "unlink"):
            told = t(
                "The user may not delete drafts in Odoo, which are made to ask what they cost. "
                "Give it the group {group}.",
                group=SALES_MANAGER,
            )
            return [Priced(draft.key, None, RIGHT_MISSING, told) for draft in drafts]
        asked = [
            replace(draft, values={**draft.values, "offer": f"{ASKED}{draft.values['offer']}"})
            for draft in drafts
        ]
        made = self.create(mapping, outgoing, asked)
        ids = [int(each.remote_id) for each in made if each.remote_id]
        try:
            return [
                orders.costs(self._records, each.key, int(each.remote_id))
                if each.remote_id
                else Priced(each.key, None, each.code, each.reason)
                for each in made
            ]
        finally:
            orders.forget(self._records, ids, self.context(mapping.model))

    def update(
        self,
        mapping: EntityMapping,
        outgoing: Outgoing,
        edits: Sequence[Edit],
        known: Mapping[str, Mapping[str, Any]],
    ) -> list[Written]:
        """Change records."""
        self.require(mapping)
        answers = self._writer.update(mapping.model, outgoing, edits, known)
        if mapping.model == TAG_MODEL:
            self._tables.forget(TAG_MODEL)
        return answers

    def merge(self, mapping: EntityMapping, keep: int, drop: int) -> None:
        """Let one partner go into another; raises RecordSyncError with Odoo's own reason."""
        self.require(mapping)
        there = self._records.existing(mapping.model, [keep, drop])
        if keep not in there:
            raise RecordSyncError(
                t("the one that was to stay is gone there: read it again, then merge."),
                code="odoo.merge_gone",
            )
        if drop in there:  # else an answer was lost, and it was done then
            values = {"partner_ids": [(6, 0, [keep, drop])], "dst_partner_id": keep}
            execute = self._records.transport.execute
            execute(MERGER, "action_merge", [execute(MERGER, "create", values)])

    def find(
        self, mapping: EntityMapping, finder: Finder, probes: Sequence[Probe]
    ) -> dict[str, Sequence[Match]]:
        """Return what is there already, by the first way that finds anything."""
        ways = [finder.by_external_id]
        if mapping.model == TAG_MODEL:
            ways.append(finder.tags)
        elif mapping.name == "customer":
            ways += [finder.by_vat, finder.by_reference, finder.by_email]
        found: dict[str, Sequence[Match]] = {}
        for start in range(0, len(probes), BATCH):
            left = list(probes[start : start + BATCH])
            for way in ways:
                matches: Found = way(left) if left else {}
                found |= {key: several for key, several in matches.items() if several}
                left = [probe for probe in left if probe.key not in found]
        return found
