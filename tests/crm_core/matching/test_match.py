"""Pairing two sides: what holds whatever they are, and what is left for a person."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crm_core.matching import (
    Features,
    LeftOut,
    candidates,
    candidates_within,
    compare,
    features_of,
    match,
)

NAMES = [
    "Eleni Rapti",
    "Ελένη Ράπτη",
    "Rapti E.",
    "O'Neil",
    "ONeil Ltd",
    "Иванов Сергей",
    "علی",
    "?",
]
PLACES = [
    None,
    {"street": "Ermou 1", "postal_code": "10563"},
    {"city": "Athens"},
    {"city": "Αθήνα"},
]


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    mails = draw(st.lists(st.sampled_from(["a@x.eu", "B@x.eu", "no mail"]), max_size=2))
    phones = draw(st.lists(st.sampled_from(["210 1234567", "+302101234567", "7"]), max_size=1))
    return {
        "kind": draw(st.sampled_from(["person", "company"])),
        "name": draw(st.sampled_from(NAMES) | st.text(max_size=12)),
        "vat": draw(st.sampled_from([None, "EL094259216", "DE136695976"])),
        "reference": draw(st.sampled_from([None, "C-1", "C2"])),
        "address": draw(st.sampled_from(PLACES)),
        "contact_points": [
            *({"kind": "email", "value": mail} for mail in mails),
            *({"kind": "mobile", "value": phone} for phone in phones),
        ],
    }


def sides(count: int) -> st.SearchStrategy[list[Features]]:
    def numbered(drawn: list[dict[str, Any]]) -> list[Features]:
        return [features_of(n, values, region="GR") for n, values in enumerate(drawn)]

    return st.lists(records(), max_size=count).map(numbered)


@given(sides(8), sides(8), st.randoms(use_true_random=False))
def test_the_outcome_is_symmetric_one_to_one_and_independent_of_order(left, right, chance):
    found = match(left, right)
    pairs = {(pair.left, pair.right): (pair.score, pair.reasons) for pair in found.pairs}
    undecided = {(pair.left, pair.right): pair.score for pair in found.undecided}
    assert len({key for key, _ in pairs}) == len({key for _, key in pairs}) == len(pairs)
    assert not {key for key, _ in pairs} & {key for key, _ in undecided}
    assert not {key for _, key in pairs} & {key for _, key in undecided}

    swapped = match(right, left)
    assert {(p.right, p.left): (p.score, p.reasons) for p in swapped.pairs} == pairs
    assert {(p.right, p.left): p.score for p in swapped.undecided} == undecided

    shuffled = match(chance.sample(left, len(left)), chance.sample(right, len(right)))
    assert {(p.left, p.right): (p.score, p.reasons) for p in shuffled.pairs} == pairs
    assert {(p.left, p.right): p.score for p in shuffled.undecided} == undecided


@given(sides(8), sides(8))
def test_different_vat_numbers_or_kinds_are_never_paired(left, right):
    for pair in candidates(left, right):
        ours, theirs = left[pair.left], right[pair.right]
        assert ours.kind == theirs.kind
        assert not (ours.vat and theirs.vat) or ours.vat == theirs.vat


@given(records())
def test_a_record_always_matches_itself(values):
    one, same = features_of(1, values, region="GR"), features_of(2, values, region="GR")
    assert compare(one, same) is not None
    assert [(pair.left, pair.right) for pair in candidates([one], [same])] == [(1, 2)]
    assert [(pair.left, pair.right) for pair in candidates_within([one, same])] == [(1, 2)]


@given(sides(10))
def test_pairs_within_one_set_are_those_between_it_and_itself(within):
    both_ways = {(p.left, p.right): p.score for p in candidates(within, within)}
    once = {(p.left, p.right): p.score for p in candidates_within(within)}
    assert once == {pair: score for pair, score in both_ways.items() if pair[0] < pair[1]}


def company(key: object, name: str, **values: Any) -> Features:
    return features_of(key, {"kind": "company", "name": name, **values})


def test_two_that_fit_equally_well_are_left_for_a_person():
    found = match(
        [company("a", "Novak", vat="EL094259216")],
        [company("x", "Novak", vat="EL094259216"), company("y", "NOVAK", vat="EL094259216")],
    )
    assert found.pairs == []
    assert {pair.right for pair in found.undecided} == {"x", "y"}


def test_the_clearly_better_of_two_is_taken_and_frees_the_other_for_its_own():
    home = {"street": "Ermou 12", "postal_code": "10563"}
    found = match(
        [
            company("a", "Novak", vat="EL094259216", address=home),
            company("b", "Novak", address=home),
        ],
        [company("x", "Novak", vat="EL094259216"), company("y", "Novak", address=home)],
    )
    assert {(pair.left, pair.right) for pair in found.pairs} == {("a", "x"), ("b", "y")}
    assert found.undecided == []


def test_a_key_that_very_many_share_is_left_out_and_told():
    left = [company(n, f"Firma {n}", reference="0") for n in range(60)]
    right = [company(n, f"Nomen {n}", reference="0") for n in range(50)]
    found = match(left, right)
    assert found.left_out == [LeftOut("reference", "0", 60, 50)]
    assert found.pairs == found.undecided == []
