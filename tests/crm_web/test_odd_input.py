"""What no form sends: refused with a reason, and never with a page that broke."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
LONG = "9" * 5_000


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:00:00+00:00",
        "0001-01-01T00:00:00+00:00",
    ],
)
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_moments_at_the_ends_of_time(office, web, moment, zone):
    browser, id_ = web("employee"), office.customer("employee")
    browser.post("/account/preferences", {"time_zone": zone, "theme": "auto"})
    for module in ("document", "activity", "interaction", "loyalty"):
        place = json.dumps([moment, module, str(uuid4())]).encode()
        cursor = base64.urlsafe_b64encode(place).decode().rstrip("=")
        assert browser.get(f"/customers/{id_}/timeline?cursor={cursor}").status < 500
    for bound in ("since", "until"):
        told = moment.replace("+", "%2B")
        for module in ("", "&module=document", "&modules=document"):
            path = f"/api/v1/customers/{id_}/timeline?{bound}={told}{module}"
            assert browser.call("GET", path).status < 500
        assert browser.get(f"/customers/{id_}/timeline?{bound}={moment[:10]}").status < 500


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_days_at_the_ends_of_time_in_the_audit(web, zone):
    browser = web("admin")
    browser.post("/account/preferences", {"time_zone": zone, "theme": "auto"})
    for name in ("since", "until"):
        for day in ("0001-01-01", "9999-12-31"):
            assert browser.get(f"/admin/audit/?{name}={day}").status == 200, (name, day)
    page = browser.get("/admin/audit/?until=9999-12-31&since=0001-01-01")
    assert "not sealed yet" in page.words, "all entries lie between"


@pytest.mark.parametrize("depth", [60, 1_000, 5_000])
@pytest.mark.parametrize("shape", ["[]", "{}"])
def test_json_that_is_nested_too_deeply(web, depth, shape):
    browser = web("employee")
    inner = "[" * depth + "]" * depth if shape == "[]" else '{"a":' * depth + "1" + "}" * depth
    for body in (inner, f'{{"name": {inner}}}'):
        page = browser._asked(
            "POST",
            "/api/v1/customers",
            data=body,
            headers={"X-CSRF-Token": browser.csrf, "Content-Type": "application/json"},
        )
        assert page.status == 400, page.html
        assert json.loads(page.html)["code"] == "web.api.json"


def test_numbers_that_are_none(office, web):
    browser = web("manager")
    assert browser.get(f"/customers/?edit={LONG}&add=name&name=is:x").status == 200
    assert browser.get("/customers/?edit=0&add=name&name=is:x").status == 200
    assert browser.get(f"/customers/?created=after:today-{LONG}").status < 500
    pair = f"{office.customer('manager')}/merge/{office.customer('employee')}"
    for version in (LONG, "x"):
        page = browser.post(f"/customers/{pair}", {"version": version})
        assert page.status == 412, page.words
    admin = web("admin")
    for number in (2**63, 2**70):
        assert admin.post(f"/admin/work/deliveries/{number}", {}).status == 404


def test_a_picture_of_what_is_too_long_is_left_out(web):
    browser = web("employee")
    browser.post("/account/second-factor", {})
    sent = {"uri": "x" * 5_000, "secret": "ABC", "code": "1"}
    page = browser.post("/account/second-factor/confirm", sent)
    assert page.status == 401
    assert "<svg" not in page.html.partition("Picture for the app")[2].partition("</div>")[0]


@pytest.mark.parametrize("text", ["[" * 2_900, "[" * 100_000, '{"a":1}', "[[1]]"])
def test_a_bent_cookie_of_notices_is_left_unread(web, text):
    browser = web("employee")
    browser.client.set_cookie("crm_notices", base64.urlsafe_b64encode(text.encode()).decode())
    assert browser.get("/").status == 200


def test_a_frame_that_breaks_leaves_the_words(office, web, monkeypatch):
    def breaks(*_args, **_kwargs):
        raise RuntimeError("the secret is swordfish")

    written = []
    monkeypatch.setattr("crm_web.problems.write_log", written.append)
    monkeypatch.setitem(office.app.jinja_env.globals, "icon", breaks)
    browser = web("employee")
    for path, status, told in (
        ("/", 500, "Something broke on our side"),
        ("/nowhere", 404, "There is no such page"),
    ):
        page = browser.get(path)
        assert (page.status, told in page.words) == (status, True), page.html
        assert "swordfish" not in page.html
    assert "swordfish" in str(written), "it was written down"
