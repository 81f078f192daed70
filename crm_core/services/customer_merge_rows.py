"""What becomes of the rows that hang on a customer when it goes into another, table by table.

Every foreign key to customers has its rule here. Tables without one of their own, such as those of
plugins, simply follow to the survivor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from crm_core.entities.conflict import PENDING, Conflict, ConflictState
from crm_core.entities.consent import Consent, ConsentStatus, ProfileAttribute, ProfileValue
from crm_core.entities.customer import Address, AddressUse, ContactPoint, Customer, CustomerTag
from crm_core.entities.interaction import Interaction
from crm_core.entities.merge import CustomerMerge, DistinctCustomers
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.entities.sync import Binding
from crm_core.entities.system import Attachment
from crm_core.entities.user import Ownership
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.persistence.customer_references import Rows, customer_columns
from crm_core.persistence.ledger import Ledger, Row
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.persistence.unscoped import leads_to

ADDRESS, PROFILE = "address", "profile."
TAKEN = "drop"
MAIN, OTHER = AddressUse.MAIN.value, AddressUse.OTHER.value


@dataclass(frozen=True, slots=True)
class Union:
    """Two customers becoming one.

    Attributes:
        takes: The fields of which the dropped one's value survives, as the person chose.
        takes_owner: Whether the dropped one's owner answers for the survivor.
    """

    uow: UnitOfWork
    ledger: Ledger
    keep_id: UUID
    drop_id: UUID
    takes: frozenset[str]
    takes_owner: bool

    def rows(self, name: str) -> Rows:
        """Return a table of the core."""
        return self.ledger.rows(name)

    def both(self, source: Rows, column: str = "customer_id") -> tuple[list[Any], list[Any]]:
        """Return the rows of the survivor and those of the other."""
        where = self.ledger.where
        return where(source, **{column: self.keep_id}), where(source, **{column: self.drop_id})


def move_rows(union: Union) -> None:
    """Let all that hangs on the dropped customer hang on the survivor."""
    for rule in RULES.values():
        rule(union)
    for name, column in customer_columns(union.ledger.connection):
        if name not in RULES and name not in STAYING:
            union.ledger.move(name, column, union.drop_id, union.keep_id)
    _polymorphic(union)


def _contact_points(union: Union) -> None:
    """One that both have is kept once; the others come after the survivor's."""
    source = union.rows(ContactPoint.__tablename__)
    ours, theirs = union.both(source)
    known = {_reach(point) for point in ours}
    last = max((point["position"] for point in ours), default=-1)
    new = [point for point in theirs if _reach(point) not in known]
    new.sort(key=lambda point: point["position"])
    changes = [
        (point, {"customer_id": union.keep_id, "position": last + place})
        for place, point in enumerate(new, start=1)
    ]
    union.ledger.delete(source, [point for point in theirs if _reach(point) in known])
    union.ledger.update(source, changes)


def _reach(point: Row) -> tuple[str, str]:
    return point["kind"], point["normalized"] or point["value"]


def _addresses(union: Union) -> None:
    """There is one main address; the other becomes a further one, archived where it is the same.

    None is deleted, as documents may name it.
    """
    source = union.rows(Address.__tablename__)
    ours, theirs = union.both(source)
    main = next((each for each in ours if _is_main(each)), None)
    rival = next((each for each in theirs if _is_main(each)), None)
    loser = (main if ADDRESS in union.takes else rival) if main and rival else None
    for each in (*theirs, *([loser] if loser is not None and loser is main else [])):
        wanted: dict[str, Any] = {"customer_id": union.keep_id}
        if each is loser:
            wanted["use"] = OTHER
            if _place(main or {}) == _place(rival or {}):
                wanted["archived_at"] = union.uow.now
        union.ledger.update(source, [(each, wanted)])


def _is_main(address: Row) -> bool:
    return address["use"] == MAIN and address["archived_at"] is None


def _place(address: Row) -> dict[str, Any]:
    return {
        name: (value or "").casefold()
        for name, value in address.items()
        if name not in ("id", "customer_id", "use", "archived_at")
    }


def _tags(union: Union) -> None:
    source = union.rows(CustomerTag.__tablename__)
    ours, theirs = union.both(source)
    carried = {row["tag_id"] for row in ours}
    union.ledger.delete(source, [row for row in theirs if row["tag_id"] in carried])
    new = [row for row in theirs if row["tag_id"] not in carried]
    union.ledger.update(source, [(row, {"customer_id": union.keep_id}) for row in new])


def _profile(union: Union) -> None:
    """An attribute has one value: the survivor's, unless the other's was chosen."""
    source = union.rows(ProfileValue.__tablename__)
    ours, theirs = union.both(source)
    codes = union.uow.execute(select(ProfileAttribute.id, ProfileAttribute.code))
    taken = {row.id for row in codes if PROFILE + row.code in union.takes}
    known = {row["attribute_id"]: row for row in ours}
    beaten = [row for row in theirs if row["attribute_id"] in known.keys() - taken]
    winning = [row for row in theirs if row not in beaten]
    replaced = [known[row["attribute_id"]] for row in winning if row["attribute_id"] in known]
    union.ledger.delete(source, beaten + replaced)
    union.ledger.update(source, [(row, {"customer_id": union.keep_id}) for row in winning])


def _relationships(union: Union) -> None:
    """No tie to itself, none twice, and none that closes a circle in a hierarchy."""
    source = union.rows(Relationship.__tablename__)
    outgoing, theirs = union.both(source, "from_customer_id")
    incoming, theirs_too = union.both(source, "to_customer_id")
    moving = {row["id"]: row for row in (*theirs, *theirs_too)}
    known = {_tie(row) for row in (*outgoing, *incoming) if row["id"] not in moving}
    hierarchies = set(
        union.uow.scalars(select(RelationshipType.id).where(RelationshipType.is_hierarchy))
    )
    for row in moving.values():
        ends = {
            name: union.keep_id
            for name in ("from_customer_id", "to_customer_id")
            if row[name] == union.drop_id
        }
        new = {**row, **ends}
        first, second = new["from_customer_id"], new["to_customer_id"]
        closes = (
            row["type_id"] in hierarchies
            and row["ended_on"] is None
            and leads_to(union.uow, row["type_id"], second, first)
        )
        if first == second or _tie(new) in known or closes:
            union.ledger.delete(source, [row])
        else:
            union.ledger.update(source, [(row, ends)])
            known.add(_tie(new))


def _tie(row: Row) -> tuple[Any, ...]:
    return row["type_id"], row["from_customer_id"], row["to_customer_id"], row["ended_on"]


def _distinct(union: Union) -> None:
    """Who is not the one is not the other either."""
    source = union.rows(DistinctCustomers.__tablename__)
    ours, theirs = union.both(source)
    ours_too, theirs_too = union.both(source, "other_id")
    known = {frozenset((row["customer_id"], row["other_id"])) for row in (*ours, *ours_too)}
    for row in (*theirs, *theirs_too):
        [stranger] = {row["customer_id"], row["other_id"]} - {union.drop_id}
        pair = sorted((union.keep_id, stranger))
        if stranger == union.keep_id or frozenset(pair) in known:
            union.ledger.delete(source, [row])
        else:
            names = {"customer_id": pair[0], "other_id": pair[1]}
            union.ledger.update(source, [(row, names)])


def _consents(union: Union) -> None:
    """All statements stay; the latest counts, and of two made at one moment the stricter.

    The latter is said once more then, for what is said last counts.
    """
    source = union.rows(Consent.__tablename__)
    ours, theirs = union.both(source)
    latest: dict[tuple[str, str], list[Row]] = {}
    for row in sorted((*ours, *theirs), key=lambda row: (row["at"], row["id"]), reverse=True):
        latest.setdefault((row["purpose"], row["channel"]), []).append(row)
    union.ledger.update(source, [(row, {"customer_id": union.keep_id}) for row in theirs])
    given, withdrawn = ConsentStatus.GIVEN.value, ConsentStatus.WITHDRAWN.value
    for first, *rest in latest.values():
        stricter = [row for row in rest if row["at"] == first["at"] and row["status"] == withdrawn]
        if first["status"] == given and stricter:
            evidence = t(
                "{evidence} (the stricter of two statements of one moment)",
                evidence=stricter[0]["evidence"],
            )
            again = {"id": new_id(), "customer_id": union.keep_id, "evidence": evidence}
            union.ledger.insert(source, [{**stricter[0], **again}])


def _ownership(union: Union) -> None:
    """Both histories stay; one owner answers from now on."""
    source = union.rows(Ownership.__tablename__)
    ours, theirs = union.both(source)
    ended = ours if union.takes_owner else theirs
    closing = {"until_at": union.uow.now}
    union.ledger.update(source, [(r, closing) for r in ended if r["until_at"] is None])
    now = union.ledger.where(source, customer_id=union.drop_id)
    union.ledger.update(source, [(row, {"customer_id": union.keep_id}) for row in now])


def _attachments(union: Union) -> None:
    source = union.rows(Attachment.__tablename__)
    about = union.ledger.where(
        source, entity_type=Customer.__entity__, entity_id=str(union.drop_id)
    )
    union.ledger.update(source, [(row, {"entity_id": str(union.keep_id)}) for row in about])
    union.ledger.move(source.name, "customer_id", union.drop_id, union.keep_id)


def _polymorphic(union: Union) -> None:
    """Rows that name a customer by kind and id, which no foreign key tells."""
    ledger = union.ledger
    said = union.rows(Interaction.__tablename__)
    about = {"about_type": Customer.__entity__, "about_id": union.drop_id}
    # Only within one timeline is there an index; elsewhere the old id leads to the survivor.
    own = ledger.where(said, customer_id=union.keep_id, **about)
    ledger.update(said, [(row, {"about_id": union.keep_id}) for row in own])
    bindings = union.rows(Binding.__tablename__)
    bound = ledger.where(bindings, entity=Customer.__entity__, local_id=union.drop_id)
    # A later key stands after the survivor's own bindings, which are its first choice.
    changes = [(row, {"id": new_id(), "local_id": union.keep_id}) for row in bound]
    ledger.update(bindings, changes, remember=("digest", "snapshot"))
    conflicts = union.rows(Conflict.__tablename__)
    at_odds = ledger.where(conflicts, entity=Customer.__entity__, local_id=union.drop_id)
    gone = {"state": ConflictState.GONE.value}
    ledger.update(conflicts, [(row, gone) for row in at_odds if row["state"] in PENDING])


RULES: Mapping[str, Callable[[Union], None]] = {
    ContactPoint.__tablename__: _contact_points,
    Address.__tablename__: _addresses,
    CustomerTag.__tablename__: _tags,
    ProfileValue.__tablename__: _profile,
    Relationship.__tablename__: _relationships,
    DistinctCustomers.__tablename__: _distinct,
    Consent.__tablename__: _consents,
    Ownership.__tablename__: _ownership,
    Attachment.__tablename__: _attachments,
}
"""Tables that more has to be said about than that their rows follow."""
FOLLOWING = frozenset({"core_customer", "core_interaction", "core_activity", "core_transaction"})
"""The core's other tables whose rows follow, such as customers merged into the dropped one."""
STAYING = frozenset({CustomerMerge.__tablename__, "core_search_entry"})
"""What is not moved: the record of merges, and the search index, which is made anew."""
