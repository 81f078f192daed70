"""However a statement reads a mapped class, an actor sees the rows in scope and no others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from crm_core.access import Actor, Reach
from crm_core.entities import (
    AuditEntry,
    ContactPoint,
    Currency,
    Customer,
    Interaction,
    Relationship,
    RelationshipType,
    Tag,
    Transaction,
    TransactionLine,
    User,
)
from crm_core.errors import NotFoundError, PermissionDeniedError
from crm_core.ids import new_id
from crm_core.persistence import criteria
from crm_core.persistence.base import Base, Keyed
from crm_core.persistence.database import Database
from crm_core.persistence.scope import ByRight, Through, ThroughCustomer
from crm_core.persistence.types import Key
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.testing.factories import make_actor

NOW = datetime(2024, 5, 1, tzinfo=UTC)
ANNA, BORIS, CLIO = (new_id() for _ in range(3))
OWNERS = {"anna's": ANNA, "boris's": BORIS, "clio's": CLIO, "nobody's": None}
VIEW = "core.customer.view"

ACTORS = {
    "own": (Actor(ANNA, "anna", {VIEW: Reach.OWN}), {"anna's"}),
    "other own": (Actor(BORIS, "boris", {VIEW: Reach.OWN}), {"boris's"}),
    "team": (
        Actor(ANNA, "anna", {VIEW: Reach.TEAM}, frozenset({ANNA, BORIS})),
        {"anna's", "boris's"},
    ),
    "all": (Actor(ANNA, "anna", {VIEW: Reach.ALL}), set(OWNERS)),
    "none": (Actor(ANNA, "anna", {"core.activity.edit": Reach.ALL}), set()),
    "nobody with own": (Actor(None, "ghost", {VIEW: Reach.OWN}), set()),
}

Point, Document, Line = ContactPoint, Transaction, TransactionLine
Other = aliased(Customer)
OtherPoint = aliased(ContactPoint)
in_cte = select(Customer.id, Customer.name).cte("seen")
in_subquery = select(Customer.id, Customer.name).subquery()
entity_subquery = aliased(Customer, select(Customer).subquery())

READS: dict[str, Select[Any] | Any] = {
    "columns": select(Customer.name),
    "expression": select(func.trim(Customer.name)),
    "alias": select(Other.name),
    "aliased subquery": select(entity_subquery.name),
    "subquery": select(in_subquery.c.name),
    "cte": select(in_cte.c.name),
    "nested cte": select(select(in_cte).cte("outer").c.name),
    "union": union(select(Customer.name), select(Customer.name).where(Customer.note.is_(None))),
    "union all": union_all(select(Customer.name), select(Other.name)),
    "union in subquery": select(union(select(Customer.name), select(Other.name)).subquery().c.name),
    "distinct": select(Customer.name).distinct(),
    "ordered and limited": select(Customer.name).order_by(Customer.name).limit(100),
    "grouped": select(Customer.name).group_by(Customer.name).having(func.count() > 0),
    "window": select(Customer.name, func.row_number().over(order_by=Customer.id)),
    "or in the condition": select(Customer.name).where(
        or_(Customer.owner_id.is_(None), literal(True))
    ),
    "join to parent": select(Customer.name).join(Point, Point.customer_id == Customer.id),
    "join from child": select(Customer.name)
    .select_from(Point)
    .join(Customer, Customer.id == Point.customer_id),
    "join of aliases": select(Other.name).join(OtherPoint, OtherPoint.customer_id == Other.id),
    "outer join": select(Customer.name).outerjoin(Point, Point.customer_id == Customer.id),
    "join without the parent's columns": select(Point.value).join(
        Customer, Customer.id == Point.customer_id
    ),
    "cross join": select(Customer.name).where(Customer.id == Point.customer_id),
    "child": select(Point.value),
    "aliased child": select(OtherPoint.value),
    "child of child": select(Line.description),
    "aliased child of child": select(aliased(Line).description),
    "document and lines": select(Line.description).join(
        Document, Document.id == Line.transaction_id
    ),
    "exists": select(User.name).where(
        exists().where(and_(Customer.owner_id == User.id)).correlate(User)
    ),
    "in": select(User.name).where(User.id.in_(select(Customer.owner_id))),
    "scalar subquery": select(
        select(Customer.name).where(Customer.owner_id == User.id).scalar_subquery()
    )
    .select_from(User)
    .where(select(Customer.id).where(Customer.owner_id == User.id).exists()),
    "lateral reference": select(Interaction.subject).where(
        Interaction.customer_id.in_(select(Customer.id))
    ),
}
READS_OF_OWNERS = {"exists", "in", "scalar subquery"}
"""Reads that start from users, so nobody's customer cannot show."""


@pytest.fixture
def world(database: Database, system: Actor) -> Database:
    """Customers of four owners, each with a contact point, an interaction, a document, a line."""
    with unit_of_work(database, actor=system, write=True) as uow:
        uow.add(Currency(code="EUR", name="Euro"))
        for name, owner_id in OWNERS.items():
            if owner_id is not None:
                uow.add(User(id=owner_id, login=name, name=name, created_at=NOW, updated_at=NOW))
                uow.flush()
            customer = uow.add(
                Customer(name=name, owner_id=owner_id, created_at=NOW, updated_at=NOW)
            )
            uow.flush()
            _hang_on(uow, customer)
        uow.commit()
    return database


def _hang_on(uow: UnitOfWork, customer: Customer) -> None:
    zero = Decimal(0)
    uow.add(ContactPoint(customer_id=customer.id, kind="email", value=customer.name))
    uow.add(
        Interaction(
            customer_id=customer.id,
            at=NOW,
            channel="phone",
            direction="inbound",
            subject=customer.name,
            recorded_at=NOW,
        )
    )
    document = uow.add(
        Transaction(
            kind="invoice",
            customer_id=customer.id,
            number=customer.name,
            state="done",
            currency_code="EUR",
            untaxed_amount=zero,
            tax_amount=zero,
            total_amount=zero,
            open_amount=zero,
            refreshed_at=NOW,
        )
    )
    uow.flush()
    uow.add(TransactionLine(transaction_id=document.id, position=0, description=customer.name))
    uow.flush()


def test_every_way_of_reading_gives_the_same_rows(world: Database) -> None:
    for who, (actor, expected) in ACTORS.items():
        with unit_of_work(world, actor=actor) as uow:
            for way, statement in READS.items():
                seen = {row[0] for row in uow.execute(statement)}
                wanted = expected - {"nobody's"} if way in READS_OF_OWNERS else expected
                assert seen == wanted, (who, way)
            for model in (Customer, Point, Document, Line, Interaction, Other):
                assert len(uow.scalars(select(model)).all()) == len(expected), (who, model)
                count = select(func.count()).select_from(model)
                assert uow.scalar(count) == len(expected), (who, model)
            assert uow.scalar(select(func.count(Customer.id))) == len(expected)
            assert len(uow.scalars(select(User)).all()) == 3


def test_statements_cached_for_one_actor_do_not_serve_another(world: Database) -> None:
    for _ in range(2):
        for actor, expected in ACTORS.values():
            with unit_of_work(world, actor=actor) as uow:
                assert set(uow.scalars(READS["columns"])) == expected
                assert set(uow.scalars(READS["aliased child of child"])) == expected


def test_a_key_out_of_scope_is_not_found(world: Database, system: Actor) -> None:
    with unit_of_work(world, actor=system) as uow:
        ids = dict(uow.execute(select(Customer.name, Customer.id)).all())
        line_id = uow.scalar(
            select(Line.id).join(Document).where(Document.customer_id == ids["boris's"])
        )
    actor, _ = ACTORS["own"]
    with unit_of_work(world, actor=actor) as uow:
        assert uow.get(Customer, ids["anna's"]).name == "anna's"
        assert uow.find(Customer, ids["boris's"]) is None
        assert uow.find(Line, line_id) is None
        with pytest.raises(NotFoundError) as missing:
            uow.get(Customer, ids["boris's"])
        with pytest.raises(NotFoundError) as unknown:
            uow.get(Customer, unknown_id := new_id())
        assert missing.value.message.replace(str(ids["boris's"]), "") == (
            unknown.value.message.replace(str(unknown_id), "")
        )


def test_changes_by_statement_reach_only_rows_in_scope(world: Database, system: Actor) -> None:
    actor, _ = ACTORS["own"]
    with unit_of_work(world, actor=actor, write=True) as uow:
        uow.execute(update(Customer).values(note="mine now"))
        uow.execute(update(Point).values(label="mine now"))
        uow.execute(delete(Line))
        uow.commit()
    with unit_of_work(world, actor=system) as uow:
        changed = select(Customer.name).where(Customer.note.is_not(None))
        assert list(uow.scalars(changed)) == ["anna's"]
        assert list(uow.scalars(select(Point.value).where(Point.label.is_not(None)))) == ["anna's"]
        assert set(uow.scalars(select(Line.description))) == set(OWNERS) - {"anna's"}


def test_copying_by_insert_takes_only_rows_in_scope(world: Database, system: Actor) -> None:
    actor, _ = ACTORS["own"]
    with unit_of_work(world, actor=actor, write=True) as uow:
        copied = select(Customer.id, Customer.name)
        uow.execute(insert(Tag).from_select(["id", "name"], copied))
        uow.commit()
    with unit_of_work(world, actor=system) as uow:
        assert list(uow.scalars(select(Tag.name))) == ["anna's"]


def test_a_tie_is_readable_from_either_end(world: Database, system: Actor) -> None:
    with unit_of_work(world, actor=system, write=True) as uow:
        ids = dict(uow.execute(select(Customer.name, Customer.id)).all())
        kind = uow.add(RelationshipType(code="knows", name="knows", inverse_name="is known by"))
        uow.flush()
        for one, two in (("anna's", "boris's"), ("boris's", "clio's"), ("clio's", "anna's")):
            uow.add(
                Relationship(
                    type_id=kind.id, from_customer_id=ids[one], to_customer_id=ids[two], note=one
                )
            )
        uow.commit()
    for who, expected in {"own": {"anna's", "clio's"}, "none": set(), "all": 3}.items():
        with unit_of_work(world, actor=ACTORS[who][0]) as uow:
            seen = set(uow.scalars(select(Relationship.note)))
            assert seen == expected or len(seen) == expected


def test_rows_behind_a_right_need_that_right(world: Database) -> None:
    with unit_of_work(world, actor=ACTORS["all"][0]) as uow:
        assert uow.scalars(select(AuditEntry.id)).all() == []
        assert uow.scalar(select(func.count()).select_from(AuditEntry)) == 0
    auditor = Actor(ANNA, "anna", {"core.audit.view": Reach.ALL})
    with unit_of_work(world, actor=auditor) as uow:
        assert uow.scalars(select(AuditEntry.id)).all() != []
        assert uow.scalars(select(Customer.id)).all() == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "read",
    [
        lambda uow: uow.scalars(select(Customer.name)).all(),
        lambda uow: uow.scalars(select(User)).all(),
        lambda uow: uow.find(Customer, new_id()),
        lambda uow: uow.execute(update(Customer).values(note="x")),
        lambda uow: uow.execute(insert(Tag).values(id=new_id(), name="x")),
    ],
)
def test_without_an_actor_nothing_is_read(
    database: Database, read: Callable[[UnitOfWork], Any]
) -> None:
    with (
        pytest.raises(PermissionDeniedError) as denied,
        unit_of_work(database, actor=None) as uow,
    ):
        read(uow)
    assert denied.value.code == "core.no_actor"


def test_every_mapped_class_declares_a_scope() -> None:
    mapped = [mapper.class_ for mapper in Base.registry.mappers]
    assert len(mapped) > 30
    for model in mapped:
        assert model.__scope__ is not None, model
        assert model.__entity__, f"{model} has no name for the audit"
    names = [model.__entity__ for model in mapped]
    assert len(names) == len(set(names))


def test_a_class_without_a_scope_cannot_be_mapped() -> None:
    with pytest.raises(TypeError, match="Unscoped declares no __scope__"):

        class Unscoped(Keyed):
            __tablename__ = "test_unscoped"

    assert "test_unscoped" not in Base.metadata.tables


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_class_mapped_later_is_scoped_too(world: Database, system: Actor) -> None:
    actor, expected = ACTORS["own"]
    with unit_of_work(world, actor=actor) as uow:
        assert set(uow.scalars(select(Customer.name))) == expected

    class Late(Keyed):
        __tablename__ = "test_late"
        __entity__ = "late"
        __scope__ = ThroughCustomer()

        customer_id: Mapped[UUID]

    try:
        with unit_of_work(world, actor=system, write=True) as uow:
            Late.__table__.create(uow.connection())
            for customer_id in uow.scalars(select(Customer.id)).all():
                uow.add(Late(customer_id=customer_id))
            uow.commit()
        with unit_of_work(world, actor=actor) as uow:
            assert len(uow.scalars(select(Late.id)).all()) == len(expected) < len(OWNERS)
    finally:
        Base.registry._dispose_cls(Late)
        Base.metadata.remove(Late.__table__)
        criteria._option_of.cache_clear()  # classes are not unmapped but here


def test_a_parent_is_looked_for_in_the_same_package_first() -> None:
    def mapped(package: str, name: str, **attributes: Any) -> Any:
        table = f"{package}_{name.lower()}"
        named = {"__module__": f"{package}.models", "__tablename__": table, "__entity__": table}
        return type(name, (Keyed,), {**named, **attributes})

    packages = [f"test_p{n}" for n in range(5)]  # mappers come in no order
    cards = [mapped(p, "Card", __scope__=ByRight(f"{p}.card.view")) for p in packages]
    scope = {"__scope__": Through("Card", "card_id")}
    entries = [mapped(p, "Entry", card_id=mapped_column(Key()), **scope) for p in packages]
    try:
        for package, entry in zip(packages, entries, strict=True):
            actor = make_actor(f"{package}.card.view")
            readable = [e for e in entries if e.__scope__.criterion(e, actor) is None]
            assert readable == [entry]
    finally:
        for each in (*entries, *cards):
            Base.registry._dispose_cls(each)
            Base.metadata.remove(each.__table__)
