"""Fixtures every test may use: those that plugins get too, under short names."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, make_url

import postgres
from crm_core.access import Actor
from crm_core.persistence.database import Database

pytest.register_assert_rewrite("access_walk")
pytest_plugins = ["crm_core.testing.fixtures"]
settings.register_profile(
    "usual",
    deadline=None,  # how long an example takes says how busy the machine is
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,  # what lands is not a matter of luck; `make nightly` draws others each time
)
settings.load_profile("usual")
settings.register_profile(
    "nightly", settings.get_profile("usual"), max_examples=1_000, derandomize=False
)


@pytest.fixture(scope="session")
def crm_postgres_server() -> URL:
    """The PostgreSQL server for tests; without one they are left out, but not in CI."""
    running = postgres.status()
    url = os.environ.get("CRM_TEST_POSTGRES_URL") or (running["url"] if running["up"] else None)
    if url is None:
        reason = "no PostgreSQL: run make services"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return make_url(str(url))


@pytest.fixture(params=["sqlite", "postgresql"])
def crm_database_url(request: pytest.FixtureRequest) -> URL:
    """URL of an empty database of each kind in turn."""
    kind = "crm_sqlite_url" if request.param == "sqlite" else "crm_postgres_url"
    url: URL = request.getfixturevalue(kind)
    return url


@pytest.fixture(scope="session")
def sqlite_template(crm_sqlite_template: Path) -> Path:
    """An empty, migrated SQLite file that tests copy."""
    return crm_sqlite_template


@pytest.fixture(scope="session")
def postgres_server(crm_postgres_server: URL) -> URL:
    """The PostgreSQL server for tests."""
    return crm_postgres_server


@pytest.fixture
def sqlite_database(crm_sqlite_url: URL) -> Iterator[Database]:
    """An empty SQLite database of this test's own, without plugins."""
    yield from _opened(crm_sqlite_url)


@pytest.fixture
def postgres_database(crm_postgres_url: URL) -> Iterator[Database]:
    """An empty PostgreSQL database of this test's own, without plugins."""
    yield from _opened(crm_postgres_url)


@pytest.fixture
def database(crm_database_url: URL) -> Iterator[Database]:
    """An empty database of each kind in turn, without plugins."""
    yield from _opened(crm_database_url)


def _opened(url: URL) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def system(crm_system: Actor) -> Actor:
    """The system as the actor."""
    return crm_system


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``cert.pem`` for 127.0.0.1, which is its own authority, and ``key.pem``."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now, day = datetime.now(UTC), timedelta(days=1)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(built.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder
