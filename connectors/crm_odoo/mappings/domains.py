"""Which partners are customers, which are addresses, and which documents are theirs.

A customer's contact persons are customers too. A child partner of one of Odoo's address types is
an address of its parent. Left out by default are the partners of Odoo's internal users, whether
they still work there or not, and whatever belongs to the own companies: the companies themselves,
their contacts and their addresses. (``commercial_partner_id`` leads from any of these to the
company. A subsidiary is a company of its own there, so it stays in.) A portal user is a customer
who may log in, so he stays in too; the users that Odoo keeps for visitors and as a template are
nobody. A private address without a parent is an employee's home.

The domain is a setting. In it ``"$own_companies"`` and ``"$internal_users"`` stand for the partner
ids of these. Addresses follow their parent, documents their partner, in or out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_odoo.mappings.model import Domain

CUSTOMER_DOMAIN = "$customer_domain"
"""Where a domain takes in the setting; ``$customer_domain:partner_id`` through a field."""
OWN_COMPANIES = "$own_companies"
INTERNAL_USERS = "$internal_users"
IS_INTERNAL_USER: Domain = (
    "|",
    ("share", "=", False),
    ("login", "in", ("public", "portaltemplate")),
)
ADDRESS_TYPES = ("invoice", "delivery", "other", "private")

DEFAULT_CUSTOMER_DOMAIN: Domain = (
    ("commercial_partner_id", "not in", OWN_COMPANIES),
    ("id", "not in", INTERNAL_USERS),
)

IS_CUSTOMER: Domain = (
    "|",
    "&",
    ("parent_id", "=", False),
    ("type", "!=", "private"),
    "&",
    ("parent_id", "!=", False),
    ("type", "not in", ADDRESS_TYPES),
    CUSTOMER_DOMAIN,
)
IS_ADDRESS: Domain = (
    ("parent_id", "!=", False),
    ("type", "in", ADDRESS_TYPES),
    ("id", "not in", INTERNAL_USERS),
    f"{CUSTOMER_DOMAIN}:parent_id",
)


def of_customers(*own: Any) -> Domain:
    """Return a domain of documents whose partner is a customer or an address of one."""
    return (
        *own,
        "|",
        *conjunction(prefixed(IS_CUSTOMER, "partner_id")),
        *conjunction(prefixed(IS_ADDRESS, "partner_id")),
    )


def prefixed(domain: Sequence[Any], path: str) -> Domain:
    """Return the domain as seen from a record whose many-to-one ``path`` leads to it."""

    def through(term: Any) -> Any:
        if isinstance(term, str):
            if not term.startswith(CUSTOMER_DOMAIN):
                return term
            inner = term.partition(":")[2]
            return f"{CUSTOMER_DOMAIN}:{path}.{inner}" if inner else f"{CUSTOMER_DOMAIN}:{path}"
        field, operator, value = term
        return (path if field == "id" else f"{path}.{field}", operator, value)

    return tuple(through(term) for term in domain)


def conjunction(domain: Sequence[Any]) -> Domain:
    """Return a domain as one expression, so that it can stand after an operator."""
    open_terms = 1
    top_level = 0
    for term in domain:
        if term in ("&", "|"):
            open_terms += 1
        elif term != "!":
            open_terms -= 1
            if open_terms == 0:
                top_level += 1
                open_terms = 1
    return ("&",) * (top_level - 1) + tuple(domain)


def resolved(
    domain: Sequence[Any], customer_domain: Sequence[Any], names: Mapping[str, Sequence[int]]
) -> list[Any]:
    """Return a domain that Odoo understands: the setting taken in, placeholders as ids."""
    terms: list[Any] = []
    for term in domain:
        if isinstance(term, str) and term.startswith(CUSTOMER_DOMAIN):
            path = term.partition(":")[2]
            setting = prefixed(customer_domain, path) if path else tuple(customer_domain)
            terms += resolved(conjunction(setting), (), names) or [[1, "=", 1]]
        elif isinstance(term, str):
            terms.append(term)
        else:
            field, operator, value = term
            if isinstance(value, str) and value in names:
                value = names[value]
            terms.append([field, operator, list(value) if isinstance(value, tuple) else value])
    return terms
