"""The fields of the list of customers: what can be shown, asked and sorted by.

The core's own stand in ``CORE_FIELDS``; profile attributes (``profile.CODE``) and the columns that
plugins register come to them, as far as the actor may see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, func, not_, select
from sqlalchemy.sql.expression import false

from crm_core.entities.consent import ProfileAttribute, ProfileType
from crm_core.entities.customer import (
    Address,
    Customer,
    CustomerKind,
    CustomerStage,
)
from crm_core.entities.user import User
from crm_core.errors import InputError
from crm_core.messages import t
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
from crm_core.services.customer_list_conditions import (
    Condition,
    Expression,
    address,
    contact,
    last_contact,
    next_activity,
    open_activities,
    overdue,
    owing,
    profile_condition,
    tagged,
)
from crm_core.services.customer_list_query import ListFilter, Operator
from crm_core.services.customer_list_values import (
    Reader,
    first_point,
    of_main_address,
    read_balances,
    read_moments,
    read_profile,
    read_tags,
    reader_of_plugin,
)
from crm_hooks.contributions import ListColumn

PROFILE = "profile."


@dataclass(frozen=True, slots=True)
class ListField:
    """One field of the list.

    Attributes:
        name: As links hold it.
        title: What people read.
        kind: What its values are; a key of ``OPERATORS``.
        choices: ``(value, title)`` pairs where there are few.
        column: What the list's statement reads it from; None where ``first`` or ``reader`` does.
        first: Makes the SQL of its value of a customer's id; asked for the customers of a page.
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
    first: Callable[[Any], ColumnElement[Any]] | None = None
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
            "email",
            t("E-mail"),
            kinds.TEXT,
            first=first_point("email"),
            condition=contact("email"),
        ),
        ListField(
            "phone",
            t("Phone"),
            kinds.TEXT,
            first=first_point("phone", "mobile"),
            condition=contact("phone", "mobile"),
        ),
        ListField(
            "city",
            t("City"),
            kinds.TEXT,
            first=of_main_address(Address.city),
            condition=address(Address.city, kinds.TEXT),
        ),
        ListField(
            "country",
            t("Country"),
            kinds.COUNTRY,
            first=of_main_address(Address.country_code),
            condition=address(Address.country_code, kinds.COUNTRY),
        ),
        ListField("tags", t("Tags"), kinds.TAGS, reader=read_tags, condition=tagged),
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
            condition=last_contact,
        ),
        ListField(
            "next_activity",
            t("Next activity"),
            kinds.MOMENT,
            reader=read_moments,
            condition=next_activity,
        ),
        ListField(
            "open_activities",
            t("Open activities"),
            kinds.NUMBER,
            reader=read_moments,
            expression=open_activities,
            is_nullable=False,
        ),
        ListField("balance", t("Balance"), kinds.MONEY, reader=read_balances, condition=owing),
        ListField(
            "overdue",
            t("Overdue"),
            kinds.YES_NO,
            reader=read_balances,
            expression=overdue,
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
        condition=profile_condition(attribute.id, kind),
        is_nullable=kind != kinds.YES_NO,
    )


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
