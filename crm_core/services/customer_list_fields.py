"""The fields of the list of customers: what can be shown, asked and sorted by.

The core's own stand in ``CORE_FIELDS``; profile attributes (``profile.CODE``) and the columns that
plugins register come to them, as far as the actor may see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, case, cast, exists, func, not_, or_, select
from sqlalchemy.sql.expression import false

from crm_core.entities.commerce import Transaction, TransactionKind
from crm_core.entities.consent import ProfileAttribute, ProfileType, ProfileValue
from crm_core.entities.customer import (
    Address,
    AddressUse,
    ContactPoint,
    Customer,
    CustomerKind,
    CustomerStage,
    CustomerTag,
    Tag,
)
from crm_core.entities.interaction import Activity, Interaction
from crm_core.entities.user import User
from crm_core.errors import InputError
from crm_core.messages import t
from crm_core.normalize import normalize_contact
from crm_core.persistence.bulk import among
from crm_core.services import customer_list_compare as kinds
from crm_core.services.customer_list_compare import (
    OPERATORS,
    OPPOSITES,
    Asking,
    checked_operator,
    holds,
    parsed,
    refused,
)
from crm_core.services.customer_list_query import ListFilter, Operator
from crm_core.services.customer_list_values import (
    Reader,
    read_addresses,
    read_balances,
    read_contacts,
    read_moments,
    read_profile,
    read_tags,
    reader_of_plugin,
)
from crm_hooks.contributions import ListColumn

PROFILE = "profile."
FEW = 1_000
"""Customers that are looked up by their ids."""
Expression = Callable[[Asking], ColumnElement[Any]]
Condition = Callable[[Asking, Operator, Sequence[Any]], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class ListField:
    """One field of the list.

    Attributes:
        name: As links hold it.
        title: What people read.
        kind: What its values are; a key of ``OPERATORS``.
        choices: ``(value, title)`` pairs where there are few.
        column: What the list's own statement reads it from; None where ``reader`` does.
        reader: Reads its values for the customers of a page.
        expression: The SQL of its one value, for filters and the order.
        condition: The SQL of filters where there is no one value; for none of the opposites.
        key: What the list is sorted by; None goes by ``expression`` where ``is_sortable``.
        is_sortable: Whether the list can be sorted by it.
        is_nullable: Whether a customer may have no value.
    """

    name: str
    title: str
    kind: str
    choices: tuple[tuple[str, str], ...] = ()
    column: Any = None
    reader: Reader | None = None
    expression: Expression | None = None
    condition: Condition | None = None
    key: Any = None
    is_sortable: bool = False
    is_nullable: bool = True

    @property
    def operators(self) -> tuple[str, ...]:
        """What it can be asked; none where it can only be shown."""
        if self.expression is None and self.condition is None:
            return ()
        return tuple(
            each.value
            for each in OPERATORS[self.kind]
            if self.is_nullable or each not in (Operator.EMPTY, Operator.FILLED)
        )

    def sql(self, asking: Asking, wanted: ListFilter) -> ColumnElement[bool]:
        """Return the SQL of a filter on this field.

        Raises:
            InputError: It cannot be asked so; the message names the field and what is allowed.
        """
        name, title = self.name, self.title
        if wanted.operator not in self.operators:
            allowed = ", ".join(self.operators) or t("nothing: it is only shown")
            message = t(
                "cannot be asked {operator!r}; ask {names}.",
                operator=wanted.operator,
                names=allowed,
            )
            raise refused(name, title, message, operators=list(self.operators))
        operator = checked_operator(self.kind, name, title, wanted.operator, len(wanted.values))
        choices = [value for value, _ in self.choices]
        values = parsed(asking, self.kind, name, title, wanted.values, choices)
        positive = OPPOSITES.get(operator, operator)
        if self.condition is not None:
            found = self.condition(asking, positive, values)
            return found if positive is operator else not_(found)
        assert self.expression is not None
        found = holds(self.kind, self.expression(asking), positive, values)
        # What is unknown of a value that is not there does not hold.
        return found if positive is operator else not_(func.coalesce(found, false()))


def fields_for(asking: Asking, names: Iterable[str] | None = None) -> dict[str, ListField]:
    """Return the fields that the actor may use, by name, in the order they are offered.

    Args:
        asking: Who asks.
        names: Those needed, so that nothing is read for others; None for all.
    """
    wanted = None if names is None else set(names)
    found = dict(CORE_FIELDS)
    if wanted is None or any(name.startswith(PROFILE) for name in wanted):
        found |= _profile_fields(asking)
    for name, column in asking.uow.hooks.list_columns.items():
        if not column.right or asking.uow.actor.may(column.right):
            found[name] = _plugin_field(column)
    return found


def field_named(fields: Mapping[str, ListField], name: str) -> ListField:
    """Return a field by name; raises InputError that lists those there are."""
    if name not in fields:
        raise InputError(
            t(
                "There is no field {name!r} in this list; there are {names}.",
                name=name[:80],
                names=", ".join(fields),
            ),
            code="core.list.field",
            details={"field": name[:80], "fields": list(fields)},
        )
    return fields[name]


def _of_column(column: Any) -> Expression:
    return lambda _asking: column


def _having(
    asking: Asking, customer_id: Any, *conditions: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the SQL that a customer has a row elsewhere, in the way that the list is walked best.

    Few customers are looked up one by one; of many, a page is full after a short walk in its order.
    """
    found = select(customer_id).where(*conditions).limit(FEW + 1)
    ids = asking.uow.scalars(found).all()
    if len(ids) <= FEW:
        return among(Customer.id, ids)
    return exists().where(customer_id == Customer.id, *conditions)


def _tags(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
    carried = CustomerTag.customer_id
    if operator is Operator.FILLED:
        return _having(asking, carried)
    ids = asking.uow.scalars(select(Tag.id).where(Tag.name.in_(values))).all()
    return _having(asking, carried, CustomerTag.tag_id.in_(ids))


def _contact(*contact_kinds: str) -> Condition:
    def condition(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
        point = ContactPoint
        conditions: list[ColumnElement[bool]] = [point.kind.in_(contact_kinds)]
        if operator in (Operator.IS, Operator.ANY):
            region = asking.settings.phone_region
            same = {normalize_contact(contact_kinds[0], each, region) or each for each in values}
            conditions.append(point.normalized.in_(sorted(same)))
        elif operator is not Operator.FILLED:
            conditions.append(
                or_(
                    holds(kinds.TEXT, point.value, operator, values),
                    holds(kinds.TEXT, point.normalized, operator, values),
                )
            )
        return _having(asking, point.customer_id, *conditions)

    return condition


def _address(column: Any, kind: str) -> Condition:
    def condition(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
        return _having(
            asking,
            Address.customer_id,
            holds(kind, column, operator, values),
            Address.use == AddressUse.MAIN.value,
            Address.archived_at.is_(None),
        )

    return condition


def _last_contact(_asking: Asking) -> ColumnElement[Any]:
    latest = select(func.max(Interaction.at)).where(Interaction.customer_id == Customer.id)
    return latest.correlate(Customer).scalar_subquery()


def _next_activity(_asking: Asking) -> ColumnElement[Any]:
    soonest = select(func.min(Activity.due_at)).where(
        Activity.customer_id == Customer.id, Activity.is_open
    )
    return soonest.correlate(Customer).scalar_subquery()


def _open_activities(_asking: Asking) -> ColumnElement[Any]:
    todo = select(func.count()).where(Activity.customer_id == Customer.id, Activity.is_open)
    return todo.correlate(Customer).scalar_subquery()


def _overdue(asking: Asking) -> ColumnElement[Any]:
    return exists().where(
        Transaction.customer_id == Customer.id,
        Transaction.is_open,
        Transaction.due_on < asking.today,
        Transaction.kind == TransactionKind.INVOICE.value,
    )


def _owing(_asking: Asking, _operator: Operator, _values: Sequence[Any]) -> ColumnElement[bool]:
    return exists().where(Transaction.customer_id == Customer.id, Transaction.is_open)


_KINDS = ((CustomerKind.PERSON.value, t("Person")), (CustomerKind.COMPANY.value, t("Company")))
_STAGES = (
    (CustomerStage.PROSPECT.value, t("Prospect")),
    (CustomerStage.ACTIVE.value, t("Active")),
    (CustomerStage.LOYAL.value, t("Loyal")),
    (CustomerStage.LAPSED.value, t("Lapsed")),
)


def _own(
    name: str,
    title: str,
    kind: str,
    column: Any,
    *,
    choices: tuple[tuple[str, str], ...] = (),
    key: Any = None,
    is_nullable: bool = True,
) -> ListField:
    return ListField(
        name,
        title,
        kind,
        choices,
        column=column,
        expression=_of_column(column),
        key=column if key is None else key,
        is_sortable=True,
        is_nullable=is_nullable,
    )


CORE_FIELDS: Mapping[str, ListField] = {
    each.name: each
    for each in (
        _own("name", t("Name"), kinds.TEXT, Customer.name, is_nullable=False),
        _own("kind", t("Kind"), kinds.CHOICE, Customer.kind, choices=_KINDS, is_nullable=False),
        _own("stage", t("Stage"), kinds.CHOICE, Customer.stage, choices=_STAGES, is_nullable=False),
        ListField(
            "owner",
            t("Owner"),
            kinds.USER,
            column=User.name,
            expression=_of_column(Customer.owner_id),
            key=User.name,
            is_sortable=True,
        ),
        _own("reference", t("Reference"), kinds.TEXT, Customer.reference),
        _own("vat", t("VAT number"), kinds.TEXT, Customer.vat),
        ListField(
            "email", t("E-mail"), kinds.TEXT, reader=read_contacts, condition=_contact("email")
        ),
        ListField(
            "phone",
            t("Phone"),
            kinds.TEXT,
            reader=read_contacts,
            condition=_contact("phone", "mobile"),
        ),
        ListField(
            "city",
            t("City"),
            kinds.TEXT,
            reader=read_addresses,
            condition=_address(Address.city, kinds.TEXT),
        ),
        ListField(
            "country",
            t("Country"),
            kinds.COUNTRY,
            reader=read_addresses,
            condition=_address(Address.country_code, kinds.COUNTRY),
        ),
        ListField("tags", t("Tags"), kinds.TAGS, reader=read_tags, condition=_tags),
        _own("language", t("Language"), kinds.TEXT, Customer.language),
        _own("job_title", t("Job title"), kinds.TEXT, Customer.job_title),
        # Keys are made in the order of time, so that creation needs no index of its own.
        _own(
            "created",
            t("Created"),
            kinds.MOMENT,
            Customer.created_at,
            key=Customer.id,
            is_nullable=False,
        ),
        _own("changed", t("Changed"), kinds.MOMENT, Customer.updated_at, is_nullable=False),
        ListField(
            "last_contact",
            t("Last contact"),
            kinds.MOMENT,
            reader=read_moments,
            expression=_last_contact,
        ),
        ListField(
            "next_activity",
            t("Next activity"),
            kinds.MOMENT,
            reader=read_moments,
            expression=_next_activity,
        ),
        ListField(
            "open_activities",
            t("Open activities"),
            kinds.NUMBER,
            reader=read_moments,
            expression=_open_activities,
            is_nullable=False,
        ),
        ListField("balance", t("Balance"), kinds.MONEY, reader=read_balances, condition=_owing),
        ListField(
            "overdue",
            t("Overdue"),
            kinds.YES_NO,
            reader=read_balances,
            expression=_overdue,
            is_nullable=False,
        ),
        ListField(
            "archived",
            t("Archived"),
            kinds.YES_NO,
            column=Customer.archived_at.is_not(None),
            expression=_of_column(Customer.archived_at.is_not(None)),
            is_nullable=False,
        ),
    )
}

_PROFILE_KINDS = {
    ProfileType.TEXT.value: kinds.TEXT,
    ProfileType.NUMBER.value: kinds.NUMBER,
    ProfileType.MONEY.value: kinds.MONEY,
    ProfileType.DATE.value: kinds.DATE,
    ProfileType.BOOLEAN.value: kinds.YES_NO,
    ProfileType.CHOICE.value: kinds.CHOICE,
}


def _profile_fields(asking: Asking) -> dict[str, ListField]:
    attribute = ProfileAttribute
    rows = asking.uow.execute(
        select(
            attribute.id, attribute.code, attribute.title, attribute.type, attribute.choices
        ).order_by(attribute.title, attribute.code)
    )
    return {PROFILE + row.code: _profile_field(row) for row in rows}


def _profile_field(attribute: Any) -> ListField:
    kind = _PROFILE_KINDS[attribute.type]
    return ListField(
        PROFILE + attribute.code,
        attribute.title,
        kind,
        tuple((choice, choice) for choice in attribute.choices or ()),
        reader=read_profile,
        condition=_profile_condition(attribute.id, kind),
        is_nullable=kind != kinds.YES_NO,
    )


def _profile_condition(attribute_id: UUID, kind: str) -> Condition:
    value: Any = ProfileValue.value
    if kind == kinds.NUMBER:
        # The case keeps other attributes' texts from being taken for numbers.
        value = case((ProfileValue.attribute_id == attribute_id, cast(value, Float)))

    def condition(asking: Asking, operator: Operator, values: Sequence[Any]) -> ColumnElement[bool]:
        conditions: list[ColumnElement[bool]] = [ProfileValue.attribute_id == attribute_id]
        if kind == kinds.YES_NO:
            conditions.append(value == str(values[0]).lower())
        elif operator is not Operator.FILLED:
            conditions.append(_canonical(kind, value, operator, values))
        return _having(asking, ProfileValue.customer_id, *conditions)

    return condition


def _canonical(
    kind: str, value: Any, operator: Operator, values: Sequence[Any]
) -> ColumnElement[bool]:
    """Compare what is kept as text; ISO dates sort as dates do."""
    if kind != kinds.DATE:
        return holds(kind, value, operator, values)
    days = [day.isoformat() for day in values]
    found: ColumnElement[bool] = value.between(days[0], days[-1])
    if operator in (Operator.BEFORE, Operator.AFTER):
        found = value < days[0] if operator is Operator.BEFORE else value > days[0]
    return found


def _plugin_field(column: ListColumn) -> ListField:
    field = ListField(
        column.name,
        column.title,
        column.kind,
        column.choices,
        reader=reader_of_plugin(column),
    )
    if not column.expression:
        return field

    def expression(asking: Asking) -> ColumnElement[Any]:
        return asking.uow.hooks.call(  # type: ignore[no-any-return]
            column.expression, t("The column {title}", title=column.title), asking.uow
        )

    return replace(field, expression=expression, is_sortable=True)
