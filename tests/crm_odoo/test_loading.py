"""Loading rows into an Odoo that takes all of a call or nothing, and blames whom it likes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from crm_core.errors import FatalSyncError, RecordSyncError, RetryableSyncError
from crm_core.sync.protocol import RIGHT_MISSING
from crm_odoo.writing import loading
from crm_odoo.writing.loading import Loader, Refusal, Sheet

SHEET = Sheet("res.partner", "id", ("name",), ("id", "name"))


class Remote:
    """Takes rows unless one of them is bad; blames what ``blames`` makes of the bad ones."""

    def __init__(self, bad=(), blames=lambda bad, rows: bad):
        self.bad, self.blames = set(bad), blames
        self.answers = []
        self.sizes = []

    def execute(self, model, method, columns, rows, *, context):
        assert (model, method, columns) == ("res.partner", "load", ["id", "name"])
        self.sizes.append(len(rows))
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        bad = [place for place, row in enumerate(rows) if row[1] in self.bad]
        if not bad:
            return {"ids": [int(row[0]) for row in rows], "messages": [], "nextrow": 0}
        messages = [
            message(f"bad {rows[n % len(rows)][1]}\nTraceback", n) for n in self.blames(bad, rows)
        ]
        return {"ids": False, "messages": messages, "nextrow": 0}


def message(text, place):
    return {"type": "error", "message": text, "record": place, "rows": {"from": place, "to": place}}


def rows(count):
    return [[str(number), f"n{number}"] for number in range(count)]


def load(remote, count=20):
    return Loader(remote).load(SHEET, rows(count), {})


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    seconds = []
    # Not the module's own sleep: another thread of this process may use it meanwhile.
    monkeypatch.setattr(loading, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


def test_good_rows_go_in_batches():
    remote = Remote()
    assert load(remote, 1200) == list(range(1200))
    assert remote.sizes == [500, 500, 200]


@pytest.mark.parametrize(
    "blames",
    [
        lambda bad, rows: bad,
        lambda bad, rows: [],
        lambda bad, rows: range(len(rows)),
        lambda bad, rows: bad[:1],
        lambda bad, rows: [*bad, (bad[0] + 1) % len(rows)],
        lambda bad, rows: [(bad[0] + 1) % len(rows)],
        lambda bad, rows: [len(rows) + 7],
    ],
)
@pytest.mark.parametrize("bad", [{"n3"}, {"n0", "n7", "n19"}, {f"n{n}" for n in range(20)}])
def test_bad_rows_alone_are_refused_whoever_is_blamed(bad, blames):
    answers = load(Remote(bad, blames))
    for number, answer in enumerate(answers):
        if f"n{number}" in bad:
            assert isinstance(answer, Refusal)
            assert answer.code == "odoo.refused"
        else:
            assert answer == number


def test_one_bad_row_costs_three_calls():
    remote = Remote({"n13"})
    assert load(remote, 500)[13] == Refusal("bad n13")
    assert remote.sizes == [500, 499, 1]


def test_a_call_that_fails_whole_is_halved():
    class Breaking(Remote):
        def execute(self, model, method, columns, rows, *, context):
            if any(row[1] == "n5" for row in rows):
                raise RecordSyncError("long", details={"words": "A NUL"})
            return super().execute(model, method, columns, rows, context=context)

    answers = load(Breaking())
    assert answers[5] == Refusal("A NUL")
    assert answers[:5] + answers[6:] == [n for n in range(20) if n != 5]


@pytest.mark.parametrize(
    "text",
    [
        "could not serialize access due to concurrent update",
        "deadlock detected",
        'duplicate key … "ir_model_data_module_name_uniq_index"',
    ],
)
def test_a_busy_odoo_is_asked_again(pauses, text):
    remote = Remote()
    remote.answers = [{"ids": False, "messages": [message(text, 2)]}] * 2
    assert load(remote) == list(range(20))
    assert remote.sizes == [20, 20, 20]
    assert len(pauses) == 2
    assert 0 < pauses[0] < 1


def test_an_odoo_that_stays_busy_is_left_for_later():
    remote = Remote()
    busy = {"ids": False, "messages": [message("could not serialize access", 0)]}
    remote.answers = [busy] * 99
    with pytest.raises(RetryableSyncError) as caught:
        load(remote)
    assert caught.value.code == "core.sync.busy"
    assert len(remote.sizes) == loading.ATTEMPTS


@pytest.mark.parametrize(
    "error",
    [
        RetryableSyncError("lost", details={"outcome": "unknown"}),
        FatalSyncError("no", code=RIGHT_MISSING),
    ],
)
def test_what_concerns_all_rows_is_raised(error):
    remote = Remote()
    remote.answers = [error]
    with pytest.raises(type(error)):
        load(remote)


def test_odoos_words_come_without_its_exception():
    remote = Remote()
    text = "Unknown error during import: <class 'odoo.exceptions.ValidationError'>: No.\nmore"
    remote.answers = [{"ids": False, "messages": [message(text, 0)]}]
    assert load(remote, 1) == [Refusal("No.")]


def test_values_are_told_as_text():
    chosen = Sheet("m", "id", ("a", "b", "c", "d", "e"), ())
    values = {"a": True, "b": False, "c": None, "d": [1, 22], "e": 7}
    assert chosen.rows([("x.y", values)]) == [["x.y", "1", "0", "", "1,22", "7"]]
