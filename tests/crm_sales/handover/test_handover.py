"""A leaver's work goes to others in one act, and comes back by one."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies
from sqlalchemy import func, select, update

from crm_core.entities import Activity, Customer
from crm_core.entities.user import Ownership
from crm_core.errors import (
    InputError,
    NotFoundError,
    PermissionDeniedError,
    PluginFailedError,
    RuleViolationError,
)
from crm_core.services.activities import complete_activity
from crm_core.services.belongings import belongings_of
from crm_core.services.ownership import assign_owner
from crm_core.services.teams import add_team, add_team_member
from crm_core.services.users import add_user, disable_user
from crm_hooks.belongings import Belonging, Belongings
from crm_sales.models import Handover, Lead, Opportunity
from crm_sales.services.handover.handing import hand_over, plan_handover
from crm_sales.services.handover.packs import customer_packs, export_packs, handed_customers
from crm_sales.services.handover.reading import handed_items, list_handovers, resolve_handover_id
from crm_sales.services.handover.rules import Chooser, Rule
from crm_sales.services.handover.undoing import undo_handover
from crm_sales.services.opportunities import assign_opportunity, win_opportunity


def owners(office, model, ids):
    def act(uow):
        return {
            row.id: row.owner_id
            for row in uow.execute(select(model.id, model.owner_id).where(model.id.in_(ids)))
        }

    found = office.read(act)
    return [found[each] for each in ids]


def give(office, login="manager", leaver="employee", **by):
    return office.write(lambda uow: hand_over(uow, leaver, **by).id, login)


def state(office):
    """Who owns what, but for the versions and moments that each change moves on."""
    return office.read(
        lambda uow: [
            sorted((row.id, row.owner_id) for row in uow.execute(select(model.id, model.owner_id)))
            for model in (Customer, Opportunity, Lead, Activity)
        ]
    )


def test_all_that_is_a_leavers_goes_in_one_act_and_comes_back(office, work):
    mara, eleni = office.known.users["manager"], office.known.users["employee"]
    before = state(office)
    handover_id = give(office, to=["manager"], note="Λόγος")
    assert set(owners(office, Customer, [*work.customers, work.first])) == {mara}
    assert set(owners(office, Opportunity, work.deals)) == {mara}
    assert set(owners(office, Activity, work.steps)) == {mara}
    assert owners(office, Lead, [work.lead]) == [mara]
    assert office.read(lambda uow: belongings_of(uow, eleni)) == []
    [told] = office.read(list_handovers, "manager").items
    assert told["counts"] == {
        "sales_opportunity": 4,
        "sales_lead": 1,
        "activity": 5,
        "customer": 6,  # with its twin
    }
    assert (told["leaver_name"], told["made_by"]) == ("Eleni Employee", "manager")
    held = office.read(
        lambda uow: uow.scalar(
            select(func.count(Ownership.id)).where(
                Ownership.user_id == mara,
                Ownership.until_at.is_(None),
                Ownership.customer_id.in_(work.customers),
            )
        )
    )
    assert held == 4
    report = office.write(lambda uow: undo_handover(uow, handover_id), "manager")
    assert report.left == []
    assert report.back == told["counts"]
    assert state(office) == before


def test_a_dry_run_says_what_would_go_to_whom_and_changes_nothing(office, work):
    before = office.rows()
    plan = office.read(
        lambda uow: plan_handover(uow, "employee", to=["manager", "readonly"]), "manager"
    )
    counts = {each["kind"]: each for each in plan.counts()}
    assert counts["customer"]["people"] == {"Mara Manager": 3, "Rod Readonly": 3}
    assert sum(counts["activity"]["people"].values()) == counts["activity"]["count"] == 5
    assert office.rows() == before


def test_rules_come_first_and_a_customers_records_stay_together(office, work):
    mara, rod = office.known.users["manager"], office.known.users["readonly"]
    admin = office.known.users["admin"]
    give(
        office,
        "admin",
        to=["admin"],
        rules=[
            "country=gr:manager",
            "stage=negotiation:readonly",
            f"customer={work.first}:manager",
        ],
    )
    assert owners(office, Customer, work.customers) == [mara, mara, admin, admin]
    assert owners(office, Opportunity, work.deals) == [mara, mara, admin, rod]
    assert owners(office, Activity, work.steps) == [mara, mara, admin, rod]  # with their deals
    assert owners(office, Customer, [work.first]) == [mara]
    assert owners(office, Lead, [work.lead]) == [admin]


def test_a_team_takes_turns_without_the_leaver(office, work):
    def act(uow):
        add_team(uow, "Sellers")
        for login in ("anna", "bert"):
            add_user(uow, login, role_codes=["employee"])
            add_team_member(uow, "Sellers", login)
        add_team_member(uow, "Sellers", "employee")

    office.write(act)
    give(office, "admin", team="Sellers")
    shares = Counter(owners(office, Customer, [*work.customers, work.first]))
    assert office.known.users["employee"] not in shares
    assert sorted(shares.values()) == [2, 3]


def test_what_went_on_since_is_left_and_named(office, work):
    handover_id = give(office, to=["manager"])
    office.write(lambda uow: win_opportunity(uow, work.deals[0]), "manager")
    office.write(
        lambda uow: assign_opportunity(uow, work.deals[1], office.known.users["admin"]), "admin"
    )
    office.write(lambda uow: complete_activity(uow, work.steps[2]), "manager")
    office.write(
        lambda uow: assign_owner(uow, work.customers[3], office.known.users["admin"]), "admin"
    )
    report = office.write(lambda uow: undo_handover(uow, handover_id), "admin")
    assert {each["title"] for each in report.left} == {"Deal 0", "Deal 1", "Call 2", "Κήπος 3"}
    eleni, admin = office.known.users["employee"], office.known.users["admin"]
    mara = office.known.users["manager"]
    assert owners(office, Opportunity, work.deals) == [mara, admin, eleni, eleni]
    assert owners(office, Customer, work.customers) == [eleni, eleni, eleni, admin]
    page = office.read(lambda uow: handed_items(uow, handover_id, state="back"), "admin")
    assert len(page.items) == 12


def test_it_is_undone_once_within_thirty_days_and_to_who_is_there(office, work):
    first = give(office, to=["manager"])
    office.write(lambda uow: disable_user(uow, "employee"))
    with pytest.raises(RuleViolationError, match="disabled"):
        office.write(lambda uow: undo_handover(uow, first), "admin")
    office.write(lambda uow: uow.execute(update(Handover).values(created_at=_long_ago(uow))))
    with pytest.raises(RuleViolationError, match="older than 30 days"):
        office.write(lambda uow: undo_handover(uow, first), "admin")
    back = give(office, "admin", leaver="manager", to=["readonly"])
    office.write(lambda uow: undo_handover(uow, back), "admin")
    with pytest.raises(RuleViolationError, match="undone already, by admin"):
        office.write(lambda uow: undo_handover(uow, back), "admin")


def _long_ago(uow):
    return uow.now - timedelta(days=31)


def test_the_second_of_two_finds_nothing_left(office, work):
    give(office, to=["manager"])
    with pytest.raises(RuleViolationError, match="belongs to Eleni"):
        give(office, "admin", to=["admin"])
    assert len(office.read(list_handovers, "admin").items) == 1


WRONG = (
    ({}, InputError, "Say who gets"),
    ({"to": ["nobody"]}, NotFoundError, "nobody"),
    ({"to": ["employee"]}, RuleViolationError, "from themselves"),
    ({"team": "West"}, NotFoundError, "West"),
    ({"to": ["manager"], "rules": ["colour=red:manager"]}, InputError, "country, language"),
    ({"to": ["manager"], "rules": ["country=GR"]}, InputError, "FIELD=VALUE:LOGIN"),
    ({"to": ["manager"], "rules": ["stage=new:employee"]}, RuleViolationError, "themselves"),
)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_cannot_be_handed_over_says_so(office):
    before = office.rows()
    for by, error, told in WRONG:
        with pytest.raises(error, match=told):
            give(office, **by)
    assert office.rows() == before


def test_rights_decide_whose_work_goes(office, work, deal_of):
    before = state(office)
    for login in ("employee", "readonly"):
        with pytest.raises(PermissionDeniedError):
            give(office, login, to=["manager"])
    with pytest.raises(PermissionDeniedError):
        give(office, "outsider", to=["outsider"])
    with pytest.raises(PermissionDeniedError, match="reaches only team records"):
        give(office, "manager", leaver="outsider", to=["manager"])
    assert state(office) == before
    theirs = deal_of("outsider")
    handover_id = give(office, "admin", leaver="outsider", to=["admin"])
    with pytest.raises(PermissionDeniedError, match="the work of"):
        office.write(lambda uow: undo_handover(uow, handover_id), "manager")
    ours = give(office, "admin", to=["admin"])
    office.read(lambda uow: resolve_handover_id(uow, str(ours)), "manager")
    with pytest.raises(NotFoundError):
        office.read(lambda uow: resolve_handover_id(uow, str(ours)), "outsider")
    assert owners(office, Opportunity, [theirs]) == [office.known.users["admin"]]


@pytest.fixture
def deal_of(office):
    from crm_sales.services.opportunities import add_opportunity

    def added(login):
        customer_id = UUID(office.customer(login))
        return office.write(lambda uow: add_opportunity(uow, customer_id, "Theirs").id, login)

    return added


@pytest.mark.parametrize("kind", ["sqlite"])
def test_records_of_other_modules_join_by_the_hook(office, work, monkeypatch):
    """What a plugin names by crm_collect_belongings goes along; one that fails stops it all."""
    from crm_core.plugins.host import PluginHost

    taken = {}
    extra = Belongings(
        "paper_letter", "Letters", f"{__name__}:taken", (Belonging(work.lead, "A letter"),)
    )
    collect, call = PluginHost.collect, PluginHost.call

    def collected(self, hook, **arguments):
        found = collect(self, hook, **arguments)
        return [extra, *found] if hook == "crm_collect_belongings" else found

    def called(self, reference, what, uow, *arguments):
        if reference == extra.assign:
            return taken.update(*arguments)
        return call(self, reference, what, uow, *arguments)

    monkeypatch.setattr(PluginHost, "collect", collected)
    monkeypatch.setattr(PluginHost, "call", called)
    handover_id = give(office, to=["manager"])
    assert taken == {work.lead: office.known.users["manager"]}
    assert office.read(list_handovers, "admin").items[0]["counts"]["paper_letter"] == 1
    items = office.read(lambda uow: handed_items(uow, handover_id, kind="paper_letter"), "manager")
    assert [each["title"] for each in items.items] == ["A letter"]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_plugin_that_fails_stops_the_handover(office, work, monkeypatch):
    def broken(uow, user_id):
        raise ZeroDivisionError

    monkeypatch.setattr("crm_sales.services.handover.records.sales_belongings", broken)
    before = state(office)
    with pytest.raises(PluginFailedError, match="The plugin sales could not say"):
        give(office, to=["manager"])
    assert state(office) == before


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_pack_says_who_they_are_what_is_open_and_what_was_promised(office, work, tmp_path):
    handover_id = give(office, to=["manager"])
    ids = office.read(lambda uow: handed_customers(uow, handover_id), "manager")
    packs = office.read(lambda uow: customer_packs(uow, ids), "manager")
    assert [pack["name"] for pack in packs][:2] == [
        "Northquux twin",
        "Northquux Παπαδόπουλος & Sons",
    ]
    pack = next(pack for pack in packs if pack["id"] == work.first)
    assert "northquux@example.com" in [point["value"] for point in pack["points"]]
    assert [each["subject"] for each in pack["contacts"]] == ["Northquux called"]
    assert [each["number"] for each in pack["documents"]] == ["INV-Northquux"]
    assert [each["summary"] for each in pack["todo"]] == ["Call Northquux back"]
    garden = next(pack for pack in packs if pack["id"] == work.customers[3])
    assert [each["stage"] for each in garden["deals"]] == ["Negotiation"]
    assert garden["todo"][0]["deal"] == "Deal 3"
    path = tmp_path / "packs.csv"
    database = office.application.database
    lines = export_packs(database, office.actor("manager"), handover_id, path)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.reader(handle))
    assert len(rows) == lines + 1
    assert ["Κήπος 3", "Promise"] in [row[:2] for row in rows]
    assert export_packs(database, office.actor("admin"), handover_id, tmp_path / "p.xlsx") == lines
    with pytest.raises(PermissionDeniedError):
        export_packs(database, office.actor("readonly"), handover_id, tmp_path / "no.csv")


_names = strategies.lists(strategies.uuids(), min_size=1, max_size=5, unique=True)
_records = strategies.lists(
    strategies.builds(
        Belonging,
        id=strategies.uuids(),
        title=strategies.just("x"),
        customer_id=strategies.none() | strategies.sampled_from([UUID(int=i) for i in range(6)]),
        facts=strategies.sampled_from([(), (("stage", "new"),), (("stage", "won"),)]),
    ),
    max_size=30,
    unique_by=lambda record: record.id,
)


@settings(deadline=None)
@given(people=_names, deals=_records, customers=strategies.sets(strategies.integers(0, 5)))
def test_every_record_gets_somebody_and_customers_are_shared_out_evenly(people, deals, customers):
    mine = tuple(Belonging(UUID(int=i), "c", UUID(int=i)) for i in sorted(customers))
    parts = [
        Belongings("sales_opportunity", "Deals", "", tuple(deals)),
        Belongings("customer", "Customers", "", mine),
    ]
    special = UUID(int=2**100)
    rules = [Rule("stage", "won", special, "stage=won:x")]
    chosen = Chooser(rules, people, {}, {}).choose(parts)
    assert chosen == Chooser(rules, people, {}, {}).choose(parts)
    assert [set(each) for each in chosen] == [{r.id for r in part.records} for part in parts]
    shares = Counter(chosen[1].values())
    if shares:
        assert max(shares.values()) - min(shares[each] for each in people) <= 1
    for deal in deals:
        if dict(deal.facts).get("stage") == "won":
            assert chosen[0][deal.id] == special
        else:
            assert chosen[0][deal.id] in people
            assert deal.customer_id not in chosen[1] or (
                chosen[0][deal.id] == chosen[1][deal.customer_id]
            )
