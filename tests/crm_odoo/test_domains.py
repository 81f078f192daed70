"""Domains as data: prefixes, placeholders and the setting of customers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crm_odoo.mappings.domains import (
    CUSTOMER_DOMAIN,
    DEFAULT_CUSTOMER_DOMAIN,
    IS_CUSTOMER,
    conjunction,
    of_customers,
    prefixed,
    resolved,
)

IDS = {"$own_companies": [1, 41], "$internal_users": [3]}


def arity(domain):
    """How many expressions a prefix-notation domain holds; fails on a broken one."""
    depth = 0
    for term in reversed(domain):
        if term in ("&", "|"):
            assert depth >= 2
            depth -= 1
        elif term == "!":
            assert depth >= 1
        else:
            depth += 1
    return depth


leaf = st.tuples(st.sampled_from(["name", "id", "parent_id.name"]), st.just("="), st.integers())
expression = st.recursive(
    leaf.map(lambda term: (term,)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["&", "|"]), inner, inner).map(lambda t: (t[0], *t[1], *t[2])),
        inner.map(lambda domain: ("!", *domain)),
    ),
    max_leaves=8,
)


@given(st.lists(expression, min_size=1, max_size=4))
def test_a_conjunction_is_one_expression(parts):
    domain = tuple(term for part in parts for term in part)
    assert arity(domain) == len(parts)
    assert arity(conjunction(domain)) == 1


@given(st.lists(expression, max_size=3))
def test_any_setting_fits_into_every_domain(parts):
    setting = tuple(term for part in parts for term in part)
    for domain in (IS_CUSTOMER, of_customers(("state", "=", "sale"))):
        found = resolved(domain, setting, IDS)
        assert arity([tuple(t) if isinstance(t, list) else t for t in found]) >= 1
        assert "$" not in str(found)


def test_the_default_leaves_out_own_companies_and_internal_users():
    found = resolved((CUSTOMER_DOMAIN,), DEFAULT_CUSTOMER_DOMAIN, IDS)
    assert found == [
        "&",
        ["commercial_partner_id", "not in", [1, 41]],
        ["id", "not in", [3]],
    ]


def test_documents_are_looked_at_through_their_partner():
    through = prefixed((("id", "not in", [3]), ("name", "=", "x"), CUSTOMER_DOMAIN), "partner_id")
    assert through == (
        ("partner_id", "not in", [3]),
        ("partner_id.name", "=", "x"),
        f"{CUSTOMER_DOMAIN}:partner_id",
    )
    assert prefixed((f"{CUSTOMER_DOMAIN}:parent_id",), "partner_id") == (
        f"{CUSTOMER_DOMAIN}:partner_id.parent_id",
    )


def test_no_setting_takes_every_partner():
    assert resolved((CUSTOMER_DOMAIN,), (), IDS) == [[1, "=", 1]]
