"""What people do on both sides, at random: each act notes what its author saw."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from crm_core.entities.customer import ContactPoint
from crm_core.entities.relationship import Relationship
from crm_core.services.contact_details import (
    add_address,
    add_contact_point,
    change_address,
    change_contact_point,
    first_contact_point,
    main_address,
)
from crm_core.services.customers import archive_customer, restore_customer
from crm_core.services.relationships import relate_customers
from crm_core.services.tags import tag_customer, untag_customer
from two_sides import FIELDS, LINES, PLAIN, TwoSides

SUFFIXES = ("", " & Søn's", " Ελλάς", " زهرا", " 'x'")


class People(TwoSides):
    """Both sides, and the hands of the people there."""

    def __init__(self, *sides: Any) -> None:
        super().__init__(*sides)
        self.late: list[tuple[Any, str, str, Any]] = []
        """Edits begun there and not committed yet: transaction, token, remote id, value."""

    # What people do here.

    def _token(self) -> str:
        self.tokens.append(f"T{self.value()}")
        return self.tokens[-1]

    def _wrote(self, token: str, field: str, value: Any, saw: Any) -> None:
        self.seen[token, field].setdefault(value, set()).add(saw)

    def new_value(self, token: str, field: str) -> str:
        number = self.value()
        suffix = SUFFIXES[number % len(SUFFIXES)]
        return f"{token} v{number}{suffix}" if field == "name" else f"{field} v{number}{suffix}"

    def make_here(self, **values: Any) -> str:
        token = self._token()
        name = self.new_value(token, "name")
        self._wrote(token, "name", name, None)
        kind = ("person", "company")[self.value() % 2]
        self.front.create(name, **{"kind": kind, **values})
        return token

    def edit_here(self, token: str, field: str) -> None:
        customer = self.here(token)
        if customer is None or customer.archived_at is not None:
            return
        value, line = self.new_value(token, field), field.partition(".")[2]
        if field in PLAIN:
            self._wrote(token, field, value, self.value_here(customer, field))
            self.front.edit(customer.id, **{field: value})
        elif not self._has_company(customer.id):
            self._wrote(token, field, value, self.value_here(customer, field))
            self.front.change(lambda uow: _set_line(uow, customer.id, line, value))

    def archive_here(self, token: str) -> None:
        """Archive, or bring back."""
        customer = self.here(token)
        if customer is None:
            return
        act = archive_customer if customer.archived_at is None else restore_customer
        self.front.change(lambda uow: act(uow, customer.id))

    def tag_here(self, token: str) -> None:
        """Put a tag on, or take one off."""
        customer = self.here(token)
        if customer is None or customer.archived_at is not None:
            return
        name = f"tag {self.value() % 4}"
        if name in self.tags_here(customer.id):
            self.tags[token].discard(name)
            self.front.change(lambda uow: untag_customer(uow, customer.id, [name]))
        else:
            self.tags[token].add(name)
            self.front.change(lambda uow: tag_customer(uow, customer.id, [name]))

    def point_here(self, token: str) -> None:
        """Add an e-mail address, or put another in the first's place."""
        customer = self.here(token)
        if customer is None or customer.archived_at is not None:
            return
        value = f"v{self.value()}@example.org"

        def put(uow: Any) -> None:
            first = first_contact_point(uow, customer.id, "email")
            if first is None or self.value() % 2:
                add_contact_point(uow, customer.id, "email", value)
                return
            old = uow.get(ContactPoint, first).value
            change_contact_point(uow, first, value)
            self.points[token].discard(old)

        self.front.change(put)
        self.points[token].add(value)

    def tie_here(self, token: str, other: str) -> None:
        """Say that one is the contact of the other."""
        one, two = self.here(token), self.here(other)
        pair = [each for each in (one, two) if each and each.archived_at is None]
        if len(pair) < 2 or (one.kind, two.kind) != ("person", "company"):
            return
        has_address = any(self.value_here(one, f"address.{line}") for line in LINES)
        if not self._has_company(one.id) and not has_address:
            self.front.change(lambda uow: relate_customers(uow, one.id, "contact_of", two.id))

    # What people do there.

    def make_there(self, **values: Any) -> str:
        token = self._token()
        name = self.new_value(token, "name")
        self._wrote(token, "name", name, None)
        kind = ("person", "company")[self.value() % 2]
        self.office.make("customer", {"kind": kind, "name": name, **values})
        return token

    def make_many_there(self, number: int) -> None:
        """Make records of one moment."""
        rows = []
        for _ in range(number):
            token = self._token()
            rows.append({"name": self.new_value(token, "name")})
            self._wrote(token, "name", rows[-1]["name"], None)
        self.office.make_many("customer", rows)

    def make_on_both(self) -> None:
        """Both sides add the same customer on their own, told by its reference."""
        token = self.make_here(kind="person", reference=f"R{self.value()}")
        customer = self.here(token)
        note = self.new_value(token, "note")
        self._wrote(token, "note", note, None)
        row = {"name": customer.name, "reference": customer.reference, "note": note}
        self.office.make("customer", row)

    def edit_there(self, token: str, field: str) -> None:
        remote_id = self.there(token)
        if remote_id is None or (field not in PLAIN and self.of(remote_id)["parent_ref"]):
            return
        value = self.new_value(token, field)
        self._put_there(token, remote_id, field, value)

    def _put_there(self, token: str, remote_id: str, field: str, value: Any) -> None:
        self._wrote(token, field, value, self.value_there(remote_id, field))
        change: dict[str, Any] = {field: value}
        if field not in PLAIN:
            lines = self.of(remote_id)["address"] or {}
            change = {"address": {**lines, field.partition(".")[2]: value}}
        self.office.change("customer", remote_id, change)

    def begin_late(self, token: str) -> None:
        """Begin an edit, to be committed later."""
        remote_id = self.there(token)
        if remote_id is not None:
            work = self.office.begin()
            value = self.new_value(token, "note")
            self.office.change("customer", remote_id, {"note": value}, work)
            self.late.append((work, token, remote_id, value))

    def commit_late(self) -> None:
        """Commit what was begun first."""
        if self.late:
            work, token, remote_id, value = self.late.pop(0)
            if int(remote_id) in self.office.rows["customer"]:
                self._wrote(token, "note", value, self.value_there(remote_id, "note"))
            self.office.commit(work)

    def archive_there(self, token: str) -> None:
        remote_id = self.there(token)
        if remote_id is not None:
            archived = self.of(remote_id)["archived"]
            self.office.change("customer", remote_id, {"archived": not archived})

    def tag_there(self, token: str, *, from_tag: bool) -> None:
        """Put a tag on, or take one off, from the customer's side or the tag's."""
        remote_id = self.there(token)
        if remote_id is None:
            return
        name = f"tag {self.value() % 4}"
        tags = {row.values["name"]: str(key) for key, row in self.office.rows["tag"].items()}
        tag_id = tags.get(name) or self.office.make("tag", {"name": name})
        refs = set(self.of(remote_id)["tag_refs"])
        (self.tags[token].discard if tag_id in refs else self.tags[token].add)(name)
        if not from_tag:
            self.office.change("customer", remote_id, {"tag_refs": sorted(refs ^ {tag_id})})
            return
        rows = self.office.rows["customer"].items()
        carriers = {str(key) for key, row in rows if tag_id in row.values["tag_refs"]}
        self.office.tag(tag_id, sorted(carriers ^ {remote_id}))

    def point_there(self, token: str) -> None:
        """Put another e-mail address in the place of the one there is."""
        remote_id = self.there(token)
        if remote_id is None:
            return
        value = f"v{self.value()}@example.org"
        points = self.of(remote_id)["contact_points"]
        self.points[token] -= {each["value"] for each in points}
        self.points[token].add(value)
        points = [{"kind": "email", "value": value}]
        self.office.change("customer", remote_id, {"contact_points": points})

    def tie_there(self, token: str, other: str) -> None:
        """Make one the contact of the other, or of none."""
        remote_id, company = self.there(token), self.there(other)
        if remote_id is None or company is None:
            return
        values, others = self.of(remote_id), self.of(company)
        if (values["kind"], others["kind"]) == ("person", "company") and not values["address"]:
            ref = None if values["parent_ref"] else company
            self.office.change("customer", remote_id, {"parent_ref": ref})

    def delete_there(self, token: str) -> None:
        remote_id = self.there(token)
        if remote_id is not None:
            self.office.delete("customer", remote_id)
            self._end(token)

    def _end(self, token: str) -> None:
        """Note that somebody ended a record there; one that we never heard of may yet be ours."""
        customer = self.here(token)
        if customer is None or not self.is_unlinked(token):
            self.ended.add(token)
            return
        for field in FIELDS:
            self.told[token, field] |= self.seen[token, field].keys()
        self.tags[token] &= self.tags_here(customer.id)
        self.points[token] &= self.emails_here(customer.id)

    def merge_there(self, token: str, other: str) -> None:
        """Let one take in the other."""
        keep, gone = self.there(token), self.there(other)
        if keep and gone and keep != gone and not self._is_tied(keep, gone):
            saw = {field: self.value_there(keep, field) for field in FIELDS}
            self.office.merge("customer", keep, gone)
            self._end(other)
            for field, value in saw.items():
                if self.value_there(keep, field) != value:
                    self._wrote(token, field, self.value_there(keep, field), value)

    def order_there(self, token: str) -> None:
        remote_id = self.there(token)
        if remote_id is not None:
            self.office.make("order", {"number": f"S{self.value()}", "customer_ref": remote_id})

    def hide_there(self, token: str) -> None:
        remote_id = self.there(token)
        if remote_id is not None and not self.is_unlinked(token):
            hidden = self.office.rows["customer"][int(remote_id)].is_hidden
            self.office.hide("customer", remote_id, hidden=not hidden)

    def put_outside(self, token: str) -> None:
        remote_id = self.there(token)
        if remote_id is not None and not self.is_unlinked(token):
            outside = self.office.rows["customer"][int(remote_id)].is_outside
            self.office.put_outside("customer", remote_id, outside=not outside)

    def _has_company(self, customer_id: UUID) -> bool:
        return bool(self.front.count(Relationship, Relationship.from_customer_id == customer_id))

    def _is_tied(self, one: str, other: str) -> bool:
        return self.of(one)["parent_ref"] == other or self.of(other)["parent_ref"] == one


def _set_line(uow: Any, customer_id: UUID, line: str, value: str) -> None:
    address_id = main_address(uow, customer_id)
    if address_id is None:
        add_address(uow, customer_id, {"use": "main", line: value})
    else:
        change_address(uow, address_id, {line: value})
