"""The demo company: consistent, the same for the same seed, and shaped like a real one."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import phonenumbers
import pytest

from crm_core.normalize import normalize_email, normalize_vat, parse_language
from crm_files.backend import FilesBackend
from crm_files.demo.catalogue import TOGETHER, catalogue
from crm_files.demo.company import build
from crm_files.demo.people import LANGUAGES

TODAY = date(2026, 11, 20)
CUSTOMERS = 2_000
SCRIPTS = {"el-GR": "[Α-ώ]", "ru-RU": "[А-яё]", "fa-IR": "[\u0600-\u06ff]"}
POSTAL = {
    "GR": r"\d{5}",
    "PL": r"\d\d-\d{3}",
    "RU": r"\d{6}",
    "SI": r"\d{4}",
    "IR": r"\d{10}",
    "GB": r"[A-Z]{1,2}\d \d[A-Z]{2}",
}


@pytest.fixture(scope="module")
def company(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("company") / "office"
    build(folder, CUSTOMERS, 7, TODAY)
    return folder


@pytest.fixture(scope="module")
def table(company):
    def read(name: str) -> list[dict[str, str]]:
        with (company / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    return read


def test_the_same_seed_gives_the_same_files(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        build(tmp_path / name, 60, seed, TODAY)
    one, two, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc"
    )
    assert one == two
    assert one["customers.csv"] != other["customers.csv"]


def test_another_day_moves_the_dates_and_nobody_else(tmp_path):
    for name, day in (("a", TODAY), ("b", TODAY + timedelta(days=365))):
        build(tmp_path / name, 60, 3, day)
    names = ("products.csv", "users.csv", "tags.csv")
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_backend_reads_all_of_it_without_a_fault(company):
    backend = FilesBackend(company)
    entities = backend.entities()
    assert len(entities) == 9
    assert [warning for entity in entities for warning in entity.warnings] == []
    assert all(check.ok for check in backend.check())
    for entity in entities:
        pages = list(backend.pages(entity.name, since=None, after=None, size=1_000))
        assert [fault for page in pages for fault in page.faults] == []
        assert sum(len(page.records) for page in pages) > 0


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_any_number_of_customers(tmp_path, count):
    build(tmp_path / "x", count, 5, TODAY)
    lines = (tmp_path / "x" / "customers.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == count + 1


def test_names_are_plenty():
    assert len(LANGUAGES) == 6
    for language in LANGUAGES:
        assert min(len(set(language.men)), len(set(language.women))) >= 40
        assert len(set(language.families)) >= 60
    assert len(catalogue()) == 150
    assert len({product.reference for product in catalogue()}) == 150


def test_customers_are_who_they_say(table):
    customers = table("customers")
    assert len({row["id"] for row in customers}) == len(customers) == CUSTOMERS
    assert len({row["email"] for row in customers if row["email"]}) > CUSTOMERS * 0.8
    by_language = Counter(row["language"] for row in customers)
    assert set(by_language) == {language.tag for language in LANGUAGES}
    assert min(by_language.values()) > CUSTOMERS * 0.05
    kinds = Counter((row["kind"], bool(row["parent_ref"])) for row in customers)
    assert (
        min(kinds[key] for key in (("person", False), ("person", True), ("company", False))) > 300
    )
    for row in customers:
        assert parse_language(row["language"]) == row["language"]
        country = row["language"][-2:]
        if row["parent_ref"]:
            assert not row["street"]
            assert row["job_title"]
        else:
            assert row["country_code"] == country
            assert re.fullmatch(POSTAL[country], row["postal_code"]), row["postal_code"]
        if script := SCRIPTS.get(row["language"]):
            assert re.search(script, row["name"]), row["name"]
            assert row["parent_ref"] or re.search(script, row["street"])
        for number in filter(None, (row["phone"], row["mobile"])):
            parsed = phonenumbers.parse(number)
            assert phonenumbers.is_valid_number(parsed), number
            assert phonenumbers.region_code_for_number(parsed) == country
        if row["email"]:
            assert normalize_email(row["email"]) == row["email"]
        if row["kind"] == "company":
            assert normalize_vat(row["vat"], row["country_code"])


def test_lines_sum_up_and_open_amounts_are_what_payments_left(table):
    lines: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for line in table("lines"):
        lines[line["document_entity"], line["document_id"]].append(line)
    products = {row["id"] for row in table("products")}
    assert {line["product_ref"] for told in lines.values() for line in told} <= products
    orders = {row["id"]: row for row in table("orders")}
    payments = {row["id"]: row for row in table("payments")}
    paid: dict[str, Decimal] = defaultdict(Decimal)
    order_of = {}
    for link in table("links"):
        if link["kind"] == "pays":
            paid[link["document_id"]] += Decimal(link["amount"])
            assert payments.pop(link["ref"])["total_amount"] == link["amount"]
        elif link["kind"] == "invoices":
            order_of[link["document_id"]] = orders[link["ref"]]
    assert payments == {}
    for entity, rows in (("order", orders.values()), ("invoice", table("invoices"))):
        for row in rows:
            untaxed, tax, total, left = (
                Decimal(row[f"{name}_amount"]) for name in ("untaxed", "tax", "total", "open")
            )
            told = lines[entity, row["id"]]
            assert sum(Decimal(line["untaxed_amount"]) for line in told) == untaxed
            assert sum(Decimal(line["total_amount"]) for line in told) == total == untaxed + tax
            assert date.fromisoformat(row["issued_on"]) <= TODAY
            if entity == "invoice":
                assert left == total - paid[row["id"]]
                assert (row["payment_state"] == "paid") == (left == 0)
            if row["kind"] == "invoice":
                order = order_of[row["id"]]
                assert order["customer_ref"] == row["customer_ref"]
                assert order["total_amount"] == row["total_amount"]
                assert order["issued_on"] < row["issued_on"]
    assert {row["currency"] for row in orders.values()} == {"EUR", "PLN"}
    assert any(row["kind"] == "refund" for row in table("invoices"))


def test_it_is_shaped_like_a_trading_company(table):
    revenue: Counter[str] = Counter()
    months: Counter[int] = Counter()
    last: dict[str, str] = {}
    overdue = 0
    for row in table("orders"):
        months[int(row["issued_on"][5:7])] += 1
        last[row["customer_ref"]] = max(last.get(row["customer_ref"], ""), row["issued_on"])
    for row in table("invoices"):
        if row["kind"] == "invoice":
            rate = Decimal("4.3") if row["currency"] == "PLN" else 1
            revenue[row["customer_ref"]] += Decimal(row["total_amount"]) / rate
            overdue += Decimal(row["open_amount"]) > 0 and row["due_on"] < TODAY.isoformat()
    due = {row["number"]: row["due_on"] for row in table("invoices")}
    late = sum(row["issued_on"] > due[row["reference"]] for row in table("payments"))
    best = sorted(revenue.values(), reverse=True)
    assert sum(best[: len(best) // 10]) > sum(best) / 2
    year_ago = (TODAY - timedelta(days=365)).isoformat()
    lapsed = sum(day < year_ago for day in last.values())
    assert len(last) * 0.1 < lapsed < len(last) * 0.5
    assert late > len(due) * 0.1
    assert overdue > 20
    assert months[5] > 2 * months[1]
    assert len(last) < CUSTOMERS  # prospects never bought


def test_some_products_are_bought_together(table):
    baskets: dict[str, set[str]] = defaultdict(set)
    for line in table("lines"):
        if line["document_entity"] == "order":
            baskets[line["document_id"]].add(line["description"])
    single = Counter(name for basket in baskets.values() for name in basket)
    pairs = Counter(pair for basket in baskets.values() for pair in combinations(sorted(basket), 2))
    for first, second, _ in TOGETHER:
        both = pairs[tuple(sorted((first, second)))]
        lift = both * len(baskets) / (single[first] * single[second] or 1)
        assert lift > 1.5, (first, second, lift)
