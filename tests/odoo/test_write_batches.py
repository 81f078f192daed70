"""Many records at once on a real Odoo: bad ones among good, lost replies, several at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from crm_core.errors import RetryableSyncError
from crm_core.testing.faulty_proxy import lost_reply
from odoo_drafts import MODULE, address, customer, edit, external_id, made, opened, read_one
from odoo_seed.ways import groups_field

NO_SUCH_USER = "999999"


@pytest.fixture
def partners(shop, admin_rpc):
    """Partners that bear one of our external ids, by our key; all there are of a name."""
    admin = admin_rpc(shop)

    def named(name):
        return admin.search("res.partner", [("name", "=", name)], context={"active_test": False})

    return named


@pytest.fixture
def asked(backend, monkeypatch):
    """Every call from now on, as (model, method, arguments)."""
    calls = []
    execute = backend._transport.execute

    def note(model, method, *args, **keywords):
        calls.append((model, method, args))
        return execute(model, method, *args, **keywords)

    monkeypatch.setattr(backend._transport, "execute", note)
    return calls


def methods(asked):
    return [method for _, method, _ in asked]


def with_poison(count, at, prefix):
    return [
        customer(f"{prefix}{n}", f"{prefix} {n}", owner_ref=NO_SUCH_USER if n == at else None)
        for n in range(count)
    ]


def check_poison(backend, count, at, prefix, most_calls):
    backend.writable("customer")
    before = backend.calls
    answers = backend.create("customer", with_poison(count, at, prefix))
    assert backend.calls - before <= most_calls
    (bad,) = [answer for answer in answers if answer.remote_id is None]
    assert (bad.key, bad.code) == (f"{prefix}{at}", "odoo.refused")
    assert NO_SUCH_USER in bad.reason
    assert "Traceback" not in bad.reason
    assert "\n" not in bad.reason
    ids = [answer.remote_id for answer in answers if answer.remote_id]
    labels = [record.label for record in backend.read("customer", ids).records]
    assert labels == [f"{prefix} {n}" for n in range(count) if n != at]


def test_one_bad_record_among_many_is_refused_alone(backend):
    check_poison(backend, 200, 77, "poison", most_calls=3)


@pytest.mark.slow
def test_one_bad_record_among_a_thousand_is_refused_alone(backend):
    check_poison(backend, 1000, 613, "thousand", most_calls=4)


def test_many_bad_records_leave_the_others_made(backend):
    drafts = [
        customer(f"mixed{n}", f"mixed {n}", owner_ref=NO_SUCH_USER if n % 3 == 0 else None)
        for n in range(60)
    ]
    answers = backend.create("customer", drafts)
    refused = {answer.key for answer in answers if answer.remote_id is None}
    assert refused == {f"mixed{n}" for n in range(0, 60, 3)}


def test_a_constraint_of_odoo_is_told_in_its_words(shop, backend, admin_rpc):
    admin = admin_rpc(shop)
    (portal,) = made(backend, "customer", customer("portal", "With a login"))
    (free,) = made(backend, "customer", customer("free", "Without"))
    admin.create("res.users", [{
        "login": "somebody", "name": "With a login", "partner_id": int(portal),
        groups_field(admin): [(6, 0, [admin.ref("base.group_portal")])],
    }])  # fmt: skip
    answers = backend.update("customer", [edit(portal, archived=True), edit(free, archived=True)])
    assert [answer.remote_id for answer in answers] == [None, free]
    assert answers[0].code == "odoo.refused"
    assert "archive" in answers[0].reason
    assert "res.partner.write" not in answers[0].reason
    assert read_one(backend, "customer", free)["archived"] is True


def test_the_same_record_made_again_is_the_same_record(backend, partners):
    first = made(backend, "customer", customer("again", "Again 1"), customer("more", "Again 2"))
    second = made(backend, "customer", customer("more", "Again 2"), customer("again", "Again 1"))
    assert second == first[::-1]
    assert len(partners("Again 1")) == len(partners("Again 2")) == 1


def test_four_at_once_make_one(shop, partners):
    drafts = [customer(f"race{n}", f"Race {n}") for n in range(5)]

    def create(_):
        backend = opened(shop, shop.writer)
        try:
            backend.writable("customer")
            return made(backend, "customer", *drafts)
        finally:
            backend.close()

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(create, range(4)))
    assert all(told == ids[0] for told in ids)
    assert [len(partners(f"Race {n}")) for n in range(5)] == [1] * 5


def test_a_lost_reply_makes_nothing_twice(shop, partners, faulty_proxy):
    drafts = [customer(f"lost{n}", f"Lost {n}") for n in range(3)]
    backend = opened(shop, shop.writer, url=faulty_proxy.url)
    backend.writable("customer")
    faulty_proxy.spoil('"load"', lost_reply)
    with pytest.raises(RetryableSyncError) as caught:
        backend.create("customer", drafts)
    assert caught.value.details["outcome"] == "unknown"
    assert faulty_proxy.spoilt == 1
    there = partners("Lost 0")
    assert len(there) == 1
    ids = made(backend, "customer", *drafts)
    assert [int(remote_id) for remote_id in ids] == [partners(f"Lost {n}")[0] for n in range(3)]
    assert [len(partners(f"Lost {n}")) for n in range(3)] == [1] * 3
    backend.close()


def test_a_lost_reply_to_a_change_is_told_and_can_be_repeated(shop, backend, faulty_proxy):
    ids = made(backend, "customer", *[customer(f"change{n}") for n in range(3)])
    edits = [edit(remote_id, job_title="changed") for remote_id in ids]
    through = opened(shop, shop.writer, url=faulty_proxy.url)
    through.writable("customer")
    faulty_proxy.spoil('"write"', lost_reply)
    with pytest.raises(RetryableSyncError):
        through.update("customer", edits)
    assert [answer.remote_id for answer in through.update("customer", edits)] == ids
    assert {read_one(backend, "customer", one)["job_title"] for one in ids} == {"changed"}
    through.close()


def test_the_same_values_go_in_one_write(backend, asked):
    ids = made(backend, "customer", *[customer(f"same{n}") for n in range(40)])
    asked.clear()
    edits = [edit(remote_id, archived=True, note="same") for remote_id in ids]
    assert [answer.remote_id for answer in backend.update("customer", edits)] == ids
    assert methods(asked) == ["write"]
    found = backend.read("customer", ids).records
    assert {(one.values["archived"], one.values["note"]) for one in found} == {(True, "same")}


def test_differing_values_are_tried_both_ways_and_all_arrive(backend, asked):
    ids = made(backend, "customer", *[customer(f"differ{n}", note="x") for n in range(120)])
    asked.clear()
    points = [{"kind": "phone", "value": "1"}]
    edits = [edit(one, name=f"Name {one}", contact_points=points, note=None, tag_refs=[])
             for one in ids]  # fmt: skip
    assert [answer.remote_id for answer in backend.update("customer", edits)] == ids
    # Where Odoo may not be asked what exists, it is searched.
    steps = [method for method in methods(asked) if method != "search"]
    assert steps[:7] == ["write"] * 5 + ["exists", "load"]
    for record in backend.read("customer", ids).records:
        assert record.values["name"] == f"Name {record.remote_id}"
        assert record.values["contact_points"] == points
        assert record.values["note"] is None


@pytest.mark.parametrize("connections", ["2", "4"])
def test_several_connections_share_differing_values_but_no_family(shop, connections):
    """A company and its contacts are written over one connection: they share rows."""
    several = opened(shop, shop.writer, connections=connections)
    prefix = f"lane{connections}"
    companies = made(
        several, "customer", *[customer(f"{prefix}c{n}", kind="company") for n in range(12)]
    )
    contacts = made(
        several,
        "customer",
        *[customer(f"{prefix}p{n}", parent_ref=companies[n % 12]) for n in range(60)],
    )
    ids = companies + contacts
    edits = [edit(one, name=f"Name {one}", job_title=f"job {one}") for one in ids]
    before = several.calls
    assert [answer.remote_id for answer in several.update("customer", edits)] == ids
    assert several.calls > before
    for record in several.read("customer", ids).records:
        assert record.values["name"] == f"Name {record.remote_id}"
        assert record.values["job_title"] == f"job {record.remote_id}"
    families = several._writing._writer._families("res.partner", [int(one) for one in ids])
    assert sorted(map(sorted, families)) == [
        sorted(map(int, [company, *contacts[number::12]]))
        for number, company in enumerate(companies)
    ]
    several.close()


@pytest.mark.parametrize("count", [3, 80])
@pytest.mark.parametrize("alike", [True, False])
def test_what_is_gone_is_said_to_be_gone_and_stays_gone(
    shop, backend, admin_rpc, partners, count, alike
):
    prefix = f"gone {count} {alike}"
    drafts = [customer(f"gone{count}{alike}{n}", f"{prefix} {n}") for n in range(count)]
    ids = made(backend, "customer", *drafts)
    lost = {ids[1], ids[-1]}
    admin_rpc(shop).execute("res.partner", "unlink", [int(one) for one in lost])
    edits = [edit(one, job_title="same" if alike else f"job {one}") for one in ids]
    answers = backend.update("customer", edits)
    assert {answer.key for answer in answers if answer.code == "core.sync.gone"} == lost
    assert {answer.key for answer in answers if answer.remote_id is None} == lost
    assert len(backend.read("customer", ids).records) == count - 2
    assert partners(f"{prefix} 1") == []


def test_an_address_of_a_parent_that_is_gone_is_refused(shop, backend, admin_rpc):
    parent, gone = made(backend, "customer", customer("here"), customer("there"))
    (remote_id,) = made(backend, "address", address("moving", parent))
    admin_rpc(shop).execute("res.partner", "unlink", [int(gone)])
    (answer,) = backend.update("address", [edit(remote_id, parent_ref=gone)])
    assert answer.remote_id is None
    assert answer.code == "odoo.refused"
    (answer,) = backend.create("address", [address("nowhere", gone)])
    assert answer.code == "odoo.refused"


def test_external_ids_bear_our_module(shop, backend, admin_rpc):
    (remote_id,) = made(backend, "customer", customer("named"))
    domain = [("module", "=", MODULE), ("res_id", "=", int(remote_id))]
    (row,) = admin_rpc(shop).rows("ir.model.data", domain, ["complete_name", "model"])
    assert row["complete_name"] == external_id("customer", "named")
    assert row["model"] == "res.partner"
