"""What options are refused, in words."""

from __future__ import annotations

import pytest

from crm_core.errors import ConfigurationError, CrmError, InputError
from crm_odoo.mappings.domains import DEFAULT_CUSTOMER_DOMAIN
from crm_odoo.plugin import crm_register_backend_types, manifest
from crm_odoo.settings import connection_settings, customer_domain, open_backend

GOOD = {"url": "https://erp.example.com", "database": "shop", "login": "bot"}


def test_what_was_given_arrives():
    found = connection_settings({**GOOD, "timeout_seconds": "7"}, " pässword\n")
    assert (found.host, found.port, found.secure) == ("erp.example.com", 443, True)
    assert (found.read_seconds, found.connect_seconds) == (7.0, 7.0)
    assert found.secret == "pässword"
    assert "pässword" not in repr(found)


@pytest.mark.parametrize(("url", "told"), [
    ("http://localhost:8069/", "http://localhost:8069"),
    ("http://127.0.0.1:8069", "http://127.0.0.1:8069"),
    ("http://[::1]:8069", "http://[::1]:8069"),
    ("https://ERP.example.com:444", "https://erp.example.com:444"),
])  # fmt: skip
def test_good_addresses(url, told):
    assert connection_settings({**GOOD, "url": url}, "x").url == told


@pytest.mark.parametrize(("changes", "code"), [
    ({"url": "http://erp.example.com"}, "odoo.plain_http"),
    ({"url": "erp.example.com"}, "odoo.url"),
    ({"url": ""}, "odoo.url"),
    ({"url": "ftp://erp.example.com"}, "odoo.url"),
    ({"url": "https://erp.example.com/web"}, "odoo.url"),
    ({"url": "https://erp.example.com:port"}, "odoo.url"),
    ({"url": "https://me:s3cr3t@erp.example.com"}, "odoo.url"),
    ({"database": " "}, "odoo.option_missing"),
    ({"login": ""}, "odoo.option_missing"),
    ({"timeout_seconds": "soon"}, "odoo.timeout"),
    ({"timeout_seconds": "0"}, "odoo.timeout"),
    ({"ca_file": "/no/such/file.pem"}, "odoo.ca_file"),
])  # fmt: skip
def test_bad_options(changes, code):
    with pytest.raises(InputError) as caught:
        connection_settings({**GOOD, **changes}, "x")
    assert caught.value.code == code
    assert "s3cr3t" not in str(caught.value)


def test_plain_http_only_on_purpose():
    options = {**GOOD, "url": "http://10.0.0.5:8069", "allow_plain_http": "yes"}
    assert connection_settings(options, "x").url == "http://10.0.0.5:8069"


@pytest.mark.parametrize("secret", [None, "", "  "])
def test_no_secret(secret):
    with pytest.raises(ConfigurationError):
        connection_settings(GOOD, secret)


def test_customer_domain():
    assert customer_domain(None) == customer_domain(" ") == DEFAULT_CUSTOMER_DOMAIN
    found = customer_domain('["|", ["customer_rank", ">", 0], ["id", "not in", "$internal_users"]]')
    assert found == ("|", ("customer_rank", ">", 0), ("id", "not in", "$internal_users"))


@pytest.mark.parametrize("text", ["{", "{}", '"x"', '[["a", "="]]', "[1]", '[[1, "=", 1]]'])
def test_bad_customer_domain(text):
    with pytest.raises(CrmError) as caught:
        customer_domain(text)
    assert caught.value.code == "odoo.customer_domain"


def test_opening_sends_nothing():
    assert open_backend(GOOD, "x").calls == 0


def test_the_plugin_offers_odoo():
    (kind,) = crm_register_backend_types()
    assert (manifest.name, kind.name, kind.needs_secret) == ("odoo", "odoo", True)
    assert {option.name for option in kind.options if option.required} == set(GOOD)
