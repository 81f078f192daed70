"""Writing when things go wrong: kills, other writers, locks, rights, a full disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from crm_core.errors import FatalSyncError, RetryableSyncError
from crm_core.sync.protocol import RIGHT_MISSING, Edit
from crm_files import lock as locking
from crm_files.backend import FilesBackend
from crm_files.folder import Folder
from crm_files.lock import FolderLock

WRITER = """
import sys
from pathlib import Path
from crm_core.sync.protocol import Draft, Edit
from crm_files import lock
from crm_files.backend import FilesBackend

lock.WAIT_SECONDS = 240  # how long others need says how busy the machine is
backend, mark = FilesBackend(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
for turn in range(int(sys.argv[3])):
    values = {"kind": "person", "name": f"{mark} {turn}"}
    draft = Draft("k", f"{mark}.customer_{turn}", mark, values)
    assert backend.create("customer", [draft])[0].remote_id, turn
"""


@pytest.fixture
def writer(folder):
    """A function that starts a process which creates one customer after another."""
    started = []

    def start(mark: str, turns: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, str(folder), mark, str(turns)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_a_kill_leaves_the_old_file_or_the_new_one(folder, writer, rows, draft):
    path = folder / "customers.csv"
    FilesBackend(folder).create("customer", [draft(number) for number in range(2_000)])
    for turn in range(6):
        before = len(rows(path))
        process = writer(f"w{turn}", 10_000)
        time.sleep(0.05 + 0.037 * turn)
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = rows(path)
        made = [row["name"] for row in after[before:]]
        assert made == [f"w{turn} {number}" for number in range(len(made))]
        assert all(row["kind"] == "person" for row in after)
    FilesBackend(folder).create("customer", [draft(9_999)])
    assert {each.name for each in folder.iterdir()} == {"customers.csv", "manifest.json"}


@pytest.mark.slow
def test_two_writers_lose_nothing_of_each_other(folder, writer, rows):
    processes = [writer(mark, 60) for mark in ("a", "b", "c")]
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    found = sorted(row["name"] for row in rows(folder / "customers.csv"))
    assert found == sorted(f"{mark} {turn}" for mark in "abc" for turn in range(60))


def _meddling(monkeypatch, folder, times):
    """Have somebody who knows no lock add a row while a batch is being written."""
    path = folder / "customers.csv"
    original, done = Folder._replaced, []

    def replaced(self, file, before, content):
        if file == path.name and len(done) < times:
            done.append(len(done))
            with path.open("a", encoding="utf-8") as stream:
                stream.write(f"other{len(done)},person,Other,,,,,,,,,,\n")
        return original(self, file, before, content)

    monkeypatch.setattr(Folder, "_replaced", replaced)
    text = "id,kind,name,reference,vat,parent_ref,tag_refs,email,phone,street,city,note,external_id"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def test_what_another_program_wrote_meanwhile_is_kept(folder, draft, rows, monkeypatch):
    path = _meddling(monkeypatch, folder, 3)
    (answer,) = FilesBackend(folder).create("customer", [draft(1)])
    assert answer.remote_id == "crm_x.customer_0001"
    assert [row["name"] for row in rows(path)] == ["Other"] * 3 + ["Person 1"]


def test_a_file_that_never_holds_still_is_tried_again_later(folder, draft, rows, monkeypatch):
    path = _meddling(monkeypatch, folder, 99)
    with pytest.raises(RetryableSyncError, match="changed by somebody else each time") as caught:
        FilesBackend(folder).create("customer", [draft(1)])
    assert caught.value.code == "files.busy"
    assert {row["name"] for row in rows(path)} == {"Other"}
    assert {each.name for each in folder.iterdir()} == {"customers.csv"}


def test_a_lock_of_somebody_alive_is_waited_for(folder, draft, monkeypatch):
    monkeypatch.setattr(locking, "WAIT_SECONDS", 0.2)
    held = threading.Event()
    leave = threading.Event()

    def hold():
        with FolderLock(folder).held():
            held.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    try:
        with pytest.raises(RetryableSyncError, match="being written by somebody else") as caught:
            FilesBackend(folder).create("customer", [draft(1)])
        assert str(os.getpid()) in caught.value.message
        assert not (folder / "customers.csv").exists()
    finally:
        leave.set()
        thread.join()
    FilesBackend(folder).create("customer", [draft(1)])
    assert not (folder / ".crm-lock").exists()


@pytest.mark.parametrize("kind", ["died", "old", "garbage"])
def test_a_lock_of_nobody_gives_way(folder, draft, kind):
    ended = subprocess.Popen(["true"])
    ended.wait()
    owner = {"host": socket.gethostname(), "pid": ended.pid if kind == "died" else os.getpid()}
    path = folder / ".crm-lock"
    path.write_text("??" if kind == "garbage" else json.dumps(owner), encoding="utf-8")
    if kind != "died":
        os.utime(path, (1, 1))
    (answer,) = FilesBackend(folder).create("customer", [draft(1)])
    assert answer.remote_id
    assert {each.name for each in folder.iterdir()} == {"customers.csv", "manifest.json"}


def test_who_was_killed_before_it_wrote_its_name_is_not_waited_for_long(folder, draft):
    (folder / ".crm-lock").touch()
    assert FilesBackend(folder).create("customer", [draft(1)])[0].remote_id
    assert {each.name for each in folder.iterdir()} == {"customers.csv", "manifest.json"}


def test_whose_lock_was_taken_away_before_its_name_was_in_it_takes_it_anew(
    folder, draft, monkeypatch
):
    original, halted = os.write, []

    def write(descriptor, content):
        if not halted:
            halted.append(content)
            (folder / ".crm-lock").unlink()  # by others, who took its owner for dead
        return original(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    assert FilesBackend(folder).create("customer", [draft(1)])[0].remote_id
    assert halted
    assert {each.name for each in folder.iterdir()} == {"customers.csv", "manifest.json"}


def test_who_was_killed_while_taking_away_a_lock_leaves_nothing_for_good(folder, draft):
    (folder / ".crm-lock.0123abcd").write_text("another's", encoding="utf-8")
    assert FilesBackend(folder).create("customer", [draft(1)])[0].remote_id
    assert {each.name for each in folder.iterdir()} == {"customers.csv", "manifest.json"}


def test_who_lost_the_lock_does_not_write(folder, draft, monkeypatch):
    original = Folder._content

    def content(self, file):
        (folder / ".crm-lock").write_text("another's", encoding="utf-8")
        return original(self, file)

    monkeypatch.setattr(Folder, "_content", content)
    with pytest.raises(RetryableSyncError):
        FilesBackend(folder).create("customer", [draft(1)])
    assert {each.name for each in folder.iterdir()} == {".crm-lock"}
    assert (folder / ".crm-lock").read_text(encoding="utf-8") == "another's"


def test_a_folder_that_may_only_be_read(folder, draft, monkeypatch, records):
    FilesBackend(folder).create("customer", [draft(1)])
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    backend = FilesBackend(folder)
    assert backend.writable("customer") == frozenset()
    assert backend.shaped("customer", [{"name": "A"}]) == [{}]
    assert "can only be read" in backend.check()[-1].message
    assert list(records(folder)) == ["crm_x.customer_0001"]


AS_ANYBODY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def test_a_write_without_the_right_is_refused_for_this_entity_alone(folder):
    """In a process of its own, since root may write anywhere unless it gives that up."""
    before = AS_ANYBODY if os.geteuid() == 0 else ()
    (folder / "tags.csv").write_text("id,name\n1,A\n", encoding="utf-8")
    folder.chmod(0o555)
    code = (
        "import sys, pathlib\n"
        "from crm_core.errors import FatalSyncError\n"
        "from crm_core.sync.protocol import Edit\n"
        "from crm_files.backend import FilesBackend\n"
        "backend = FilesBackend(pathlib.Path(sys.argv[1]))\n"
        "assert backend.writable('tag') == frozenset()\n"
        "try:\n"
        "    backend.update('tag', [Edit('1', 'A', {'name': 'B'})])\n"
        "except FatalSyncError as error:\n"
        "    print(error.code, error.message)\n"
    )
    try:
        command = [*before, sys.executable, "-c", code, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    finally:
        folder.chmod(0o755)
    assert done.stdout.startswith(RIGHT_MISSING)
    assert "cannot be written: Permission denied. Check the rights" in done.stdout
    assert (folder / "tags.csv").read_text(encoding="utf-8") == "id,name\n1,A\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_the_old_file(folder, draft, rows, monkeypatch, number):
    backend = FilesBackend(folder)
    backend.create("customer", [draft(1)])

    def full(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RetryableSyncError, match="is full, or a quota is reached") as caught:
        backend.update("customer", [Edit("crm_x.customer_0001", "P", {"name": "X"})])
    assert caught.value.code == "files.disk_full"
    assert [row["name"] for row in rows(folder / "customers.csv")] == ["Person 1"]
    assert {each.name for each in folder.iterdir()} == {"customers.csv", "manifest.json"}


@pytest.fixture
def small_disk(folder):
    """The folder as a disk of its own with room for little; None where that takes a right."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount"):
        yield None
        return
    done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder if done else None
    if done:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_really_full(small_disk, draft, rows):
    if small_disk is None:
        return  # told by the test above without a disk
    backend = FilesBackend(small_disk)
    backend.create("customer", [draft(number) for number in range(500)])
    with pytest.raises(RetryableSyncError, match="is full"):
        backend.create("customer", [draft(n, note="x" * 5_000) for n in range(500, 600)])
    assert len(rows(small_disk / "customers.csv")) == 500
    assert {each.name for each in small_disk.iterdir()} == {"customers.csv", "manifest.json"}
    (small_disk / "ballast").touch()
    assert backend.update("customer", [Edit("crm_x.customer_0001", "P", {"name": "X"})])[
        0
    ].remote_id


def test_a_file_that_is_gone_takes_nothing_along(folder, draft):
    backend = FilesBackend(folder)
    backend.create("customer", [draft(1)])
    (folder / "customers.csv").unlink()
    with pytest.raises(FatalSyncError, match=r"customers\.csv cannot be read"):
        backend.update("customer", [Edit("crm_x.customer_0001", "P", {"name": "X"})])
