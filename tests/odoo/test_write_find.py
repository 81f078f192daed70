"""What is there already is found before anything is made, and nobody who is no customer."""

from __future__ import annotations

from crm_core.errors import FatalSyncError
from crm_core.sync.protocol import RIGHT_MISSING, Probe
from odoo_drafts import customer, external_id, made, tag


def probe(key="probe", entity="customer", *, may_be_there=False, **values):
    whole = {**customer("probe").values, **values} if entity == "customer" else values
    return Probe(key, external_id(entity, key), whole, may_be_there)


def mail(*values):
    return [{"kind": "email", "value": value} for value in values]


def found(backend, *probes, entity="customer"):
    told = backend.find(entity, probes)
    return {
        key: [(match.by, match.remote_id) for match in several] for key, several in told.items()
    }


def test_the_first_way_that_matches_counts(backend):
    names = ("known", "numbered", "referred", "mailed")
    ids = made(
        backend,
        "customer",
        customer("known", kind="company", archived=True),
        customer("numbered", kind="company", vat="PL 526-000-12.46"),
        customer("referred", kind="company", reference="REF'1"),
        customer("mailed", kind="company", contact_points=mail("Find_Me%@Example.com")),
    )
    everything = {
        "kind": "company",
        "vat": "pl5260001246",
        "reference": "REF'1",
        "contact_points": mail("other@example.com", "find_me%@example.com"),
    }
    ways = {
        "known": everything,
        "vat": everything,
        "reference": {**everything, "vat": None},
        "email": {**everything, "vat": "PL1", "reference": "REF"},
        "nothing": {"contact_points": mail("findxme%@example.com"), "kind": "company"},
    }
    closed = not backend._records.readable("ir.model.data")
    probes = [probe(key, may_be_there=closed, **values) for key, values in ways.items()]
    by_name = dict(zip(names, ids, strict=True))
    assert found(backend, *probes) == {
        "known": [("external_id", by_name["known"])],
        "vat": [("vat", by_name["numbered"])],
        "reference": [("reference", by_name["referred"])],
        "email": [("email", by_name["mailed"])],
    }


def test_several_that_match_are_all_told_with_their_names(backend):
    (told,) = backend.find("customer", [probe(contact_points=mail("shared@example.com"))]).values()
    assert len(told) >= 3
    assert {match.by for match in told} == {"email"}
    assert all(match.label for match in told)


def test_a_kind_of_customer_matches_its_own_kind_only(backend):
    company, person = made(
        backend,
        "customer",
        customer("acme", kind="company", vat="DE123", contact_points=mail("both@example.com")),
        customer("ann", kind="person", contact_points=mail("both@example.com")),
    )
    (contact,) = made(backend, "customer", customer("contact", parent_ref=company))
    for kind, remote_id in (("company", company), ("person", person)):
        asked = probe(kind=kind, contact_points=mail("BOTH@example.com "))
        assert found(backend, asked) == {"probe": [("email", remote_id)]}
    # A contact shows its company's number.
    assert found(backend, probe(kind="person", vat="DE123")) == {}
    assert found(backend, probe(kind="person", vat="DE123", parent_ref=contact)) == {}


def test_internal_users_are_never_found(shop, backend, admin_rpc):
    (row,) = admin_rpc(shop).rows("res.users", [("login", "=", "plain_sales")], ["partner_id"])
    admin_rpc(shop).write("res.partner", [row["partner_id"][0]], {"ref": "INTERNAL", "vat": "XX9"})
    asked = probe(reference="INTERNAL", vat="XX9", contact_points=mail("plain_sales@example.com"))
    assert found(backend, asked) == {}


def test_tags_match_by_their_whole_path(backend):
    top, low = made(backend, "tag", tag("sector", "Sector"), tag("food", "Sector / Food"))
    # Where their table is closed, external ids are asked for one by one, if they may be there.
    closed = not backend._records.readable("ir.model.data")
    probes = [
        probe("t1", "tag", name="sector / FOOD"),
        probe("t2", "tag", name="Food"),
        probe("t3", "tag", name="Sector"),
        probe("food", "tag", may_be_there=closed, name="Renamed here"),
    ]
    assert found(backend, *probes, entity="tag") == {
        "t1": [("name", low)],
        "t3": [("name", top)],
        "food": [("external_id", low)],
    }


def test_a_batch_costs_a_few_calls(backend):
    probes = [
        probe(f"p{number}", vat=f"EL{number}", reference=f"none {number}",
              contact_points=mail(f"nobody{number}@example.com"))
        for number in range(300)
    ]  # fmt: skip
    backend.find("customer", probes[:1])
    before = backend.calls
    assert backend.find("customer", probes) == {}
    assert backend.calls - before <= 6


def test_external_ids_are_found_where_their_table_is_closed(backend, monkeypatch):
    (remote_id,) = made(backend, "customer", customer("closed"))
    execute = backend._transport.execute

    def closed(model, method, *args, **keywords):
        if model == "ir.model.data" and method == "search_read":
            raise FatalSyncError("closed", code=RIGHT_MISSING)
        return execute(model, method, *args, **keywords)

    monkeypatch.setattr(backend._transport, "execute", closed)
    probes = [
        probe("closed", may_be_there=True),
        probe("never", may_be_there=True),
        probe("new", may_be_there=False),
    ]
    before = backend.calls
    assert found(backend, *probes) == {"closed": [("external_id", remote_id)]}
    assert backend.calls - before < 20
