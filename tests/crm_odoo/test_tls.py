"""Encrypted connections: verified against a CA, refused without."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl

import pytest

from crm_core.errors import FatalSyncError

x509 = pytest.importorskip("cryptography.x509", reason="cryptography makes the certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(built.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


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
