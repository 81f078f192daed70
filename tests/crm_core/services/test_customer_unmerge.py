"""A merge undone: what goes back, what cannot, who may, and what plugins hold."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import delete, select

from crm_core.access import Reach
from crm_core.entities import (
    AuditEntry,
    Customer,
    CustomerMerge,
    OutboxEvent,
    Ownership,
    Tag,
)
from crm_core.errors import NotFoundError, PermissionDeniedError, RuleViolationError
from crm_core.ids import new_id
from crm_core.persistence.ledger import Ledger
from crm_core.persistence.scope import CUSTOMER_VIEW
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.customer_merge import MERGE, merge_customers
from crm_core.services.customer_merge_report import list_merges
from crm_core.services.customer_unmerge import resolve_merge_id, unmerge_customers
from crm_core.services.ownership import assign_owner
from crm_core.services.profile import (
    clear_profile_value,
    define_attribute,
    list_profile,
    set_profile_value,
)
from crm_core.services.tags import tag_customer
from crm_core.services.users import user_named
from crm_core.testing.factories import make_actor


def two(company, **values):
    common = {"kind": "company"}
    return (
        company.customer("Acme", **common),
        company.customer("ACME Ltd", **common, **values),
    )


def merged(company, keep, drop, **options):
    with company.writing() as uow:
        return merge_customers(uow, keep, drop, **options).id


def undo(company, merge_id, login="anna"):
    with company.writing(login) as uow:
        return [str(each) for each in unmerge_customers(uow, merge_id).left]


def test_later_merges_are_undone_first(company):
    first, second = two(company)
    third = company.customer("Acme SA", kind="company")
    merges = [merged(company, second, first), merged(company, third, second)]
    with pytest.raises(RuleViolationError, match=f"unmerge {merges[1]}"):
        undo(company, merges[0])
    assert undo(company, merges[1]) == []
    assert undo(company, merges[0]) == []
    with company.acting() as uow:
        assert [uow.get(Customer, key).merged_into_id for key in (first, second, third)] == [
            None
        ] * 3
    with pytest.raises(RuleViolationError, match="undone"):
        undo(company, merges[0])


def test_the_right_and_both_customers_are_needed(company):
    keep, drop = two(company)
    merge_id = merged(company, keep, drop)
    with pytest.raises(PermissionDeniedError):
        undo(company, merge_id, login="rita")
    with pytest.raises(NotFoundError):
        undo(company, new_id())


def mine(company, login):
    """What a user may see who sees only their own customers."""
    with company.acting() as uow:
        user = user_named(uow, login)
    actor = make_actor(CUSTOMER_VIEW, MERGE, reach=Reach.OWN, user=user)
    return unit_of_work(company.database, actor=actor, write=True)


def test_a_later_merge_that_one_may_not_see_is_undone_first_too(company):
    keep, drop = two(company, owner="eva")
    with company.writing() as uow:
        assign_owner(uow, keep, company.user_id("eva"))
    hidden = company.customer("Acme Holding", kind="company", owner="olga")
    merges = [merged(company, keep, drop), merged(company, hidden, keep)]
    with mine(company, "eva") as uow:
        with pytest.raises(RuleViolationError, match="who may see both") as caught:
            unmerge_customers(uow, merges[0])
    assert caught.value.details == {"later": [str(merges[1])], "hidden": [str(merges[1])]}
    assert "Holding" not in caught.value.message
    assert undo(company, merges[1]) == []
    with mine(company, "eva") as uow:
        assert unmerge_customers(uow, merges[0]).left == []


def test_who_may_not_be_seen_is_not_told_of_in_the_list(company, lockers):
    keep, drop = two(company, owner="olga")
    with company.writing() as uow:
        assign_owner(uow, keep, company.user_id("eva"))
    put(company, "zoo_locker", (new_id(), keep), (new_id(), drop))
    merge_id = merged(company, keep, drop, reason="ACME Ltd is Acme")
    with mine(company, "eva") as uow:
        [item] = list_merges(uow).items
    assert (item["id"], item["keep_name"]) == (merge_id, "Acme")
    assert (item["drop_name"], item["reason"], item["left"]) == (None, None, None)
    with company.acting("anna") as uow:
        [item] = list_merges(uow).items
    assert item["reason"] == "ACME Ltd is Acme"
    assert len(item["left"]) == 1


def test_who_was_made_owner_since_stays_and_each_history_says_so(company):
    keep, drop = two(company, owner="eva")
    merge_id = merged(company, keep, drop, choices={"owner": "drop"})
    with company.writing() as uow:
        assign_owner(uow, keep, company.user_id("tom"))
    [line] = undo(company, merge_id, login=None)
    assert line.startswith(f"customer {keep} owner_id") or "ownership" in line
    with company.acting() as uow:
        for key in (keep, drop):
            present = select(Ownership.user_id).where(
                Ownership.customer_id == key, Ownership.until_at.is_(None)
            )
            assert uow.scalars(present).all() == [uow.get(Customer, key).owner_id]
        assert uow.get(Customer, keep).owner_id == company.user_id("tom")
        assert uow.get(Customer, drop).owner_id == company.user_id("eva")


def test_a_place_that_is_taken_and_a_target_that_is_gone_are_named(company):
    keep, drop = two(company, tags=["vip", "old"])
    with company.writing() as uow:
        tag_customer(uow, keep, ["vip"])
        define_attribute(uow, "food", title="Food", type="text")
        for key, value in ((keep, "fish"), (drop, "meat")):
            set_profile_value(uow, key, "food", value)
    merge_id = merged(company, keep, drop, choices={"profile.food": "drop"})
    with company.writing() as uow:
        clear_profile_value(uow, keep, "food")
        set_profile_value(uow, keep, "food", "cheese")
        uow.execute(delete(Tag).where(Tag.name == "vip"))
    left = undo(company, merge_id)
    assert sorted(line.split()[0] for line in left) == [
        "customer_tag",
        "profile_value",
        "profile_value",
    ]
    with company.acting() as uow:
        assert [row["value"] for row in list_profile(uow, keep)] == ["cheese"]
        merge = uow.get(CustomerMerge, merge_id)
    assert merge.left == left


def test_it_is_audited_with_the_merges_id(company):
    keep, drop = two(company, tags=["vip"])
    merge_id = merged(company, keep, drop)
    undo(company, merge_id)
    with company.acting() as uow:
        rows = uow.session.query(AuditEntry).filter_by(action="unmerge").all()
        assert {row.entity_type for row in rows} == {"customer", "customer_tag"}
        assert {row.changes["merge_id"][1] for row in rows} == {str(merge_id)}
        event = uow.session.query(OutboxEvent).filter_by(name="core.customer.unmerged").one()
    assert event.payload["drop_id"] == str(drop)


def test_a_merge_is_named_by_its_first_digits(company):
    merge_id = merged(company, *two(company))
    with company.acting() as uow:
        assert resolve_merge_id(uow, merge_id.hex[:16]) == merge_id
        with pytest.raises(NotFoundError):
            resolve_merge_id(uow, "nonsense")


# Tables that the core does not know: a plugin that is off.


@pytest.fixture
def lockers(company):
    """A table of a plugin that is not loaded: one locker a customer, and any number of keys."""
    kind = "CHAR(32)" if company.database.is_sqlite else "UUID"
    parent = f"{kind} NOT NULL REFERENCES core_customer (id)"
    with company.writing() as uow:
        run = uow.connection().exec_driver_sql
        run(f"CREATE TABLE zoo_locker (id {kind} PRIMARY KEY, holder_id {parent} UNIQUE)")
        run(f"CREATE TABLE zoo_key (id {kind}, no INTEGER, of_id {parent}, PRIMARY KEY (id, no))")
        run(f"CREATE TABLE zoo_visit (id {kind}, of_id {parent})")
        run(f"CREATE TABLE zoo_gift (id {kind} PRIMARY KEY, by_id {parent} UNIQUE, of_id {parent})")


def put(company, table, *rows):
    is_sqlite = company.database.is_sqlite
    with company.writing() as uow:
        for row in rows:
            values = [f"'{v.hex if is_sqlite else v}'" if isinstance(v, UUID) else v for v in row]
            listed = ", ".join(map(str, values))
            uow.connection().exec_driver_sql(f"INSERT INTO {table} VALUES ({listed})")


def holders(company, table, column):
    with company.acting() as uow:
        found = uow.connection().exec_driver_sql(f"SELECT {column} FROM {table} ORDER BY id")
        return [UUID(str(row[0])) for row in found]


def test_records_of_a_plugin_that_is_off_follow_and_go_back(company, lockers):
    keep, drop = two(company)
    put(company, "zoo_locker", (new_id(), drop))
    put(company, "zoo_key", (new_id(), 1, drop), (new_id(), 2, keep), (new_id(), 3, drop))
    merge_id = merged(company, keep, drop)
    assert holders(company, "zoo_locker", "holder_id") == [keep]
    assert holders(company, "zoo_key", "of_id") == [keep] * 3
    put(company, "zoo_key", (new_id(), 4, keep))
    assert undo(company, merge_id) == []
    assert holders(company, "zoo_locker", "holder_id") == [drop]
    assert holders(company, "zoo_key", "of_id") == [drop, keep, drop, keep]


def test_what_a_rule_of_its_table_forbids_stays_and_is_named(company, lockers):
    keep, drop = two(company)
    put(company, "zoo_locker", (new_id(), keep), (new_id(), drop))
    with company.writing() as uow:
        merge = merge_customers(uow, keep, drop)
        [line] = merge.left
        assert line.startswith("zoo_locker: 1 left with the dropped customer, since a rule")
        assert "cme" not in line.casefold()
    assert holders(company, "zoo_locker", "holder_id") == [keep, drop]
    assert undo(company, merge.id) == []


def test_rows_of_a_table_without_a_key_stay_and_are_named(company, lockers):
    keep, drop = two(company)
    other = company.customer("Ζήτα Α.Ε.", kind="company")
    put(company, "zoo_visit", *((new_id(), each) for each in (other, drop, keep, drop)))
    before = holders(company, "zoo_visit", "of_id")
    with company.writing() as uow:
        merge = merge_customers(uow, keep, drop)
        [line] = merge.left
    assert line.startswith("zoo_visit: 2 left with the dropped customer, since that table has no")
    assert holders(company, "zoo_visit", "of_id") == before
    assert undo(company, merge.id) == []
    assert holders(company, "zoo_visit", "of_id") == before


def test_a_row_whose_key_is_empty_stays_and_is_named(sqlite_company):
    keep, drop = two(sqlite_company)
    with sqlite_company.writing() as uow:
        uow.connection().exec_driver_sql(
            "CREATE TABLE zoo_badge (id CHAR(32) PRIMARY KEY, of_id CHAR(32) "
            "REFERENCES core_customer (id))"
        )
    put(sqlite_company, "zoo_badge", ("NULL", drop), (new_id(), drop))
    with sqlite_company.writing() as uow:
        [line] = merge_customers(uow, keep, drop).left
    assert line.startswith("zoo_badge: 1 left with the dropped customer, since")
    assert holders(sqlite_company, "zoo_badge", "of_id") == [drop, keep]


def test_no_row_is_ever_changed_without_a_key(company, lockers):
    keep, drop = two(company)
    put(company, "zoo_visit", (new_id(), drop))
    with company.writing() as uow:
        ledger = Ledger(uow, new_id())
        source = ledger.rows("zoo_visit", "of_id")
        with pytest.raises(AssertionError, match="zoo_visit"):
            ledger.update(source, [({"of_id": drop}, {"of_id": keep})])


def test_rows_with_two_references_all_follow(company, lockers):
    keep, drop = two(company)
    put(company, "zoo_gift", (new_id(), keep, keep), (new_id(), drop, drop))
    with company.writing() as uow:
        merge = merge_customers(uow, keep, drop)
        assert [line.split(" left")[0] for line in merge.left] == ["zoo_gift: 1"]
    assert holders(company, "zoo_gift", "by_id") == [keep, drop]
    assert holders(company, "zoo_gift", "of_id") == [keep, keep]
    assert undo(company, merge.id) == []
    assert holders(company, "zoo_gift", "of_id") == [keep, drop]


def test_a_table_that_lost_its_key_since_is_named(company, lockers):
    keep, drop = two(company)
    put(company, "zoo_locker", (new_id(), drop))
    merge_id = merged(company, keep, drop)
    with company.writing() as uow:
        run = uow.connection().exec_driver_sql
        run("CREATE TABLE zoo_copy AS SELECT * FROM zoo_locker")
        run("DROP TABLE zoo_locker")
        run("ALTER TABLE zoo_copy RENAME TO zoo_locker")
    [line] = undo(company, merge_id)
    assert line.endswith("its table has another primary key now")
    assert holders(company, "zoo_locker", "holder_id") == [keep]


def test_a_table_that_is_gone_since_is_named(company, lockers):
    keep, drop = two(company)
    put(company, "zoo_locker", (new_id(), drop))
    merge_id = merged(company, keep, drop)
    with company.writing() as uow:
        uow.connection().exec_driver_sql("DROP TABLE zoo_locker")
    [line] = undo(company, merge_id)
    assert line.endswith("its table is gone")
