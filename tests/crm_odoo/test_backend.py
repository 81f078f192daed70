"""The backend on a remote made of plain dicts: pages, faults, and servers of other versions."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_core.errors import FatalSyncError, RecordSyncError
from crm_core.sync.protocol import RIGHT_MISSING, WritableBackend
from crm_odoo.backend import OdooBackend
from crm_odoo.mappings import ALL, ENTITIES
from crm_odoo.shapes import remote_fields

TYPES = {"comment": "text", "category_id": "many2many", "ref_company_ids": "one2many"}
RELATIONS = {
    "country_id": "res.country",
    "state_id": "res.country.state",
    "currency_id": "res.currency",
    "categ_id": "product.category",
    "uom_id": "uom.uom",
    "product_uom": "uom.uom",
    "product_uom_id": "uom.uom",
}


def partner(number, **changes):
    row = {
        "write_date": "2026-01-01 00:00:00", "write_uid": 7,
        "id": number, "name": f"Partner {number}", "is_company": False, "ref": False, "vat": False,
        "lang": "el_GR", "function": False, "comment": False, "active": True, "user_id": False,
        "parent_id": False, "category_id": [], "email": False, "phone": False, "mobile": False,
        "website": False, "type": "contact", "street": False, "street2": False, "zip": False,
        "city": False, "state_id": False, "country_id": False,
    }  # fmt: skip
    return {**row, **changes}


COMPANY = {
    "res_company": [{"id": 1, "currency_id": 9}],
    "res_currency": [{"id": 9, "name": "EUR"}],
    "res_users": [{"id": 2, "company_id": 1, "tz": "Europe/Athens", "partner_id": 99}],
    "res_lang": [{"id": 1}],
}


class Remote:
    """An Odoo of dicts; evaluates conditions on ids only."""

    server_version = "14.0"
    user_id = 2
    user_language = "el_GR"
    server_date = None

    def __init__(self, **models):
        self.models = {name.replace("_", "."): rows for name, rows in models.items()}
        self.missing_models = set()
        self.missing_fields = {"fax"}
        self.closed = set()
        self.types = dict(TYPES)
        self.breaks_on = set()
        self.asked = []

    @property
    def calls(self):
        return len(self.asked)

    def close(self):
        pass

    def execute(self, model, method, *args, **keywords):
        self.asked.append((model, method, args))
        if model in self.closed:
            raise FatalSyncError("no", code=RIGHT_MISSING, details={"model": model})
        rows = {row["id"]: row for row in self.models.get(model, [])}
        return getattr(self, f"_{method}")(model, rows, *args, **keywords)

    def _fields_get(self, model, rows, names, *, attributes, context):
        if model in self.missing_models:
            raise RecordSyncError("no", details={"error": "odoo.exceptions.UserError"})
        return {
            name: {"type": self.types.get(name, "char"), "relation": RELATIONS.get(name)}
            for name in names
            if name not in self.missing_fields
        }

    def _search(self, model, rows, domain, *, order, limit, context):
        found = sorted(rows)
        for term in domain:
            if isinstance(term, list) and term[0] == "id" and term[1] == ">":
                found = [number for number in found if number > term[2]]
            if isinstance(term, list) and term[0] == "id" and term[1] == "in":
                found = [number for number in found if number in term[2]]
        return found[:limit]

    def _search_count(self, model, rows, domain, *, context):
        return len(self._search(model, rows, domain, order="id", limit=None, context=context))

    def _read(self, model, rows, ids, fields, *, load, context):
        if model == "res.partner" and self.breaks_on & set(ids):
            raise RecordSyncError("division by zero", code="odoo.record")
        return [{name: rows[number][name] for name in {"id", *fields}}
                for number in ids if number in rows]  # fmt: skip

    def _exists(self, model, rows, ids, *, context):
        return [number for number in ids if number in rows]

    def _check_access_rights(self, model, rows, deed, *, raise_exception):
        return True

    def _default_get(self, model, rows, fields):
        return {"date": "2026-03-01 10:00:00"}


@pytest.fixture
def remote():
    return Remote(
        res_partner=[partner(number) for number in range(1, 26)],
        res_country=[{"id": 5, "code": "GR"}],
        **COMPANY,
    )


def pages(backend, entity="customer", **changes):
    return list(backend.pages(entity, **{"since": None, "after": None, "size": 10, **changes}))


def test_it_is_what_the_engine_asks_for(remote):
    assert isinstance(OdooBackend(remote), WritableBackend)


def test_pages_come_in_order_of_numbers_and_tell_how_many(remote):
    found = pages(OdooBackend(remote))
    assert [len(page.records) for page in found] == [10, 10, 5]
    assert [page.last_id for page in found] == ["10", "20", "25"]
    assert found[0].total == 25
    assert [r.remote_id for page in found for r in page.records] == list(map(str, range(1, 26)))


def test_a_sweep_goes_on_where_it_stopped(remote):
    backend = OdooBackend(remote)
    assert [page.last_id for page in pages(backend, after="20")] == ["25"]
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert [page.last_id for page in pages(backend, after="8", since=since)] == ["18", "25"]
    assert pages(backend, after="25") == []


def test_a_place_that_is_no_id_is_refused_with_what_repairs_it(remote):
    with pytest.raises(FatalSyncError, match="--full --entity customer") as caught:
        pages(OdooBackend(remote), after="12; DROP")
    assert caught.value.code == "core.sync.cursor"


def test_what_moved_is_asked_for_by_every_cursor_at_once(remote):
    pages(OdooBackend(remote), since=datetime(2026, 1, 1, 12, 30, 15, 999999, tzinfo=UTC))
    searches = [args[0] for model, method, args in remote.asked
                if (model, method) == ("res.partner", "search")]  # fmt: skip
    asked = [["write_date", ">=", "2026-01-01 12:30:15"],
             ["parent_id.write_date", ">=", "2026-01-01 12:30:15"]]  # fmt: skip
    assert ["|", *asked] == searches[-1][1:4]


def test_a_page_costs_one_call_and_ten_of_them_a_second_one(remote):
    backend = OdooBackend(remote)
    pages(backend)
    before = remote.calls
    pages(backend)
    assert remote.calls - before == 1 + 1 + 3
    before = remote.calls
    found = [page.last_id for page in backend.pages("customer", since=None, after=None, size=1)]
    assert found == list(map(str, range(1, 26)))
    assert remote.calls - before == 1 + 3 + 25


def test_a_record_that_breaks_the_call_is_found_and_the_rest_goes_on(remote):
    remote.breaks_on = {3, 17}
    found = pages(OdooBackend(remote))
    assert sum(len(page.records) for page in found) == 23
    assert [(f.remote_id, f.code) for page in found for f in page.faults] == [
        ("3", "odoo.record"), ("17", "odoo.record")
    ]  # fmt: skip


def test_a_value_that_is_not_understood_is_set_aside_by_field(remote):
    remote.models["res.partner"][4]["is_company"] = "maybe"
    remote.models["res.partner"][5]["name"] = "  "
    (page, *_) = pages(OdooBackend(remote))
    assert [(fault.remote_id, fault.code) for fault in page.faults] == [
        ("5", "odoo.record_not_understood"), ("6", "odoo.record_not_understood")
    ]  # fmt: skip
    assert "kind" in page.faults[0].reason
    assert "name is empty" in page.faults[1].reason
    assert page.faults[0].label == "Partner 5"


def test_when_nothing_can_be_read_the_run_stops(remote):
    remote.breaks_on = set(range(1, 26))
    with pytest.raises(FatalSyncError) as caught:
        pages(OdooBackend(remote))
    assert caught.value.code == "odoo.nothing_readable"
    assert "division by zero" in caught.value.message


def test_a_missing_right_is_not_taken_for_bad_records(remote):
    backend = OdooBackend(remote)
    backend.entities()
    remote.closed = {"account.payment"}
    with pytest.raises(FatalSyncError) as caught:
        pages(backend, "payment")
    assert caught.value.code == RIGHT_MISSING


def test_a_field_that_newer_versions_dropped_is_left_out_with_a_warning(remote):
    remote.models["res.partner"][0].update(phone="210", mobile="69")
    before = OdooBackend(remote)
    remote_after = Remote(res_partner=remote.models["res.partner"], **COMPANY)
    remote_after.missing_fields = {"mobile", "fax"}
    after = OdooBackend(remote_after)
    (was,) = [entity for entity in before.entities() if entity.name == "customer"]
    (now,) = [entity for entity in after.entities() if entity.name == "customer"]
    assert [warning for warning in now.warnings if "mobile" in warning]
    assert not [warning for warning in now.warnings if "fax" in warning]
    assert now.mapping_digest != was.mapping_digest
    points = pages(after)[0].records[0].values["contact_points"]
    assert points == [{"kind": "phone", "value": "210"}]


def test_notes_are_html_where_the_server_says_so(remote):
    remote.models["res.partner"][0]["comment"] = "<p>one</p>"
    assert pages(OdooBackend(remote))[0].records[0].values["note"] == "<p>one</p>"
    remote.types["comment"] = "html"
    assert pages(OdooBackend(remote))[0].records[0].values["note"] == "one"


def test_countries_are_read_once_a_sweep_and_only_if_needed(remote):
    for row in remote.models["res.partner"]:
        row["country_id"] = 5
    found = pages(OdooBackend(remote))
    assert found[2].records[0].values["address"]["country_code"] == "GR"
    assert [method for model, method, _ in remote.asked if model == "res.country"] == ["read"]


def test_an_app_that_is_not_installed_leaves_its_entities_out(remote):
    remote.missing_models = {"sale.order"}
    backend = OdooBackend(remote)
    assert "order" not in [entity.name for entity in backend.entities()]
    assert "invoice" in [entity.name for entity in backend.entities()]
    failed = [result for result in backend.check() if not result.ok and result.name != "clock"]
    assert [result.name for result in failed] == ["app Sales"]
    assert "order records are left out" in failed[0].message


def test_fates(remote):
    class Hidden(Remote):
        def _exists(self, model, rows, ids, *, context):
            return "res.partner(1, 30)"  # as newer versions tell it

    backend = OdooBackend(Hidden(res_partner=[partner(1)], **COMPANY))
    assert backend.fates("customer", ["1", "2", "30"]) == {
        "1": "outside",
        "2": "deleted",
        "30": "unreadable",
    }


def test_fates_where_odoo_may_not_be_asked_what_exists():
    """Odoo 19 keeps ``exists`` to itself; a read refuses what is hidden and skips what is gone."""

    class Closed(Remote):
        hidden = frozenset({30, 31})

        def _exists(self, model, rows, ids, *, context):
            raise FatalSyncError("private", code=RIGHT_MISSING, details={"model": model})

        def _read(self, model, rows, ids, fields, *, load, context):
            if self.hidden & set(ids):
                raise FatalSyncError("no", code=RIGHT_MISSING, details={"model": model})
            return super()._read(model, rows, ids, fields, load=load, context=context)

    closed = Closed(res_partner=[{**partner(1), "write_date": False}], **COMPANY)
    backend = OdooBackend(closed)
    for _ in range(2):
        assert backend.fates("customer", ["1", "2", "3", "30", "31"]) == {
            "1": "outside",
            "2": "deleted",
            "3": "deleted",
            "30": "unreadable",
            "31": "unreadable",
        }
    assert [method for _, method, _ in closed.asked].count("exists") == 1


def test_names_where_their_table_is_closed():
    """Odoo tells plain users one external id of a record they know."""

    class Closed(Remote):
        def _get_external_id(self, model, rows, ids, *, context):
            names = ("crm_us.customer_a", "base.another", "")
            return dict(zip(map(str, ids), names, strict=True))

    closed = Closed(res_partner=[partner(number) for number in (1, 2, 3)], **COMPANY)
    closed.closed = {"ir.model.data"}
    told = OdooBackend(closed).names("customer", ["1", "2", "3"], "crm_us.")
    assert told == {"1": "crm_us.customer_a"}


def test_nothing_is_asked_in_a_language_that_odoo_lacks(remote):
    """Odoo 18 and later refuse such a call, whatever it asks."""
    remote.models["res.lang"] = []
    results = OdooBackend(remote, language="tlh_QO").check()
    assert [result.name for result in results] == ["version", "clock", "language"]
    assert not results[-1].ok
    assert {model for model, _, _ in remote.asked} <= {"mail.message", "res.lang"}


def test_the_clock_is_asked_once_and_counted_on(remote):
    backend = OdooBackend(remote)
    first, second = backend.server_time(), backend.server_time()
    assert datetime(2026, 3, 1, 10, tzinfo=UTC) <= first <= second
    assert remote.calls == 1


def test_entities_come_before_what_refers_to_them():
    names = [mapping.name for mapping in ENTITIES]
    for earlier, later in (("user", "customer"), ("tag", "customer"), ("customer", "address"),
                           ("address", "order"), ("product", "order"), ("payment", "invoice"),
                           ("order", "invoice"), ("currency", "product")):  # fmt: skip
        assert names.index(earlier) < names.index(later)


def test_the_digest_follows_the_mapping(remote):
    def digests(**changes):
        found = OdooBackend(remote, **changes).entities()
        return {entity.name: entity.mapping_digest for entity in found}

    assert digests() == digests()
    assert digests()["customer"] != digests(customer_domain=())["customer"]
    assert digests()["product"] != digests(language="pl_PL")["product"]


def test_the_digest_is_the_same_in_every_process(remote):
    script = (
        "from test_backend import *\n"
        "remote = Remote(res_partner=[], **COMPANY)\n"
        "print([entity.mapping_digest for entity in OdooBackend(remote).entities()])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout
        for _ in range(2)
    }
    assert len(told) == 1


def test_rights_are_asked_the_new_way_where_the_old_is_gone(remote):
    class Newer(Remote):
        def _check_access_rights(self, model, rows, deed, *, raise_exception):
            raise RecordSyncError("gone", details={"error": "builtins.AttributeError"})

        def _has_access(self, model, rows, ids, deed):
            return deed == "write"

    backend = OdooBackend(Newer(res_partner=[], **COMPANY))
    with pytest.raises(FatalSyncError) as caught:
        backend.writable("customer")
    assert caught.value.code == RIGHT_MISSING
    assert backend.writable("order") == frozenset()


def test_remote_names_are_well_formed():
    for mapping in ENTITIES:
        names = [name for field in mapping.fields for name in field.remotes]
        assert all(field.isidentifier() for field in remote_fields(names))


def test_what_this_odoo_does_not_have_is_not_written() -> None:
    """A plugin's entity without a mapping, and one whose app is not installed."""
    remote = Remote(**COMPANY)
    remote.missing_models.add("crm.lead")
    backend = OdooBackend(remote, mappings=ALL)
    assert backend.writable("loyalty_card") == frozenset()
    assert backend.writable("sales_opportunity") == frozenset()
