"""The transport against a server that misbehaves: what is tried again, and what people read."""

from __future__ import annotations

import logging
import socket
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from crm_core.errors import FatalSyncError, RecordSyncError, RetryableSyncError, SyncError
from crm_odoo.transport import circuit
from crm_odoo.transport.circuit import Circuit


def test_a_call_goes_through_with_what_the_login_told(connect, fake_odoo):
    transport = connect()
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]
    assert transport.server_version == "14.0"
    assert transport.user_id == 7
    assert transport.user_language == "el_GR"
    assert transport.server_date is not None
    assert fake_odoo.asked == [("res.partner", "search")]
    assert fake_odoo.bound == 1


def test_nothing_is_sent_before_the_first_call(connect, fake_odoo):
    transport = connect()
    assert transport.calls == 0
    assert fake_odoo.connections == 0


def test_one_connection_serves_all_calls(connect, fake_odoo):
    transport = connect()
    for _ in range(5):
        transport.execute("res.partner", "search", [])
    assert fake_odoo.connections == 1
    assert transport.calls == 4 + 5  # version, binding, login, context


def test_a_server_that_hangs_up_after_each_answer_is_served_too(connect, fake_odoo):
    fake_odoo.keeps_alive = False
    transport = connect()
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]


def impatient(transport, seconds=3):
    """Sign in, and be patient with one answer no longer than this: later ones may take theirs."""
    assert transport.server_version
    transport._opener._connection.sock.settimeout(seconds)
    return transport


@pytest.mark.parametrize("trouble", ["hang", "drop"])
def test_a_reading_call_is_tried_again(connect, fake_odoo, misbehaviour, trouble):
    transport = impatient(connect())
    fake_odoo.next.extend([getattr(misbehaviour, trouble), [9]])
    assert transport.execute("res.partner", "search", []) == [9]


@pytest.mark.parametrize("trouble", ["hang", "drop"])
def test_a_writing_call_whose_outcome_is_unknown_is_not(connect, fake_odoo, misbehaviour, trouble):
    transport = impatient(connect())
    fake_odoo.next.extend([getattr(misbehaviour, trouble), [9]])
    with pytest.raises(RetryableSyncError) as caught:
        transport.execute("res.partner", "write", [1], {"name": "x"})
    assert caught.value.details["outcome"] == "unknown"
    assert fake_odoo.asked_so_far(1) == [("res.partner", "write")]


def test_what_odoo_rolled_back_is_tried_again_even_when_it_writes(connect, fake_odoo, misbehaviour):
    transport = connect()
    busy = misbehaviour.fault("psycopg2.errors.SerializationFailure")
    fake_odoo.next.extend([busy, True])
    assert transport.execute("res.partner", "write", [1], {}) is True


def test_it_gives_up_after_some_attempts(connect, fake_odoo, misbehaviour):
    transport = connect(attempts=3, read_seconds=2.5)
    fake_odoo.next.extend([misbehaviour.hang] * 3)
    with pytest.raises(RetryableSyncError) as caught:
        transport.execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.timeout"
    assert "2.5 seconds" in caught.value.message
    assert "timeout-seconds" in caught.value.message
    assert len(fake_odoo.asked_so_far(3)) == 3


def test_a_wrong_password_is_never_tried_again(connect, fake_odoo):
    transport = connect(secret="not this one")
    with pytest.raises(FatalSyncError) as caught:
        transport.execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.login_refused"
    assert "'bot'" in caught.value.message
    assert "'shop'" in caught.value.message
    assert transport.calls == 3


def test_a_password_that_stops_working_is_told_the_same(connect, fake_odoo, misbehaviour):
    transport = connect()
    fake_odoo.next.append(misbehaviour.fault("odoo.exceptions.AccessDenied"))
    with pytest.raises(FatalSyncError) as caught:
        transport.execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.login_refused"
    assert len(fake_odoo.asked) == 1


def test_an_unknown_database_is_named(connect, fake_odoo, misbehaviour):
    for login in (misbehaviour.raw(500), misbehaviour.fault("psycopg2.OperationalError")):
        fake_odoo.login, fake_odoo.database_exists = login, False
        with pytest.raises(FatalSyncError) as caught:
            connect().execute("res.partner", "search", [])
        assert caught.value.code == "odoo.database_unknown"
        assert "'shop'" in caught.value.message


def test_a_failing_login_of_a_database_that_exists_may_work_later(connect, fake_odoo, misbehaviour):
    fake_odoo.login = misbehaviour.raw(500)
    with pytest.raises(RetryableSyncError) as caught:
        connect().execute("res.partner", "search", [])
    assert caught.value.code == "odoo.server_error"


def test_a_lost_session_is_bound_again(connect, fake_odoo, misbehaviour):
    transport = connect()
    fake_odoo.next.extend([misbehaviour.raw(500), [5]])
    assert transport.execute("res.partner", "search", []) == [5]
    assert fake_odoo.bound == 2


def test_a_server_that_answers_html_is_told(connect, fake_odoo, misbehaviour):
    fake_odoo.every_post = misbehaviour.raw(200, "<html><title>Welcome to nginx!</title></html>")
    with pytest.raises(FatalSyncError) as caught:
        connect().execute("res.partner", "search", [])
    assert caught.value.code == "odoo.not_odoo"
    assert "Check the address" in caught.value.message


def test_html_in_the_middle_is_told_too(connect, fake_odoo, misbehaviour):
    transport = connect()
    fake_odoo.next.append(misbehaviour.raw(200, "<html>Maintenance</html>"))
    with pytest.raises(FatalSyncError) as caught:
        transport.execute("res.partner", "search", [])
    assert caught.value.code == "odoo.not_odoo"


@pytest.mark.parametrize(("status", "code", "error"), [
    (404, "odoo.not_odoo", FatalSyncError),
    (403, "odoo.http_refused", FatalSyncError),
    (429, "odoo.too_many_calls", RetryableSyncError),
    (502, "odoo.server_error", RetryableSyncError),
    (503, "odoo.server_error", RetryableSyncError),
])  # fmt: skip
def test_http_statuses(connect, fake_odoo, misbehaviour, status, code, error):
    fake_odoo.every_post = misbehaviour.raw(status, "<h1>no</h1>")
    with pytest.raises(error) as caught:
        connect().execute("res.partner", "search", [])
    assert caught.value.code == code
    assert str(status) in caught.value.message


@pytest.mark.parametrize("method", ["search", "write"])
def test_a_limit_on_calls_is_waited_out_as_long_as_it_says(
    connect, fake_odoo, misbehaviour, method
):
    transport = connect()
    fake_odoo.next.extend([misbehaviour.raw(429, headers={"Retry-After": "1"}), [9]])
    begin = time.monotonic()
    assert transport.execute("res.partner", method, []) == [9]
    assert time.monotonic() - begin >= 1


def test_a_limit_may_be_told_as_a_date(connect, fake_odoo, misbehaviour):
    transport = connect(longest_wait_seconds=0)
    when = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
    fake_odoo.next.append(misbehaviour.raw(429, headers={"Retry-After": when}))
    with pytest.raises(RetryableSyncError) as caught:
        transport.execute("res.partner", "search", [])
    assert 1_000 < caught.value.details["retry_after"] <= 1_200
    assert len(fake_odoo.asked) == 1, "that long is not waited for"


def test_half_an_answer_is_no_other_program(connect, fake_odoo, misbehaviour):
    transport = connect()
    half = misbehaviour.raw(200, '{"jsonrpc": "2.0", "id": 1, "result": [1, ')
    fake_odoo.next.extend([half, [9]])
    assert transport.execute("res.partner", "search", []) == [9]
    fake_odoo.next.append(half)
    with pytest.raises(RetryableSyncError) as caught:
        transport.execute("res.partner", "write", [])
    assert caught.value.details["outcome"] == "unknown"


@pytest.fixture
def clock(monkeypatch):
    """What a circuit takes for the time; a test says how it passes."""
    told = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(circuit, "time", SimpleNamespace(monotonic=lambda: told.now))
    return told


def test_a_server_that_keeps_failing_is_left_alone_for_a_while(
    connect, fake_odoo, misbehaviour, clock
):
    transport = connect(attempts=1)
    transport._circuit = Circuit("http://odoo", failures=2, rest_seconds=30)
    fake_odoo.next.extend([misbehaviour.raw(502)] * 3)
    for _ in range(2):
        with pytest.raises(RetryableSyncError, match="502"):
            transport.execute("res.partner", "search", [])
    with pytest.raises(RetryableSyncError, match="left alone until ..:..:.. UTC") as caught:
        transport.execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.circuit_open"
    assert caught.value.details["until"]
    assert len(fake_odoo.asked) == 2, "nothing was sent"
    clock.now += 31
    with pytest.raises(RetryableSyncError, match="502"):
        transport.execute("res.partner", "search", [])
    clock.now += 31
    with pytest.raises(RetryableSyncError, match="left alone"):
        transport.execute("res.partner", "search", [])  # it rests twice as long now
    clock.now += 31
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]


def test_refusals_leave_the_circuit_closed(connect, fake_odoo, misbehaviour):
    transport = connect(attempts=1)
    transport._circuit = Circuit("http://odoo", failures=2, rest_seconds=60)
    fake_odoo.next.extend([misbehaviour.fault("odoo.exceptions.UserError")] * 5)
    fake_odoo.next.extend([misbehaviour.fault("psycopg2.errors.SerializationFailure")] * 5)
    for _ in range(10):
        with pytest.raises(SyncError):
            transport.execute("res.partner", "write", [])
    assert transport.execute("res.partner", "search", []) == [1, 2, 3]


def test_one_at_a_time_tries_whether_a_server_is_back(clock):
    of_server = Circuit("http://odoo", failures=1, rest_seconds=30)
    of_server.failed()
    clock.now += 31
    of_server.check()
    with pytest.raises(RetryableSyncError, match="left alone"):
        of_server.check()
    of_server.answered()
    of_server.check()


@pytest.mark.parametrize("where", ["every_post", "every_get"])
def test_a_redirect_is_refused_and_its_target_named(connect, fake_odoo, misbehaviour, where):
    there = misbehaviour.raw(301, headers={"Location": "https://erp.example.com/web?x=1"})
    setattr(fake_odoo, where, there)
    with pytest.raises(FatalSyncError) as caught:
        connect().execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.redirected"
    assert "https://erp.example.com/web" in caught.value.message
    assert fake_odoo.asked == []


def test_a_stopped_server_is_told_by_address(connect):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # held, or another's server may get it; nobody listens
        port = silent.getsockname()[1]
        with pytest.raises(RetryableSyncError) as caught:
            connect(url=f"http://127.0.0.1:{port}").execute("res.partner", "search", [])
    assert caught.value.code == "core.sync.unreachable"
    assert f"http://127.0.0.1:{port}" in caught.value.message
    assert "run again" in caught.value.message


def test_an_unknown_host_is_told(connect):
    with pytest.raises(RetryableSyncError) as caught:
        connect(url="http://no-such-host.invalid").execute("res.partner", "search", [])
    assert "no-such-host.invalid" in caught.value.message


def test_a_missing_right_names_the_model(connect, fake_odoo, misbehaviour):
    transport = connect()
    fake_odoo.next.append(misbehaviour.fault("odoo.exceptions.AccessError"))
    with pytest.raises(FatalSyncError) as caught:
        transport.execute("account.payment", "search", [])
    assert caught.value.code == "core.sync.right_missing"
    assert caught.value.details["model"] == "account.payment"


def test_what_odoo_cannot_do_with_records_is_a_record_error(connect, fake_odoo, misbehaviour):
    transport = connect()
    fault = misbehaviour.fault("builtins.ZeroDivisionError", "division by zero\nsecond line")
    fake_odoo.next.append(fault)
    with pytest.raises(RecordSyncError) as caught:
        transport.execute("sale.order", "read", [1])
    assert "division by zero" in caught.value.message
    assert "second line" not in caught.value.message
    assert caught.value.details["error"] == "builtins.ZeroDivisionError"


def test_the_password_is_in_no_log_and_no_error(connect, fake_odoo, misbehaviour, secret, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="odoorpc.rpc.jsonrpclib")
    logging.getLogger("odoorpc").setLevel(logging.DEBUG)
    transport = connect()
    caplog.set_level(logging.DEBUG, logger="odoorpc.rpc.jsonrpclib")
    echo = misbehaviour.fault("odoo.exceptions.UserError", f"bad arguments: {secret}")
    fake_odoo.next.extend([[1], echo])
    transport.execute("res.partner", "search", [])
    with pytest.raises(SyncError) as caught:
        transport.execute("res.partner", "read", [1])
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.details)
    assert secret not in told
    assert secret not in caplog.text
    assert secret not in repr(transport._settings)


def test_waiting_is_bounded(connect, fake_odoo, misbehaviour):
    """The read time-out counts, not the longer one of connecting."""
    transport = connect(attempts=1, read_seconds=5.0)
    transport.execute("res.partner", "search", [])
    fake_odoo.next.append(misbehaviour.hang)
    begin = time.monotonic()
    with pytest.raises(RetryableSyncError):
        transport.execute("res.partner", "search", [])
    assert time.monotonic() - begin < 45
