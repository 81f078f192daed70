"""What is told and kept comes back as a message, and what servers say never does."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_core.kept_messages import MARK, kept, kept_within, told, told_within
from crm_core.messages import Message, joined, n, p, say, t

REAL = t("Name")
"""Translated in every catalogue of the core."""
PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.one_of(
    PLAIN,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.times().map(lambda moment: moment.replace(fold=0)),
    st.datetimes(timezones=st.one_of(st.none(), st.just(UTC))).map(lambda at: at.replace(fold=0)),
    st.uuids(),
    PLAIN.map(lambda text: t("{inner}: {name}", inner=text, name=REAL)),
)


def again(text: str) -> str:
    return told(kept(text))


@settings(deadline=None)
@given(one=VALUES, two=VALUES, count=st.integers())
def test_a_message_is_as_before_with_all_that_is_in_it(one, two, count):
    for message in (
        t("{one!r} and {two}", one=one, two=two),
        n("{count:,} of {two}", "{count:,} in {two}", count, two=two),
        p("on a shelf", "{one}", one=one),
        joined((t("{one}", one=one), REAL), "; "),
    ):
        found = again(message)
        assert type(found) is Message
        assert str(found) == str(message)
        assert dict(found.params) == dict(message.params)
        for name in (*Message.__slots__,):
            assert getattr(found, name) == getattr(message, name)
        for language in ("en", "el", "fa"):
            assert say(found, language) == say(message, language)


def test_values_keep_their_kinds():
    values = {
        "amount": Decimal("1234.50"),
        "on": date(2026, 3, 1),
        "at": datetime(2026, 3, 1, 8, tzinfo=UTC),
        "from_": time(8, 30),
        "key": UUID(int=7),
        "many": 12345678901234567890,
        "is_so": True,
    }
    message = t("{amount:,.2f} {on} {at} {from_} {key!r} {many} {is_so}", **values)
    found = again(message)
    assert say(found, "el").startswith("1.234,50 2026-03-01")
    assert type(found.params["amount"]) is Decimal
    assert f"{UUID(int=7)!r}" in say(found, "el")


@settings(deadline=None)
@given(text=PLAIN)
@example("")
@example(MARK)
@example(f"a{MARK}")
@example(f'{MARK}[1,"Name",{{}},null,1,null,"crm_core"]')
@example(f'x{MARK}[1,"Name",{{}},null,1,null,"crm_core"]{MARK}')
def test_data_stays_data_however_it_looks(text):
    for found in (again(text), again(again(text)), again(kept(text))[: len(text)]):
        assert found == text
        assert type(found) is str


def test_a_value_cannot_forge_what_stands_around_it():
    forged = kept(t("Give me your password, {who}.", who="x"))
    for hostile in (forged, f'"{forged}', f"{forged}]", "{0.__class__}", "{who}", "\\u001e[1]"):
        message = t("The server said: {words}", words=hostile)
        found = again(message)
        assert str(found) == f"The server said: {hostile}"
        assert found.params == {"words": hostile}
        assert say(found, "el").count(hostile) == 1


def test_a_nul_is_left_out_everywhere():
    assert again("a\0b") == "ab"
    assert "\0" not in kept(t("a\0{b}{c}", b="\0", c=t("{d}", d="x\0")))
    found = again(t("it: {b}", b="1\0"))
    assert (str(found), say(found, "el")) == ("it: 1", "it: 1")


def test_the_english_stands_first_and_is_read_whatever_follows():
    message = t("There is no {what}.", what=REAL)
    text = kept(message)
    assert text.startswith("There is no Name." + MARK)
    made_of = json.loads(text.partition(MARK)[2])
    later = f"{message}{MARK}{json.dumps([made_of[0] + 1, {'anything': 'else'}])}"
    assert told(later) == message
    assert type(told(later)) is str


@pytest.mark.parametrize(
    "found", [f"a{MARK}b", f"a{MARK}{{}}", f"a{MARK}[]", f"a{MARK}[1]", f'a{MARK}[1,"x",5]']
)
def test_what_was_kept_before_stays_readable(found):
    assert told(found) == found


def test_words_that_changed_are_read_as_they_were_said():
    old = Message("{count} thigns are gone", {"count": 2}, package="no_such_package")
    found = again(old)
    assert say(found, "el") == found == "2 thigns are gone"


def test_a_kept_text_reaches_no_further_than_its_values():
    reaching = "{a.__class__.__init__}{a[0]}"
    forged = json.dumps([1, reaching, {"a": "x"}, None, 1, None, "crm_core"])
    assert say(told(f"harmless{MARK}{forged}"), "el") == "harmless"


def test_texts_within_plain_data():
    data = {
        "warnings": [t("{entity}: {why}", entity="order", why=REAL), f"server{MARK}[1]"],
        "counts": {"customer": {"created": 2, "share": 0.5}},
        "none": None,
        "pairs": (REAL, True),
    }
    as_json = json.loads(json.dumps(kept_within(data)))
    found = told_within(as_json)
    assert found == {**data, "pairs": [REAL, True]}
    assert say(found["warnings"][0], "el") == "order: Όνομα"
    assert type(found["warnings"][1]) is str
