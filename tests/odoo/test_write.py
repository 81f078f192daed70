"""What is written to a real Odoo is there, field by field, and told as we said it would be."""

from __future__ import annotations

import pytest

from crm_core.errors import FatalSyncError
from crm_core.sync.protocol import RIGHT_MISSING, WritableBackend
from odoo_drafts import PLACE, address, customer, edit, made, opened, read_one, tag

NOWHERE = dict.fromkeys(PLACE)
NAMES = (
    'Seán O\'Neill "& Sons"',
    "Παπαδόπουλος, Ωμέγα & Υιοί",
    "شرکت فرش پارس",
    "Pets 🐾 & 👩‍🚀 <b>Co</b>",
    "Robert'); DROP TABLE customers;--",
    "=1+1; 50 % \\ _x_ ,a,b",
)
NOTE = 'Δελτίο №1: σήμερα\n\n- don\'t call; <no tags> & "quotes" \\n\n' + "سلام دنیا 🎉 " * 25


def has_mobile(backend):
    """Whether partners have a mobile number: newer versions keep the phone alone."""
    return bool(backend._records.fields("res.partner", ["mobile"]))


def held(backend, entity, values):
    """Values without those that this Odoo has no field for."""
    return {name: value for name, value in values.items() if name in backend.writable(entity)}


def told(backend, entity, values):
    (shaped,) = backend.shaped(entity, [values])
    return shaped


def tag_ids(backend, count=2):
    return sorted(next(iter(backend.ids("tag")))[:count])


def full_customer(backend, key, name, **values):
    owner = next(iter(backend.ids("user")))[0]
    everything = {
        "kind": "company",
        "reference": f"R-{key}'",
        "vat": f"EL{key}12345",
        "language": "el-GR",
        "job_title": "Αγορές / 'buyer'",
        "note": NOTE,
        "owner_ref": owner,
        "tag_refs": tag_ids(backend),
        "contact_points": [
            {"kind": "email", "value": "o'neill@example.com"},
            {"kind": "phone", "value": "+30 210 1234567"},
            *([{"kind": "mobile", "value": "call after 17:00"}] if has_mobile(backend) else ()),
            {"kind": "website", "value": "https://example.com/a?b=c#d"},
        ],
        "address": {**PLACE, "region": "California", "country_code": "US", "street2": "2ος"},
    }
    return customer(key, name, **{**everything, **values})


def test_it_is_what_the_engine_asks_for(backend):
    assert isinstance(backend, WritableBackend)
    assert backend.writable("tag") == {"name"}
    assert backend.writable("customer") >= {"name", "contact_points", "address", "tag_refs"}
    assert backend.writable("address") >= {"use", "region", "country_code", "phone"}
    assert ("mobile" in backend.writable("address")) is has_mobile(backend)
    assert backend.writable("order") == backend.writable("user") == frozenset()


def test_who_may_only_read_is_told_so(shop):
    bot = opened(shop, shop.bot)
    for refused in (
        lambda: bot.writable("customer"),
        lambda: bot.create("tag", [tag("no", "No")]),
        lambda: bot.update("customer", [edit("1", name="No")]),
    ):
        with pytest.raises(FatalSyncError) as caught:
            refused()
        assert caught.value.code == RIGHT_MISSING
        assert "base.group_partner_manager" in caught.value.message
    assert bot.writable("order") == frozenset()
    lines = {result.name: result for result in bot.check()}
    assert lines["writing customer"].ok
    assert "base.group_partner_manager" in lines["writing customer"].message
    assert "writing order" not in lines
    bot.close()


def test_the_writer_is_told_that_it_may(backend):
    lines = {result.name: result for result in backend.check()}
    assert [result for result in lines.values() if not result.ok] == []
    for entity in ("tag", "customer", "address"):
        assert "created and changed" in lines[f"writing {entity}"].message


@pytest.mark.parametrize("entity", ["tag", "customer", "address"])
def test_what_was_read_would_be_told_the_same(shop, backend, entity):
    seen, writable = 0, backend.writable(entity)
    for page in backend.pages(entity, since=None, after=None, size=500):
        records = [record.values for record in page.records]
        for values, shaped in zip(records, backend.shaped(entity, records), strict=True):
            is_contact = (
                entity == "customer" and values["kind"] == "person" and values["parent_ref"]
            )
            expected = {name: value for name, value in values.items()
                        if name in writable and not (name == "vat" and is_contact)}  # fmt: skip
            assert shaped == expected
            seen += 1
    assert seen >= {"tag": 6, "customer": 250, "address": 60}[entity]


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_customers_come_back_as_they_were_written(backend, number):
    draft = full_customer(backend, f"full{number}", NAMES[number])
    (remote_id,) = made(backend, "customer", draft)
    found = read_one(backend, "customer", remote_id)
    assert found == {**draft.values, "note": NOTE.strip()}
    assert found == told(backend, "customer", draft.values)


def test_a_customer_with_nothing_but_a_name(backend):
    draft = customer("bare", "Only a name")
    (remote_id,) = made(backend, "customer", draft)
    assert read_one(backend, "customer", remote_id) == draft.values


def test_nothing_is_made_of_our_own_time_zone_or_language(shop, backend, admin_rpc):
    (remote_id,) = made(backend, "customer", customer("tz", "No zone"))
    (row,) = admin_rpc(shop).rows("res.partner", [("id", "=", int(remote_id))], ["tz", "lang"])
    assert (row["tz"], row["lang"]) == (False, False)


def test_nobody_is_mailed_about_a_customer_that_is_now_his(shop, backend, admin_rpc):
    owners = next(iter(backend.ids("user")))
    (remote_id,) = made(backend, "customer", customer("owned", owner_ref=owners[0]))
    backend.update("customer", [edit(remote_id, owner_ref=owners[1])])
    assert read_one(backend, "customer", remote_id)["owner_ref"] == owners[1]
    told = [("model", "=", "res.partner"), ("res_id", "=", int(remote_id))]
    told.append(("message_type", "=", "user_notification"))
    assert admin_rpc(shop).count("mail.message", told) == 0


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_addresses_come_back_as_they_were_written(backend, number):
    (company,) = made(backend, "customer", customer(f"home{number}", kind="company"))
    draft = address(
        f"full{number}",
        company,
        use=("invoice", "delivery", "other")[number % 3],
        recipient=NAMES[number],
        street2="πίσω",
        region="California",
        country_code="US",
        email="dock@example.com",
        phone="210",
        mobile="69" if has_mobile(backend) else None,
        note=NOTE.strip(),
    )
    bare = address(f"bare{number}", company, **{**NOWHERE, "street": "only"})
    for written in (draft, bare):
        (remote_id,) = made(backend, "address", written)
        assert read_one(backend, "address", remote_id) == written.values
        assert told(backend, "address", written.values) == held(backend, "address", written.values)


def test_every_field_can_be_changed_and_cleared(backend):
    bare = customer("changing", "Before")
    (remote_id,) = made(backend, "customer", bare)
    full = full_customer(backend, "changed", "After", kind="person").values
    for fields in (full, bare.values):
        now = dict(read_one(backend, "customer", remote_id))
        for field, value in fields.items():
            (answer,) = backend.update("customer", [edit(remote_id, **{field: value})])
            assert answer.remote_id == remote_id
            now[field] = value.strip() if field == "note" and value else value
            assert read_one(backend, "customer", remote_id) == now, field


def test_every_field_of_an_address_can_be_changed_and_cleared(backend):
    (first, other) = made(backend, "customer", customer("p1"), customer("p2"))
    bare = address("a1", first, **NOWHERE, recipient="x")
    (remote_id,) = made(backend, "address", bare)
    full = address(
        "a2",
        other,
        use="invoice",
        recipient="Ω",
        email="a@b.c",
        phone="1",
        mobile="2" if has_mobile(backend) else None,
        note="n",
        **{**PLACE, "street2": "2", "country_code": "US", "region": "Texas"},
    ).values
    for fields in (full, {**bare.values, "use": "other"}):
        now = dict(read_one(backend, "address", remote_id))
        for field in sorted(fields):
            backend.update("address", [edit(remote_id, **{field: fields[field]})])
            now[field] = fields[field]
            assert read_one(backend, "address", remote_id) == now, field


def test_of_several_numbers_the_first_is_held_and_of_e_mails_all(backend):
    points = [
        {"kind": "messenger", "value": "@nobody"},
        {"kind": "website", "value": "example.com/x"},
        {"kind": "phone", "value": " 1 "},
        {"kind": "email", "value": "a@example.com"},
        {"kind": "phone", "value": "2"},
        {"kind": "email", "value": "b@example.com"},
    ]
    draft = customer("points", contact_points=points)
    (remote_id,) = made(backend, "customer", draft)
    found = read_one(backend, "customer", remote_id)["contact_points"]
    assert found == [
        {"kind": "email", "value": "a@example.com"},
        {"kind": "email", "value": "b@example.com"},
        {"kind": "phone", "value": "1"},
        {"kind": "website", "value": "http://example.com/x"},
    ]
    assert found == told(backend, "customer", draft.values)["contact_points"]


def test_what_odoo_has_no_word_for_is_told_before(backend):
    draft = customer(
        "odd", language="tlh", address={**PLACE, "region": "Atlantis", "country_code": "GR"}
    )
    shaped = told(backend, "customer", draft.values)
    assert "language" not in shaped
    assert shaped["address"] == {**PLACE, "region": None}
    (remote_id,) = made(backend, "customer", draft)
    assert read_one(backend, "customer", remote_id) == {**shaped, "language": None}
    home = address("odd", remote_id, use="visit", region="cALIFORNIA", country_code="us").values
    assert told(backend, "address", home)["use"] == "other"
    assert told(backend, "address", home)["region"] == "California"
    assert told(backend, "address", home)["country_code"] == "US"


def test_a_contact_stays_without_an_address_and_a_number_of_its_own(shop, backend, admin_rpc):
    (company,) = made(
        backend, "customer", customer("firm", kind="company", address=PLACE, vat="EL1")
    )
    draft = customer("contact", parent_ref=company, address={**PLACE, "street": "mine"}, vat="EL2")
    shaped = told(backend, "customer", draft.values)
    assert shaped["address"] is None
    assert "vat" not in shaped
    (contact,) = made(backend, "customer", draft)
    backend.update("customer", [edit(contact, address={**PLACE, "street": "mine"}, vat="EL3")])
    (row,) = admin_rpc(shop).rows("res.partner", [("id", "=", int(contact))], ["street", "vat"])
    assert (row["street"], row["vat"]) == (PLACE["street"], "EL1")
    assert read_one(backend, "customer", contact)["address"] is None


def test_archived_ones_are_made_changed_and_brought_back(backend):
    (remote_id,) = made(backend, "customer", customer("old", archived=True))
    assert read_one(backend, "customer", remote_id)["archived"] is True
    backend.update("customer", [edit(remote_id, name="Older")])
    assert read_one(backend, "customer", remote_id)["name"] == "Older"
    backend.update("customer", [edit(remote_id, archived=False)])
    assert read_one(backend, "customer", remote_id)["archived"] is False
    # What refers to an archived one can be written too.
    backend.update("customer", [edit(remote_id, archived=True)])
    (child,) = made(backend, "customer", customer("child", parent_ref=remote_id))
    assert read_one(backend, "customer", child)["parent_ref"] == remote_id


def test_tags_under_tags(backend):
    low, top, middle = made(
        backend,
        "tag",
        tag("low", "Κλάδος / Food / Oil 🫒"),
        tag("top", "Κλάδος"),
        tag("middle", "Κλάδος / Food"),
    )
    assert read_one(backend, "tag", low) == {"name": "Κλάδος / Food / Oil 🫒"}
    (answer,) = backend.create("tag", [tag("lost", "Nowhere / Food")])
    assert answer.remote_id is None
    assert "'Nowhere'" in answer.reason
    backend.update("tag", [edit(low, name="Κλάδος / Wine")])
    assert read_one(backend, "tag", low) == {"name": "Κλάδος / Wine"}
    backend.update("tag", [edit(middle, name="Drinks")])
    assert read_one(backend, "tag", middle) == {"name": "Drinks"}
    assert top != middle


def test_tags_are_named_in_the_language_they_are_read_in(shop):
    greek = opened(shop, shop.writer, language="el_GR")
    (remote_id,) = made(greek, "tag", tag("greek", "Χονδρέμπορος"))
    greek.update("tag", [edit(remote_id, name="Λιανέμπορος")])
    assert read_one(greek, "tag", remote_id) == {"name": "Λιανέμπορος"}
    greek.close()
