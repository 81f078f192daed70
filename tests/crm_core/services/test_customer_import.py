"""Importing customers: good files, bad rows, broken files, and doing it twice."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from crm_core.access import Reach
from crm_core.entities import (
    Address,
    AuditEntry,
    ContactPoint,
    Customer,
    CustomerTag,
    ProfileValue,
    Relationship,
    Tag,
    User,
)
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.services import customer_import
from crm_core.services.customer_import import ImportReport, import_customers
from crm_core.services.customer_merge import merge_customers
from crm_core.services.profile import define_attribute


def outcome(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, report.fault_count


def told(report: ImportReport) -> list[tuple[int, str]]:
    return [(fault.line, fault.column) for fault in report.faults]


def customers(company: Any, *names: str) -> list[tuple[Any, ...]]:
    columns = [getattr(Customer, name) for name in names]
    with company.acting() as uow:
        return [tuple(row) for row in uow.execute(select(*columns).order_by(Customer.name))]


def points(company: Any, name: str) -> list[tuple[str, str]]:
    with company.acting() as uow:
        statement = (
            select(ContactPoint.kind, ContactPoint.value)
            .join(Customer, Customer.id == ContactPoint.customer_id)
            .where(Customer.name == name)
            .order_by(ContactPoint.position)
        )
        return [tuple(row) for row in uow.execute(statement)]


def test_a_whole_row(company: Any, load: Callable[..., ImportReport]) -> None:
    with company.writing("anna") as uow:
        define_attribute(uow, "mood", title="Mood", type="choice", choices=["calm", "hasty"])
    report = load(
        "Kind;Name;Reference;VAT number;Language;Job title;Stage;Note;Owner;Tags;E-mail;email2;"
        "Phone;Mobile;Website;Street;Postal code;City;Country;Delivery street;delivery_country;"
        "profile:mood",
        'person;Άννα "A" Παπά;C1;094259216;el_GR;Boss;loyal;"two\nlines";eva;VIP; news;;',
    )
    assert told(report) == [(2, "")], "too few values"
    report = load(
        "Kind;Name;Reference;VAT number;Language;Job title;Stage;Note;Owner;Tags;E-mail;email2;"
        "Phone;Mobile;Website;Street;Postal code;City;Country;Delivery street;delivery_country;"
        "profile:mood",
        'person;Άννα;C1;094259216;el_GR;Boss;loyal;"two\nlines";eva;"VIP; news";A@example.com;'
        "b@example.com;210 1234567;+436641234567;www.a.gr;Ermou 1;10563;Athens;Greece;Ring 1;at;"
        "CALM",
    )
    assert outcome(report) == (1, 0, 0, 0)
    with company.acting() as uow:
        customer = uow.scalars(select(Customer)).one()
        assert (customer.kind, customer.name, customer.reference) == ("person", "Άννα", "C1")
        assert (customer.vat, customer.language, customer.stage) == (
            "EL094259216",
            "el-GR",
            "loyal",
        )
        assert (customer.job_title, customer.note) == ("Boss", "two\nlines")
        assert customer.owner_id == company.user_id("eva")
        tags = uow.scalars(select(Tag.name).join(CustomerTag).order_by(Tag.name)).all()
        assert tags == ["VIP", "news"]
        assert uow.scalar(select(ProfileValue.value)) == "calm"
        addresses = uow.execute(
            select(Address.use, Address.street, Address.country_code).order_by(Address.use)
        ).all()
        assert [tuple(row) for row in addresses] == [
            ("delivery", "Ring 1", "AT"),
            ("main", "Ermou 1", "GR"),
        ]
        assert uow.scalar(select(AuditEntry.origin).where(AuditEntry.action == "create").limit(1))
        normalized = uow.scalars(select(ContactPoint.normalized).order_by(ContactPoint.position))
        assert list(normalized) == [
            "a@example.com",
            "b@example.com",
            "+302101234567",
            "+436641234567",
            "www.a.gr",
        ]


def test_the_audit_says_that_it_was_an_import(
    company: Any, load: Callable[..., ImportReport]
) -> None:
    load("name", "Anna")
    with company.acting() as uow:
        row = uow.execute(
            select(AuditEntry.origin, AuditEntry.actor_login).where(
                AuditEntry.entity_type == "customer"
            )
        ).one()
    assert tuple(row) == ("import", "maria")


@pytest.mark.parametrize(
    "lines",
    [
        ["name,reference", "Anna,C1", "Bob,C2"],
        ["name,vat", "Anna,BE0477472701", "Bob,094259216"],
        ["name,kind,email", "Anna,person,a@example.com", "Bob,person,b@example.com"],
        ["name,phone", "Anna,+302101234567", "Anna,+302101234568"],
        ["name", "Anna", "Bob"],
    ],
)
def test_a_second_import_changes_nothing(
    company: Any, load: Callable[..., ImportReport], lines: list[str]
) -> None:
    assert outcome(load(*lines)) == (2, 0, 0, 0)
    assert outcome(load(*lines)) == (0, 0, 2, 0)
    assert {version for (version,) in customers(company, "version")} == {1}


def test_a_row_changes_only_what_it_fills(company: Any, load: Callable[..., ImportReport]) -> None:
    load(
        "name,reference,note,email,email2,phone,street,city",
        "Anna,C1,old,a@example.com,b@example.com,+302101234567,Ermou 1,Athens",
    )
    report = load(
        "reference,note,email2,mobile,city,delivery_city",
        "C1,,new@example.com,+306941234567,Piraeus,Wien",
    )
    assert outcome(report) == (0, 1, 0, 0)
    assert customers(company, "name", "note") == [("Anna", "old")]
    assert points(company, "Anna") == [
        ("email", "a@example.com"),
        ("email", "new@example.com"),
        ("phone", "+302101234567"),
        ("mobile", "+306941234567"),
    ]
    with company.acting() as uow:
        rows = uow.execute(
            select(Address.use, Address.street, Address.city).order_by(Address.use)
        ).all()
    assert [tuple(row) for row in rows] == [
        ("delivery", None, "Wien"),
        ("main", "Ermou 1", "Piraeus"),
    ]


def test_matching_never_guesses(company: Any, load: Callable[..., ImportReport]) -> None:
    company.customer("Acme", kind="company", reference="C1", contact_points=[_email("i@acme.eu")])
    company.customer("Zed", contact_points=[_email("z@zed.eu")])
    company.customer("Zoo", contact_points=[_email("z@zed.eu")])
    report = load(
        "kind,name,reference,email",
        "person,Anna of Acme,,i@acme.eu",
        "company,Acme two,C2,i@acme.eu",
        "company,Z,,z@zed.eu",
    )
    assert outcome(report) == (2, 0, 0, 1)
    assert told(report) == [(4, "email")]
    assert "fits 2 customers" in report.faults[0].message
    assert [name for (name,) in customers(company, "name")] == [
        "Acme",
        "Acme two",
        "Anna of Acme",
        "Zed",
        "Zoo",
    ]


def _email(value: str) -> dict[str, str]:
    return {"kind": "email", "value": value}


def test_the_keys_to_match_by_can_be_chosen(
    company: Any, load: Callable[..., ImportReport]
) -> None:
    lines = ["name,reference,email", "Anna,C1,a@example.com", "Bob,C2,a@example.com"]
    assert outcome(load(*lines, match=["reference"])) == (2, 0, 0, 0)
    with pytest.raises(InputError, match="cannot be matched by shoe; choose among reference"):
        load(*lines, match=["shoe"])


def test_two_rows_for_one_customer(
    company: Any, load: Callable[..., ImportReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_core.services.import_spool.WRITTEN_AT_ONCE", 2)
    report = load(
        "name,reference,email",
        "Anna,C1,a@example.com",
        "Anna again,C1,x@example.com",
        "Bob,C2,b@example.com",
        "Carl,,b@example.com",
        "Anna,C1,a@example.com",
    )
    assert outcome(report) == (2, 0, 0, 3)
    assert told(report) == [(3, "reference"), (5, "email"), (6, "reference")]
    assert "same customer as line 2 (same reference)" in report.faults[0].message
    assert "same customer as line 4 (same email)" in report.faults[1].message
    assert customers(company, "name") == [("Anna",), ("Bob",)]


def test_bad_rows_are_set_aside_and_the_others_go_on(
    company: Any, load: Callable[..., ImportReport], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    report = load(
        "kind,name,email,phone,vat,owner,language,delivery_country_code",
        "person,Anna,anna@,12,EL1,nobody,,Atlantis",
        "dog,Bob,,,,,,",
        "person,Carl,,,,,,",
        "",
        f"person,{'x' * 300},,,,,,",
        "person,,,,,,,",
        "person,Dora",
        'person,"E\nva",,,,ghost,,',
        "person,Fay,,,,,xx,",
        errors_path=errors,
    )
    assert (report.rows, report.created, report.faulty_rows) == (8, 1, 7)
    assert told(report) == [
        (2, "delivery_country_code"),
        (2, "email"),
        (2, "phone"),
        (2, "vat"),
        (3, "kind"),
        (6, "name"),
        (8, ""),
        (9, "owner"),
        (11, "language"),
        (7, "name"),
    ]
    assert "'12' is not a possible phone number" in report.faults[2].message
    assert report.faults[2].value == "12"
    assert len(report.faults[5].value) == 60
    with errors.open(encoding="utf-8", newline="") as handle:
        written = list(csv.reader(handle))
    assert written[0] == ["line", "column", "value", "message"]
    assert [(int(row[0]), row[1]) for row in written[1:]] == told(report)


def test_companies_of_persons(company: Any, load: Callable[..., ImportReport]) -> None:
    company.customer("Twin", kind="company")
    company.customer("Twin", kind="company")
    lines = [
        "kind,name,reference,company",
        "person,Anna,P1,C1",
        "person,Bob,P2,Acme",
        "person,Carl,P3,Nowhere",
        "person,Dora,P4,Twin",
        "person,Eva,P5,P5",
        "company,Acme,C1,",
        "company,Sub,C2,C1",
        "person,Fred,P6,P7",
        "person,Gina,P7,P6",
    ]
    report = load(*lines)
    assert (report.created, report.related) == (9, 3)
    assert told(report) == [(n, "company") for n in (4, 5, 6, 8, 10)]
    messages = [fault.message for fault in report.faults]
    assert "is no company here" in messages[0]
    assert "fits 2 companies" in messages[1]
    assert "would make a circle" in messages[2]
    assert "for a person only" in messages[3]
    assert "would make a circle" in messages[4]
    again = load(*lines)
    assert (again.unchanged, again.related) == (9, 0)
    with company.acting() as uow:
        assert uow.scalar(select(func.count(Relationship.id))) == 3


def test_a_dry_run_writes_nothing(company: Any, load: Callable[..., ImportReport]) -> None:
    company.customer("Anna", reference="C1")
    lines = ["name,reference,company,kind", "Anne,C1,,", "Bob,C2,C1,person", "Carl,C2,,"]
    report = load(*lines, dry_run=True)
    assert report.is_dry_run
    assert outcome(report) == (1, 1, 0, 1)
    assert report.related == 1
    assert customers(company, "name", "version") == [("Anna", 1)]
    real = load(*lines)
    assert outcome(real) == outcome(report)


def test_killed_in_the_middle_and_run_again(
    company: Any, load: Callable[..., ImportReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_core.services.import_spool.WRITTEN_AT_ONCE", 10)
    lines = [
        "kind,name,reference,company,tags",
        *(f"person,P{n},R{n},{'R0' if n else ''},t{n % 3}" for n in range(35)),
    ]
    real = customer_import.save_customers
    calls = 0

    def killing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(customer_import, "save_customers", killing)
    with pytest.raises(KeyboardInterrupt):
        load(*lines)
    assert len(customers(company, "id")) == 20
    monkeypatch.setattr(customer_import, "save_customers", real)
    report = load(*lines)
    assert (report.created, report.unchanged, report.related) == (15, 20, 34)
    assert len(customers(company, "id")) == 35
    assert outcome(load(*lines)) == (0, 0, 35, 0)


def test_rights(company: Any, load: Callable[..., ImportReport], tmp_path: Path) -> None:
    with pytest.raises(PermissionDeniedError, match="core.customer.import"):
        load("name", "Anna", login="eva")
    path = tmp_path / "customers.csv"
    eva = company.actor("eva")
    importer = replace(eva, rights={**eva.rights, "core.customer.import": Reach.ALL})
    company.customer("Hers", reference="C1", owner="eva")
    company.customer("Other", reference="C2", owner="olga")
    path.write_text("name,reference,owner\nX,C1,\nY,C2,\nZ,C3,\nW,C1,tom\n")
    report = import_customers(company.database, importer, path)
    assert outcome(report) == (1, 1, 0, 2)
    assert told(report) == [(3, ""), (5, "reference")]
    assert "you may not change this customer" in report.faults[0].message
    with company.acting() as uow:
        owners = dict(
            uow.execute(
                select(Customer.name, User.login).join(User, User.id == Customer.owner_id)
            ).all()
        )
    assert owners == {"X": "eva", "Other": "olga", "Z": "eva"}
    cannot_create = replace(
        importer, rights={k: v for k, v in importer.rights.items() if not k.endswith("create")}
    )
    path.write_text("name,reference\nNew,C9\n")
    report = import_customers(company.database, cannot_create, path)
    assert "core.customer.create" in report.faults[0].message


def test_customers_out_of_sight_are_not_matched(company: Any, tmp_path: Path) -> None:
    eva = company.actor("eva")
    rights = {**eva.rights, "core.customer.import": Reach.ALL, "core.customer.view": Reach.OWN}
    company.customer("Other", reference="C2", owner="olga")
    path = tmp_path / "customers.csv"
    path.write_text("name,reference\nMine,C2\n")
    assert import_customers(company.database, replace(eva, rights=rights), path).created == 1
    assert customers(company, "name") == [("Mine",), ("Other",)]


def test_progress(load: Callable[..., ImportReport]) -> None:
    seen: list[tuple[str, int, int | None]] = []
    lines = [f"N{n}" for n in range(2_100)]
    load("name", *lines, on_progress=lambda *step: seen.append(step))
    assert seen == [
        ("check", 1000, None),
        ("check", 2000, None),
        ("check", 2100, 2100),
        ("write", 2000, 2100),
        ("write", 2100, 2100),
    ]


def test_a_row_that_names_a_merged_customer_means_the_survivor(company, load):
    keep = company.customer("Acme", kind="company", reference="K-1")
    drop = company.customer("ACME Ltd", kind="company", reference="K-2", vat="EL094014201")
    with company.writing() as uow:
        merge_customers(uow, keep, drop)
    report = load("name,kind,reference,vat", "Acme Hellas,company,K-2,EL094014201")
    assert (report.created, report.updated) == (0, 1)
    with company.acting() as uow:
        assert uow.get(Customer, keep).name == "Acme Hellas"
        assert uow.get(Customer, drop).name == "ACME Ltd"
