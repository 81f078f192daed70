"""What plugins name in ``crm_register_web``: put together, or left out with the reason."""

from __future__ import annotations

import pytest

from crm_hooks.contributions import WebModule
from crm_web.app import create_app
from crm_web.sdk import Api

ALIEN = Api("alien", title="Alien", prefix="/customers")


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (WebModule("bad.api", api="crm_web.nothing_there:api"), "nothing_there"),
        (WebModule("bad.api", api="crm_web.sdk.api:Flag"), "is no crm_web.sdk.Api"),
        (WebModule("alien.api", api=f"{__name__}:ALIEN"), "must be called alien"),
    ],
)
def test_a_module_that_does_not_fit_is_left_out(office, token, module, reason, monkeypatch):
    call = token("employee")
    found = {**office.application.plugins.web_modules, module.name: module}
    monkeypatch.setitem(vars(office.application.plugins), "web_modules", found)
    app = create_app(office.application)
    assert reason in app.extensions["crm"].faults[module.name.partition(".")[0]]
    headers = {"Authorization": f"Bearer {call.token}"}
    assert app.test_client().get("/api/v1/customers", headers=headers).status_code == 200
