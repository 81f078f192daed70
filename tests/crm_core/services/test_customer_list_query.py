"""The text of a list's link, and the query that it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import InputError
from crm_core.services.customer_list_query import (
    SEVERAL,
    VALUELESS,
    ListFilter,
    ListQuery,
    Operator,
    list_query,
    list_text,
    parse_list_query,
)

names = st.from_regex(r"[a-z][a-z0-9_.]{0,20}", fullmatch=True).filter(
    lambda name: name not in ("q", "sort", "columns")
)
values = st.text(min_size=1, max_size=20)


@st.composite
def filters(draw: st.DrawFn) -> ListFilter:
    operator = draw(st.sampled_from(list(Operator)))
    if operator in VALUELESS:
        given_values: tuple[str, ...] = ()
    elif operator in SEVERAL:
        given_values = tuple(draw(st.lists(values, min_size=1, max_size=4)))
    else:
        given_values = (draw(values),)
    return ListFilter(draw(names), operator.value, given_values)


queries = st.builds(
    ListQuery,
    st.lists(filters(), max_size=6).map(tuple),
    st.none() | values,
    st.none() | names | names.map(lambda name: f"-{name}"),
    st.lists(names, max_size=4).map(tuple),
)


@given(queries)
def test_what_is_printed_is_read_back(query: ListQuery) -> None:
    assert parse_list_query(list_text(query)) == query


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse_list_query(text)
    except InputError:
        return
    assert parse_list_query(list_text(query)) == query


def test_a_link_reads_like_what_it_means() -> None:
    text = "owner=me&stage=any:prospect,active&city=Athens&sort=-created&columns=name,city"
    query = ListQuery(
        (
            ListFilter("owner", "is", ("me",)),
            ListFilter("stage", "any", ("prospect", "active")),
            ListFilter("city", "is", ("Athens",)),
        ),
        sort="-created",
        columns=("name", "city"),
    )
    assert parse_list_query(text) == query
    assert list_text(query) == text


def test_blank_fields_of_a_form_count_for_nothing() -> None:
    assert list_query([("q", ""), ("city", ""), ("vat", "empty:")]) == ListQuery(
        (ListFilter("vat", "empty"),)
    )


@pytest.mark.parametrize("text", ["a" * 8_001, "&".join(["a=b"] * 41), "a=%ff"])
def test_too_much_and_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_list_query(text)
