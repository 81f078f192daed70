"""What every plugin has to be, as far as this one is like others.

Its layers stand in the contract "Inside crm_web"; and some of its services are for oneself alone,
for which nobody needs a right.
"""

from __future__ import annotations

import pytest

from crm_core.errors import PermissionDeniedError
from crm_core.persistence.unit_of_work import unit_of_work
from crm_core.services.users import add_user
from crm_core.testing.factories import make_actor
from crm_core.testing.plugin_suite import PluginSuite
from crm_core.testing.sample_values import sample_arguments
from crm_web.services.passwords import set_password
from crm_web.services.throttle import count_attempt, counted_login
from crm_web.services.webhooks import add_webhook

FOR_ONESELF = {
    *("begin_second_factor", "confirm_second_factor", "remove_second_factor"),
    *("renew_recovery_codes", "second_factor_state", "take_code", "store_password"),
    *("advance_session", "next_step", "close_sessions_of", "end_session", "list_sessions"),
    *("list_tokens", "revoke_token", "claim_reply", "keep_reply", "release_reply"),
}
"""Scoped to one's own rows; of others' nothing is found."""
NO_RECORDS = {
    *("seal", "unseal", "note", "find_provider", "the_provider", "secret_of"),
    "is_factor_demanded",
}
"""What services are made of: they read settings and keys, or are given what they work on."""


class TestPlugin(PluginSuite):
    plugin = "web"
    test_imports_only_what_it_may = None

    def use(self, uow):
        add_user(uow, "eleni")
        set_password(uow, "eleni", "seventeen blue herons")
        count_attempt(uow, counted_login("eleni"))
        add_webhook(uow, "desk", "https://hooks.example.com/", ["*"])

    def test_services_ask_for_a_right(self, enabled, code):
        services = code.services()
        assert services.keys() >= FOR_ONESELF | NO_RECORDS
        for name in services.keys() - FOR_ONESELF - NO_RECORDS:
            with (
                unit_of_work(enabled.database, actor=make_actor(), write=True) as uow,
                pytest.raises(PermissionDeniedError) as caught,
            ):
                services[name](uow, **sample_arguments(services[name]))
            assert caught.value.details["right"] in enabled.plugins.rights, name
