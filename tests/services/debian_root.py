"""A small Debian of an older suite in a folder: the one that still packages Odoo."""

from __future__ import annotations

import os
import re
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from service_cache import (
    ServiceError,
    SuiteGoneError,
    cache_folder,
    end_processes,
    install_packages,
    is_alive,
    run_logged,
    stage,
    write_whole,
)

SUITE = "bullseye"
PACKAGES = ("odoo-14", "postgresql")
CLEAN_ENV = (
    "/usr/bin/env",
    "-i",
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)
_GONE = (404, 410)


def root_folder() -> Path:
    return cache_folder() / "root"


def build_log() -> Path:
    return cache_folder() / "logs" / "build.log"


def inside(command: Sequence[str], user: str | None = None) -> list[str]:
    """The command that runs ``command`` in the root, as ``user``.

    /proc is mounted in a mount namespace of the command's own: nothing stays mounted on
    the machine when it ends, and no process id namespace hides its number from us.
    """
    root = str(root_folder())
    userspec = [f"--userspec={user}:{user}"] if user else []
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        'mount -t proc proc "$0/proc" && exec chroot "$@"',
        root,
        *userspec,
        root,
        *CLEAN_ENV,
        f"HOME={'/srv/crm' if user else '/root'}",
        *command,
    ]


def processes(word: str = "") -> list[int]:
    """Processes whose root folder is ours and whose command line has ``word``."""
    root = str(root_folder())
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            inner_root = str((entry / "root").readlink()).removesuffix(" (deleted)")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if inner_root == root and word in command and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return sorted(found)


def ensure_root() -> None:
    """Bootstrap the suite and install the packages; each step is done once."""
    marks = cache_folder() / "marks"
    _step(marks / f"root-{SUITE}", f"debootstrap {SUITE}", _bootstrap)
    _step(marks / f"packages-{'+'.join(PACKAGES)}", "install packages", _install)


def _step(mark: Path, title: str, build: Callable[[], None]) -> None:
    if mark.exists():
        return
    with stage(title):
        # What a killed run started may still be at work in there.
        end_processes(processes(), signal.SIGKILL, 20)
        build()
        write_whole(mark, "done\n")


def _bootstrap() -> None:
    if os.geteuid() != 0:
        raise ServiceError("must run as root: debootstrap and chroot need it")
    mirror = debian_mirror()
    _require_suite(mirror)
    if shutil.which("debootstrap") is None:
        install_packages(["debootstrap"], build_log())
    root = root_folder()
    # Half a root of a killed run cannot be continued; its packages would be fetched again.
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    run_logged(
        ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root), mirror],
        build_log(),
    )


def _install() -> None:
    root = root_folder()
    write_whole(root / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    script = (
        "set -e; rm -f /var/lib/dpkg/lock* /var/lib/apt/lists/lock /etc/*.lock; "
        "dpkg --configure -a; "
        "apt-get update; apt-get -y -f install; "
        f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}; apt-get clean"
    )
    run_logged(inside(["sh", "-c", script]), build_log())


def _require_suite(mirror: str) -> None:
    """Old suites move away from the mirrors one day: tell that apart from a broken network."""
    url = f"{mirror.rstrip('/')}/dists/{SUITE}/Release"
    try:
        urllib.request.urlopen(url, timeout=60).close()
    except urllib.error.HTTPError as error:
        if error.code in _GONE:
            raise SuiteGoneError(
                f"the Debian mirror of this machine no longer serves {SUITE}: "
                "there is no Odoo to test against (set CRM_TEST_ODOO_URL to use your own)"
            ) from error
        raise ServiceError(f"the Debian mirror answers {error.code} for {SUITE}") from error
    except OSError as error:
        raise ServiceError(f"the Debian mirror does not answer: {error}") from error


def debian_mirror(etc: Path = Path("/etc/apt")) -> str:
    """The Debian archive that this machine's apt uses."""
    for address in _addresses(etc):
        path = address.rstrip("/")
        if re.match(r"https?://", path) and path.endswith("/debian"):
            return path
    raise ServiceError("apt's sources on this machine name no Debian archive")


def _addresses(etc: Path) -> Iterator[str]:
    listings = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]
    for path in filter(Path.is_file, listings):
        for line in path.read_text(encoding="utf-8").splitlines():
            match = re.match(r"deb\s+(?:\[[^]]*\]\s*)?(\S+)", line)
            if match:
                yield match[1]
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("URIs:"):
                yield from line.partition(":")[2].split()
