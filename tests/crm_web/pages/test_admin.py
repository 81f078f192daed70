"""Administration: users, roles, back offices, plugins, settings, audit, background work."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm_core.access import Reach
from crm_core.entities.customer import Customer
from crm_core.entities.mail import QueuedMail
from crm_core.entities.outbox import Delivery, OutboxEvent
from crm_core.entities.plugin import JobRun
from crm_core.entities.sync import Backend
from crm_core.entities.user import User
from crm_core.services.backends import add_backend
from crm_core.services.customers import edit_customer
from crm_core.services.roles import add_role
from crm_core.services.settings import EDIT, load_settings
from crm_core.services.users import grant_role
from crm_web.settings import SETTINGS

PAGES = (
    "/admin/users",
    "/admin/users/teams",
    "/admin/roles",
    "/admin/roles?role=employee",
    "/admin/back-offices",
    "/admin/back-offices/add?kind=files",
    "/admin/plugins",
    "/admin/settings",
    "/admin/audit",
    "/admin/work",
    "/admin/work/deliveries",
    "/admin/work/mail",
)
SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens_with_few_queries(office, web, path):
    page = web("admin").get(path)
    assert page.status == 200
    assert len(page.queries) <= 15, page.queries


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("login", ["manager", "employee", "readonly", "outsider"])
def test_nobody_else_opens_any_or_sees_an_entry_of_the_menu(office, web, login):
    browser, before = web(login), office.rows()
    assert not [link for link in browser.get("/").links if link.startswith("/admin")]
    for path in PAGES:
        assert browser.get(path).status == 403, path
    forms = "users/add users/teams roles/add back-offices/add settings audit/verify work/mail"
    for path in (*forms.split(), "work/deliveries", "plugins/web/disable"):
        assert browser.post(f"/admin/{path}").status == 403, path
    assert office.rows() == before


def test_a_user_is_added_with_roles_and_may_be_switched_off(office, web):
    admin = web("admin")
    sent = {"login": "dora", "name": SCRIPT, "email": "dora@example.com", "role": "employee"}
    page = admin.follow(admin.post("/admin/users/add", sent))
    assert SCRIPT not in page.html
    assert page.form(page.all("main//form")[-1].get("action")) is not None
    user_id = office.read(lambda uow: uow.scalar(select(User.id).where(User.login == "dora")))
    admin.post(f"/admin/users/{user_id}/roles", {"role": ["manager", "readonly"]})
    assert set(office.actor("dora").rights) >= {"core.customer.merge"}
    admin.post(f"/admin/users/{user_id}/switch", {"on": "false"})
    assert office.read(lambda uow: uow.get(User, user_id).is_enabled) is False


def test_a_user_that_cannot_be_is_typed_again(office, web):
    admin, before = web("admin"), office.rows()
    page = admin.post("/admin/users/add", {"login": "two words", "email": "x@example.com"})
    assert page.status in (400, 422)
    assert "x@example.com" in page.html
    assert admin.post("/admin/users/add", {"login": "manager"}).status == 409
    assert office.rows() == before


def test_the_last_administrator_stays(office, web):
    admin, before = web("admin"), office.rows()
    user_id = office.known.users["admin"]
    assert admin.post(f"/admin/users/{user_id}/roles", {"role": "readonly"}).status >= 400
    assert admin.post(f"/admin/users/{user_id}/switch", {"on": "false"}).status >= 400
    assert office.rows() == before


def test_what_somebody_sees_is_told_with_the_reason(office, web):
    admin, user_id = web("admin"), office.known.users["outsider"]
    theirs, foreign = office.customer("outsider"), office.customer("employee")
    ask = f"/admin/users/{user_id}/access?right=core.customer.edit&customer="
    assert "Yes." in admin.get(f"{ask}{theirs}").words
    assert "No." in admin.get(f"{ask}http://localhost/customers/{foreign}").words
    assert "Give the address" in admin.get(f"{ask}nonsense").words


def test_sessions_of_others_are_ended(office, web):
    employee = web("employee")
    assert employee.get("/").status == 200
    web("admin").post(f"/admin/users/{office.known.users['employee']}/sign-out")
    assert employee.get("/").location.startswith("/account/sign-in")


def test_teams_are_made_and_filled(office, web):
    admin = web("admin")
    admin.post("/admin/users/teams", {"what": "add", "team": "Ομάδα"})
    admin.post("/admin/users/teams", {"what": "put", "team": "Ομάδα", "login": "readonly"})
    page = admin.get("/admin/users/teams")
    assert "Ομάδα" in page.words
    assert admin.post("/admin/users/teams", {"what": "add", "team": "Ομάδα"}).status == 409


def test_how_far_a_right_reaches_is_changed(office, web):
    admin = web("admin")
    form = admin.get("/admin/roles?role=readonly").form("/admin/roles/readonly/rights")
    assert form["core.customer.view"] == "all"
    admin.post(
        "/admin/roles/readonly/rights",
        {**form, "core.customer.view": "team", "core.customer.export": "own"},
    )
    rights = office.actor("readonly").rights
    assert rights["core.customer.view"].name == "TEAM"
    assert rights["core.customer.export"].name == "OWN"
    before = office.rows()
    assert admin.post("/admin/roles/readonly/rights", {"core.customer.view": "x"}).status == 422
    assert office.rows() == before


def test_a_role_is_made_like_another(office, web):
    admin = web("admin")
    admin.post("/admin/roles/add", {"code": "clerk", "name": "Υπάλληλος", "like": "employee"})
    page = admin.get("/admin/roles?role=clerk")
    assert page.form("/admin/roles/clerk/rights")["core.customer.edit"] == "team"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_back_office_is_added_changed_and_taken_away(office, web, tmp_path):
    admin = web("admin")
    sent = {"kind": "files", "name": "erp", "path": str(tmp_path)}
    page = admin.post("/admin/back-offices/add", sent)
    assert page.location == "/admin/back-offices/of/erp"
    assert admin.post("/admin/back-offices/add", sent).status == 409
    form = admin.get("/admin/back-offices/of/erp").form("/admin/back-offices/of/erp")
    assert form["path"] == str(tmp_path)
    admin.post("/admin/back-offices/of/erp", {**form, "page_size": "50"})
    assert office.read(lambda uow: uow.scalar(select(Backend)).config["page_size"]) == "50"
    before = office.rows()
    assert admin.post("/admin/back-offices/of/erp", {**form, "page_size": "ten"}).status == 422
    admin.post("/admin/back-offices/of/erp/remove", {"again": "erpp"})
    assert office.rows() == before
    admin.post("/admin/back-offices/of/erp/remove", {"again": "erp"})
    assert office.read(lambda uow: uow.scalar(select(Backend))) is None


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_secret_is_kept_outside_and_never_shown(office, web, monkeypatch, tmp_path):
    from crm_core import secret_refs
    from crm_core.errors import ConfigurationError

    def none(*_args):
        raise ConfigurationError("no keyring")

    monkeypatch.setattr(secret_refs, "store_in_keyring", none)
    sent = {
        "kind": "odoo",
        "name": "erp",
        "url": "https://erp.example",
        "database": "shop",
        "login": "api",
        "secret_password": "s3cret-of-erp",
    }
    admin = web("admin")
    page = admin.follow(admin.post("/admin/back-offices/add", sent))
    assert "s3cret" not in page.html
    reference = office.read(lambda uow: uow.scalar(select(Backend)).secret_ref)
    assert reference.startswith("file:")
    assert secret_refs.read_secret(reference, "erp") == "s3cret-of-erp"
    assert secret_refs.secret_warnings(reference) == []
    assert "s3cret" not in str(office.rows())

    path = "/admin/back-offices/of/erp"
    form, before = admin.get(path).form(path), office.rows()
    for elsewhere in (
        {"url": "https://evil.example"},
        {"database": "other"},
        {"login": "root"},
        {"ca_file": str(tmp_path)},
        {"allow_plain_http": "yes"},
    ):
        page = admin.post(path, {**form, **elsewhere})
        assert page.status == 422, elsewhere
        assert "type the password or key again" in page.words
    assert office.rows() == before
    assert admin.post(path, {**form, "language": "el_GR", "page_size": "50"}).status == 303
    moved = {**form, "url": "https://new.example", "secret_password": "s3cret-of-new"}
    assert admin.post(path, moved).status == 303
    config = office.read(lambda uow: uow.scalar(select(Backend)).config)
    assert config["url"] == "https://new.example"
    assert secret_refs.read_secret(reference, "erp") == "s3cret-of-new"


def test_settings_are_saved_together_or_not_at_all(office, web):
    admin = web("admin")
    form = admin.get("/admin/settings").form("/admin/settings")
    before = office.rows()
    page = admin.post("/admin/settings", {**form, "company": "Νέα ΑΕ", "time_zone": "Mars/Base"})
    assert page.status == 422
    assert "Νέα ΑΕ" in page.html
    assert office.rows() == before
    admin.post("/admin/settings", {**form, "company": f"Νέα {SCRIPT}", "time_zone": "Asia/Tehran"})
    settings = office.read(load_settings)
    assert (settings.company, settings.time_zone) == (f"Νέα {SCRIPT}", "Asia/Tehran")
    assert SCRIPT not in admin.get("/admin/settings").html


@pytest.mark.parametrize("kind", ["sqlite"])
def test_settings_that_guard_the_way_in_ask_for_their_own_right(office, web):
    def narrow(uow):
        add_role(uow, "clerk", name="Clerk", rights={EDIT: Reach.ALL})
        uow.flush()
        grant_role(uow, "employee", "clerk")

    office.write(narrow)
    clerk = web("employee")
    form = clerk.get("/admin/settings").form("/admin/settings")
    assert "company" in form
    assert not [name for name in form if name.startswith("web.")]
    guarded = {each.name: each.right for each in SETTINGS}
    assert set(guarded.values()) == {"web.user.manage_access", "web.webhook.manage"}
    before = office.rows()
    for name in guarded:
        assert clerk.post("/admin/settings", {**form, name: "8"}).status == 403, name
        changed = clerk.call("PUT", f"/api/v1/settings/{name}", {"value": "8"})
        assert changed.status == 403, name
    assert office.rows() == before
    assert clerk.post("/admin/settings", {**form, "company": "Other"}).status == 303
    assert "web.base_url" in web("admin").get("/admin/settings").form("/admin/settings")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_whoever_keeps_the_users_makes_nobody_an_administrator(office, web):
    def narrow(uow):
        add_role(uow, "people", name="People", rights={"core.user.manage": Reach.ALL})
        uow.flush()
        grant_role(uow, "readonly", "people")

    office.write(narrow)
    keeper, before = web("readonly"), office.rows()
    own = office.known.users["readonly"]
    page = keeper.post(f"/admin/users/{own}/roles", {"role": ["admin", "people", "readonly"]})
    assert page.status == 403
    assert "further than their own" in page.words
    added = {"login": "mallory", "email": "mallory@example.com", "role": "admin"}
    assert keeper.post("/admin/users/add", added).status == 403
    assert keeper.post("/admin/users/teams", {"team": "South", "login": "employee"}).status == 403
    assert office.rows() == before


def test_the_audit_is_searched_and_verified(office, web):
    admin = web("admin")
    admin.post(f"/admin/users/{office.known.users['readonly']}/switch", {"on": "false"})
    page = admin.get("/admin/audit?login=admin&entity=user&action=update")
    assert "is enabled" in page.words
    reader = office.known.users["readonly"]
    admin.post(f"/admin/users/{reader}/roles", {"role": "employee"})
    told = admin.get("/admin/audit?entity=user_role").texts("tbody/tr")[0]
    assert "Rod Readonly" in told
    assert str(reader) not in told
    assert not admin.get("/admin/audit?login=nobody").all("tbody/tr")
    assert "no day" in admin.get("/admin/audit?since=2026-02-31").words
    told = admin.follow(admin.post("/admin/audit/verify")).words
    assert re.search(r"The chain of \d+ entr\w+ is whole", told)


@pytest.mark.parametrize("language", ["en", "fa"])
def test_no_text_that_looks_like_a_moment_breaks_the_audit(office, web, language):
    moments = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0300-01-01T00:00:00Z")
    texts = (
        *moments,
        "2026-01-01T",
        "T",
        "2026-W01-1T10+00:00",
        "0001-01-01T00:00+00:00:00.000001",
    )
    for text in texts:
        office.write(lambda uow, text=text: edit_customer(uow, _anybody(uow), {"name": text}))
    admin = web("admin")
    admin.post("/account/preferences", {"language": language, "theme": "auto"})
    page = admin.get("/admin/audit?entity=customer")
    assert page.status == 200
    assert all(text in page.words for text in moments[:2]), "no zone has such a moment"


def _anybody(uow):
    return uow.scalar(select(Customer.id).order_by(Customer.id).limit(1))


def test_plugins_are_told_of_and_switched(office, web):
    admin = web("admin")
    assert "CSV folder" in admin.get("/admin/plugins").words
    admin.post("/admin/plugins/files/disable")
    found = admin.get("/admin/plugins")
    assert [f.get("action") for f in found.all("form") if f.get("action").endswith("files/enable")]
    admin.post("/admin/plugins/files/enable")
    assert admin.post("/admin/plugins/nothing/enable").status == 404


def test_a_job_is_asked_for(office, web):
    jobs = office.application.plugins.jobs
    name = next(iter(jobs))
    office.write(
        lambda uow: uow.add(
            JobRun(name=name, started_at=uow.now, finished_at=uow.now, error=SCRIPT)
        )
    )
    admin = web("admin")
    assert SCRIPT not in admin.get("/admin/work").html
    admin.post(f"/admin/work/jobs/{name}")
    assert office.read(lambda uow: uow.find(JobRun, name)) is None


def test_a_delivery_that_was_given_up_is_tried_again_or_left_out(office, web):
    def fill(uow):
        event = uow.add(
            OutboxEvent(
                at=uow.now,
                name="x",
                version=1,
                payload={},
                actor_login="a",
                origin="cli",
                dispatched_at=uow.now,
            )
        )
        uow.flush()
        uow.add(
            Delivery(
                outbox_id=event.id,
                handler="web.webhooks",
                state="dead",
                attempts=9,
                done_at=uow.now,
                error=SCRIPT,
            )
        )

    office.write(fill)
    admin = web("admin")
    page = admin.get("/admin/work/deliveries?state=dead")
    assert SCRIPT not in page.html
    (action,) = [f.get("action") for f in page.all("tbody//form")]
    admin.post(action, {"what": "retry"})
    states = office.read(lambda uow: set(uow.scalars(select(Delivery.state))))
    assert "dead" not in states
    admin.post(action, {"what": "drop"})
    assert "dropped" in office.read(lambda uow: set(uow.scalars(select(Delivery.state))))


def test_a_mail_that_waits_is_sent_at_once(office, web):
    def fill(uow):
        uow.add(
            QueuedMail(
                to_address="x@example.com",
                subject=SCRIPT,
                text="secret words",
                kind="test",
                made_at=uow.now,
                next_at=uow.now + timedelta(hours=1),
                expires_at=uow.now + timedelta(days=1),
            )
        )

    office.write(fill)
    admin = web("admin")
    page = admin.get("/admin/work/mail")
    assert SCRIPT not in page.html
    assert "secret words" not in page.html
    (action,) = [f.get("action") for f in page.all("tbody//form")]
    admin.post(action)
    assert office.read(lambda uow: uow.scalar(select(QueuedMail.next_at)) <= uow.now)


@pytest.mark.parametrize("tail", ["", "/access", "/access?right=core.customer.edit"])
def test_the_pages_of_a_user_are_light(office, web, tail):
    page = web("admin").get(f"/admin/users/{office.known.users['employee']}{tail}")
    assert page.status == 200
    assert len(page.queries) <= 15, page.queries


def test_a_back_office_of_a_plugin_that_is_off_is_still_listed(office, web):
    office.write(
        lambda uow: add_backend(uow, name="old", type_name="gone", config={}, secret_ref=None)
    )
    assert "its plugin is off" in web("admin").get("/admin/back-offices").words
