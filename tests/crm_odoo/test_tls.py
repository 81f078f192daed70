"""Encrypted connections: verified against a CA, refused without."""

from __future__ import annotations

import ssl

import pytest

from crm_core.errors import FatalSyncError


@pytest.fixture
def encrypted(fake_odoo, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    fake_odoo.encrypt(context)
    return fake_odoo


def test_a_known_ca_is_trusted(connect, encrypted, certificate):
    transport = connect(
        url=f"https://127.0.0.1:{encrypted.port}", ca_file=str(certificate / "cert.pem")
    )
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]
    assert encrypted.connections == 1


def test_an_unknown_one_is_refused_at_once(connect, encrypted):
    with pytest.raises(FatalSyncError) as caught:
        connect(url=f"https://127.0.0.1:{encrypted.port}").execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.certificate"
    assert "ca-file" in caught.value.message
    assert encrypted.asked == []


def test_another_name_is_refused(connect, encrypted, certificate):
    with pytest.raises(FatalSyncError) as caught:
        connect(
            url=f"https://localhost:{encrypted.port}", ca_file=str(certificate / "cert.pem")
        ).execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.certificate"
