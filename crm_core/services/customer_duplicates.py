"""Customers that may stand here twice: suggestions with reasons, and pairs that are two after all.

Who is suggested, and to whom, is within the actor's scope: of a pair both must be visible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, union_all

from crm_core.access import Actor
from crm_core.entities.customer import Address, AddressUse, ContactPoint, Customer
from crm_core.entities.merge import DistinctCustomers
from crm_core.entities.relationship import Relationship, RelationshipType
from crm_core.errors import InputError, NotFoundError
from crm_core.matching import LIKELY, UNSURE, Features, Pair, compare, features_of, verdict
from crm_core.messages import t
from crm_core.persistence.bulk import PARAMETERS, chunked
from crm_core.persistence.database import Database
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.search.fold import tokens
from crm_core.services.customer_merge import MERGE
from crm_core.services.duplicate_spool import DuplicateSpool
from crm_core.services.lookup import permitted_customer
from crm_core.services.relationships import CONTACT_OF
from crm_core.services.search import near_ids
from crm_core.services.settings import load_settings

DEFAULT_LIMIT = 50
NEAR = 100
"""Customers of one shared value, or one word of the name, that are compared with one customer."""
WORD_BEGINS = 5
"""Letters of a word of the name that are looked for: what follows may be spelt differently."""
LEAST_LETTERS = 3
PLACE = ("street", "street2", "postal_code", "city", "country_code")
IN_USE = Customer.archived_at.is_(None)

Told = Callable[[int], None]
"""Called with how many customers, and then pairs, were looked at."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two customers that may be one.

    Attributes:
        score: 0 to 100.
        verdict: ``sure``, ``likely`` or ``unsure``.
        reasons: What speaks for it, the strongest first, in words.
    """

    customer_id: UUID
    name: str
    other_id: UUID
    other_name: str
    score: int
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LikeCustomer:
    """A customer whom a record may mean that is none itself.

    Attributes:
        score: 0 to 100.
        verdict: ``sure``, ``likely`` or ``unsure``.
        reasons: What speaks for it, the strongest first, in words.
    """

    customer_id: UUID
    name: str
    score: int
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What a search for duplicates found.

    Attributes:
        suggestions: The most alike first, as many as were asked for.
        customers: How many were looked at.
        crowded: How many values so many share (a switchboard's number) that these customers were
            not compared for their sake.
    """

    suggestions: list[Suggestion]
    customers: int
    crowded: int


def find_duplicates(
    database: Database,
    actor: Actor,
    *,
    min_score: int = LIKELY,
    limit: int = DEFAULT_LIMIT,
    told: Told = lambda done: None,
) -> Duplicates:
    """Compare all customers in use that an actor may see with each other.

    They are read a page at a time, each in a transaction of its own, and compared on disk: memory
    is the same for any number.

    Args:
        database: Where.
        actor: On whose behalf.
        min_score: The least score, 55 to 100.
        limit: How many pairs, at most.
        told: Hears how far it is.

    Raises:
        InputError: The score or the limit is out of range.
        PermissionDeniedError: The actor may not see customers.
    """
    actor.require(CUSTOMER_VIEW)
    _check(min_score, limit)
    with DuplicateSpool() as spool:
        for page in _pages(database, actor):
            spool.add(page)
            told(spool.records)
        for done in spool.judge(min_score):
            told(done)
        suggestions = list(islice(_named(database, actor, spool.pairs()), limit))
        return Duplicates(suggestions, spool.records, spool.crowded)


def duplicates_of(
    uow: UnitOfWork, customer_id: UUID, *, min_score: int = LIKELY, limit: int = DEFAULT_LIMIT
) -> list[Suggestion]:
    """Return who may be the same as one customer, the most alike first.

    Only customers that share an e-mail address, number, VAT number, reference or the beginning of a
    word of the name are looked at, each found by an index.

    Raises:
        NotFoundError: There is no such customer that the actor may see.
        InputError: The score or the limit is out of range.
    """
    uow.actor.require(CUSTOMER_VIEW)
    _check(min_score, limit)
    customer = uow.get(Customer, customer_id)
    points = select(ContactPoint.normalized).where(
        ContactPoint.customer_id == customer.id, ContactPoint.normalized.is_not(None)
    )
    near = _near(
        uow,
        customer.name,
        uow.scalars(points).all(),
        vats=[customer.vat] if customer.vat else [],
        references=[customer.reference] if customer.reference else [],
    )
    [own, *others] = _features(uow, [customer_id, *(key for key in near if key != customer_id)])
    return _suggestions(uow, _alike(own, others, min_score))[:limit]


def customers_like(
    uow: UnitOfWork,
    records: Iterable[Mapping[str, Any]],
    *,
    min_score: int = LIKELY,
    limit: int = DEFAULT_LIMIT,
) -> list[LikeCustomer]:
    """Return which customers somebody may be who is none here, the most alike first.

    Found as :func:`duplicates_of` finds them, among those in use that the actor may see.

    Args:
        uow: The unit of work.
        records: All that they may be, such as a company or one of its people: ``kind``, ``name``
            and, where there are any, ``vat``, ``reference``, ``contact_points`` (of ``kind`` and
            ``value``), ``address`` and ``parent``, the name of the company whose contact it is.
        min_score: The least score, 55 to 100.
        limit: How many, at most.

    Raises:
        InputError: The score or the limit is out of range.
    """
    uow.actor.require(CUSTOMER_VIEW)
    _check(min_score, limit)
    region = load_settings(uow).phone_region
    given = list(records)
    owns = [features_of(None, each, parent=each.get("parent"), region=region) for each in given]
    others = _features(
        uow,
        _near(
            uow,
            " ".join(own.name for own in owns),
            {point for own in owns for point in (*own.emails, *own.phones)},
            vats={own.vat for own in owns if own.vat},
            references={str(each["reference"]) for each in given if each.get("reference")},
        ),
    )
    best: dict[Any, Pair] = {}
    for pair in (pair for own in owns for pair in _alike(own, others, min_score)):
        if pair.right not in best or best[pair.right].score < pair.score:
            best[pair.right] = pair
    names = {other.key: other.name for other in others}
    found = sorted(best.values(), key=lambda pair: (-pair.score, str(pair.right)))
    return [
        LikeCustomer(
            pair.right,  # type: ignore[arg-type]
            names[pair.right],
            pair.score,
            verdict(pair.score),
            pair.reasons,
        )
        for pair in found[:limit]
    ]


def _alike(own: Features, others: Iterable[Features], min_score: int) -> list[Pair]:
    pairs = [pair for other in others if (pair := compare(own, other)) is not None]
    pairs.sort(key=lambda pair: (-pair.score, str(pair.right)))
    return [pair for pair in pairs if pair.score >= min_score]


def say_distinct(uow: UnitOfWork, one_id: UUID, other_id: UUID) -> None:
    """Remember that two customers are not the same; they are not suggested again."""
    pair = _permitted_pair(uow, one_id, other_id)
    if uow.find(DistinctCustomers, pair) is None:
        uow.add(
            DistinctCustomers(
                customer_id=pair[0], other_id=pair[1], said_at=uow.now, said_by=uow.actor.login
            )
        )


def unsay_distinct(uow: UnitOfWork, one_id: UUID, other_id: UUID) -> None:
    """Forget that somebody said that two customers are not the same.

    Raises:
        NotFoundError: Nobody said so.
    """
    pair = _permitted_pair(uow, one_id, other_id)
    said = uow.find(DistinctCustomers, pair)
    if said is None:
        one, other = (uow.get(Customer, key).name for key in (one_id, other_id))
        raise NotFoundError(
            t(
                "Nobody said that {one} and {other} are two: there is nothing to take back.",
                one=one,
                other=other,
            ),
            code="core.customer.not_distinct",
            details={"ids": [str(key) for key in pair]},
        )
    uow.delete(said)


def _permitted_pair(uow: UnitOfWork, one_id: UUID, other_id: UUID) -> tuple[UUID, UUID]:
    if one_id == other_id:
        raise InputError(t("Name two customers."), code="core.customer.merge_same")
    for customer_id in (one_id, other_id):
        permitted_customer(uow, customer_id, MERGE)
    return min(one_id, other_id), max(one_id, other_id)


def _check(min_score: int, limit: int) -> None:
    if not UNSURE <= min_score <= 100 or limit < 1:
        raise InputError(
            t(
                "A score is {unsure} to 100, and at least one pair has to be asked for.",
                unsure=UNSURE,
            ),
            code="core.duplicates.range",
        )


def _near(
    uow: UnitOfWork,
    name: str,
    points: Iterable[str],
    *,
    vats: Iterable[str],
    references: Iterable[str],
) -> list[UUID]:
    """Return customers in use that share something that an index knows, by id."""
    shared: list[Select[Any]] = [
        select(ContactPoint.customer_id).where(ContactPoint.normalized == value).limit(NEAR)
        for value in points
    ]
    for column, values in ((Customer.vat, vats), (Customer.reference, references)):
        shared += [select(Customer.id).where(column == value).limit(NEAR) for value in values]
    beginnings = {word[:WORD_BEGINS] for word in tokens(name)}
    telling = sorted(each for each in beginnings if len(each) >= LEAST_LETTERS)
    shared += near_ids(uow, telling, most=NEAR)
    if not shared:
        return []
    # One question for all of them; each has a limit of its own, which SQLite takes in brackets.
    found = union_all(*(each.subquery().select() for each in shared)).subquery()
    statement = select(Customer.id).where(IN_USE, Customer.id.in_(select(found.c[0])))
    return list(uow.scalars(statement.order_by(Customer.id)))


def _pages(database: Database, actor: Actor) -> Iterator[list[Features]]:
    after: UUID | None = None
    statement = select(Customer.id).where(IN_USE).order_by(Customer.id).limit(PARAMETERS)
    while True:
        with unit_of_work(database, actor=actor) as uow:
            later = statement if after is None else statement.where(Customer.id > after)
            ids = uow.scalars(later).all()
            page = _features(uow, ids)
        if not ids:
            return
        yield page
        after = ids[-1]


def _features(uow: UnitOfWork, ids: Sequence[UUID]) -> list[Features]:
    """Return what customers are compared by, in this order."""
    records: dict[UUID, dict[str, Any]] = {}
    columns = (Customer.id, Customer.kind, Customer.name, Customer.vat, Customer.reference)
    for row in _of(uow, select(*columns), Customer.id, ids):
        records[row.id] = {**row._mapping, "contact_points": [], "address": {}}
    points = select(ContactPoint.customer_id, ContactPoint.kind, ContactPoint.value)
    for row in _of(uow, points, ContactPoint.customer_id, ids):
        records[row.customer_id]["contact_points"].append({"kind": row.kind, "value": row.value})
    main = select(Address.customer_id, *(getattr(Address, name) for name in PLACE)).where(
        Address.use == AddressUse.MAIN.value, Address.archived_at.is_(None)
    )
    for row in _of(uow, main, Address.customer_id, ids):
        records[row.customer_id]["address"] = dict(row._mapping)
    company = select(Relationship.from_customer_id, Customer.name)
    company = (
        company.join(Customer, Customer.id == Relationship.to_customer_id)
        .join(RelationshipType, RelationshipType.id == Relationship.type_id)
        .where(RelationshipType.code == CONTACT_OF, Relationship.ended_on.is_(None))
    )
    rows = _of(uow, company, Relationship.from_customer_id, ids)
    parents = {row.from_customer_id: row.name for row in rows}
    region = load_settings(uow).phone_region
    return [
        features_of(key, records[key], parent=parents.get(key), region=region)
        for key in ids
        if key in records
    ]


def _of(uow: UnitOfWork, statement: Any, column: Any, ids: Sequence[UUID]) -> Iterator[Any]:
    for some in chunked(ids, PARAMETERS):
        yield from uow.execute(statement.where(column.in_(some)))


def _named(database: Database, actor: Actor, pairs: Iterable[Pair]) -> Iterator[Suggestion]:
    for some in chunked(pairs, PARAMETERS // 2):
        with unit_of_work(database, actor=actor) as uow:
            found = _suggestions(uow, some)
        yield from found


def _suggestions(uow: UnitOfWork, pairs: Sequence[Pair]) -> list[Suggestion]:
    """Return pairs with names, without those that are two, or were merged or archived meanwhile."""
    ids: list[Any] = sorted({key for pair in pairs for key in (pair.left, pair.right)})
    told = (
        select(Customer.id, Customer.name, DistinctCustomers.other_id)
        .outerjoin(DistinctCustomers, DistinctCustomers.customer_id == Customer.id)
        .where(Customer.merged_into_id.is_(None))
    )
    names: dict[Any, str] = {}
    distinct: set[frozenset[Any]] = set()
    for row in _of(uow, told, Customer.id, ids):
        names[row.id] = row.name
        distinct.add(frozenset((row.id, row.other_id)))
    return [
        Suggestion(
            pair.left,  # type: ignore[arg-type]
            names[pair.left],
            pair.right,  # type: ignore[arg-type]
            names[pair.right],
            pair.score,
            verdict(pair.score),
            pair.reasons,
        )
        for pair in pairs
        if pair.left in names
        and pair.right in names
        and frozenset((pair.left, pair.right)) not in distinct
    ]
