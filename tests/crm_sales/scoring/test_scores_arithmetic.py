"""The arithmetic of scores, held against the formula written out."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_sales.services.scoring.bayes import (
    DEAL,
    LEAST_LIKELY,
    LEAST_OF_PRODUCT,
    LEAST_TAGGED,
    MOST_LIKELY,
    Count,
    Group,
    Step,
    Total,
)
from crm_sales.services.scoring.calibration import BINS, Tally, _measured, interval

PIPELINE = UUID(int=1)
STEPS = {f"stage{place}": Step(PIPELINE, place, 10) for place in range(4)}
counts = st.integers(0, 5_000)


def group(won: int, lost: int, **variables: dict[str, tuple[int, int]]) -> Group:
    found = {(DEAL, ""): Count(won, lost)}
    totals = {}
    for variable, values in variables.items():
        found |= {(variable, value): Count(*count) for value, count in values.items()}
        sums = [sum(count[place] for count in values.values()) for place in (0, 1)]
        totals[variable] = Total(*sums, len(values))
    return Group("*", found, totals, STEPS)


def test_the_documented_example_by_hand():
    """40 won, 60 lost; of the won 30 come from Greece and 10 from Poland, of the lost 20 and 40."""
    learnt = group(40, 60, country={"GR": (30, 20), "PL": (10, 40)})
    won = Fraction("40.1") * Fraction("30.1") / Fraction("40.2")
    lost = Fraction("60.1") * Fraction("20.1") / Fraction("60.2")
    score = learnt.score({"country": ["GR"]}, ["country"])
    assert score.probability == round(Decimal(float(won / (won + lost))), 4) == Decimal("0.5994")
    assert (score.won, score.lost) == (40, 60)


@given(counts, counts, st.dictionaries(st.sampled_from("abcdef"), st.tuples(counts, counts)))
def test_it_is_the_formula_whatever_the_counts(won, lost, values):
    learnt = group(won, lost, source=values)
    smoothed = Fraction("0.1") * len(values)
    for value, (with_won, with_lost) in values.items():
        w = Fraction(won) + Fraction("0.1")
        w *= (with_won + Fraction("0.1")) / (sum(c[0] for c in values.values()) + smoothed)
        x = Fraction(lost) + Fraction("0.1")
        x *= (with_lost + Fraction("0.1")) / (sum(c[1] for c in values.values()) + smoothed)
        found = learnt.score({"source": [value]}, ["source"]).probability
        assert LEAST_LIKELY <= found <= MOST_LIKELY
        exact = min(max(float(w / (w + x)), 0.0001), 0.9999)
        assert float(found) == pytest.approx(exact, abs=0.00006)


def test_each_factor_moves_the_odds_and_what_does_not_count_moves_nothing():
    learnt = group(50, 50, source={"web": (40, 10), "fair": (10, 40)}, tag={"new": (30, 5)})
    facts = {"source": ["web"], "tag": ["new", "never seen"], "country": ["GR"]}
    score = learnt.score(facts, ["source", "tag", "country"])
    factors = [part.factor for part in score.parts]
    assert [part.why_not for part in score.parts] == ["", "few", "unseen", "unseen"]
    assert factors[1:] == [None, None, None]
    odds = 50.1 / 50.1 * factors[0]
    assert float(score.probability) == pytest.approx(odds / (1 + odds), abs=0.00005)


def test_a_tag_counts_from_fifty_closed_deals_on():
    for won, is_counted in ((LEAST_TAGGED - 11, False), (LEAST_TAGGED - 10, True)):
        learnt = group(100, 100, tag={"new": (won, 10)})
        (part,) = learnt.score({"tag": ["new"]}, ["tag"]).parts
        assert (part.factor is not None) is is_counted
        assert (part.won, part.lost) == (won, 10)


def test_a_product_counts_from_twenty_closed_deals_on():
    """Of fewer it tells chance: one deal that was won made its product the best of all."""
    for won, is_counted in ((1, False), (LEAST_OF_PRODUCT - 1, False), (LEAST_OF_PRODUCT, True)):
        learnt = group(100, 100, product={"lamp": (won, 0), "rest": (100 - won, 100)})
        (part,) = learnt.score({"product": ["lamp"]}, ["product"]).parts
        assert (part.factor is not None, part.why_not) == (is_counted, "" if is_counted else "few")


def test_few_deals_tell_little_and_the_report_says_so():
    def reach(times: int) -> tuple[float, float, float]:
        tally = Tally()
        for predicted, is_won in ((0.9, True), (0.7, False), (0.2, False), (0.6, True)) * times:
            tally.take(predicted, 0.5, is_won=is_won)
        told = _measured(tally)
        return told["skill_least"], told["skill"], told["skill_most"]

    few, many = reach(2), reach(200)
    assert few[1] == pytest.approx(many[1]) == pytest.approx(1 - 0.175 / 0.25)
    assert few[0] < 0 < few[2], "of eight deals nothing is sure"
    assert 0 < many[0] < many[1] < many[2]
    single = Tally()
    single.take(0.9, 0.5, is_won=True)
    assert _measured(single)["skill_least"] is None


@given(st.lists(st.tuples(counts, counts), min_size=4, max_size=4))
def test_a_later_stage_is_never_the_worse_one(ended):
    stage = {f"stage{place}": count for place, count in enumerate(ended)}
    won, lost = (sum(count[place] for count in ended) for place in (0, 1))
    learnt = group(won, lost, stage=stage)
    scores = [learnt.score({"stage": [name]}, ["stage"]).probability for name in sorted(STEPS)]
    assert scores == sorted(scores)


def test_hundreds_of_tags_do_not_break_it():
    tags = {f"t{number}": (0, 4_000) for number in range(300)}
    learnt = group(4_000, 4_000, tag=tags, source={"a": (4_000, 4_000)})
    assert learnt.score({"tag": list(tags)}, ["tag"]).probability >= LEAST_LIKELY


def test_brier_score_and_bins_by_hand():
    tally = Tally()
    for predicted, is_won in ((0.9, True), (0.9, True), (0.9, False), (0.1, False), (1.0, True)):
        tally.take(predicted, 0.5, is_won=is_won)
    assert tally.squares == pytest.approx(0.01 + 0.01 + 0.81 + 0.01 + 0)
    assert tally.base_squares == pytest.approx(5 * 0.25)
    assert [each.count for each in tally.bins] == [0, 1, *[0] * (BINS - 3), 4]
    assert (tally.bins[-1].won, tally.tested, tally.won) == (3, 5, 3)


@given(st.integers(1, 1_000), st.data())
def test_the_interval_holds_what_was_seen(count, data):
    won = data.draw(st.integers(0, count))
    least, most = interval(won, count)
    assert -1e-9 <= least - 1e-9 <= won / count <= most + 1e-9 <= 1 + 2e-9
    if 0 < won < count:
        assert interval(won * 10, count * 10)[1] < most
