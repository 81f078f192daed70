"""A small Debian in a folder, of the suite that packages the wanted Odoo."""

from __future__ import annotations

import os
import re
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from odoo_series import series, series_folder
from service_cache import (
    ServiceError,
    SuiteGoneError,
    end_processes,
    install_packages,
    is_alive,
    run_logged,
    stage,
    write_whole,
)

CLEAN_ENV = (
    "/usr/bin/env",
    "-i",
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    # Where pytz looks for zones that Debian dropped: elsewhere Odoo 19 breaks its search.
    "PYTZ_TZDATADIR=/usr/share/zoneinfo",
)
_GONE = (404, 410)


def root_folder() -> Path:
    return series_folder() / "root"


def build_log() -> Path:
    return series_folder() / "logs" / "build.log"


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
    marks, suite = series_folder() / "marks", series().suite
    _step(marks / f"root-{suite}", f"debootstrap {suite}", _bootstrap)
    _step(marks / f"packages-{series().package}+postgresql", "install packages", _install)


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
    for suite in (series().suite, series().package_suite):
        _require_suite(mirror, suite)
    if shutil.which("debootstrap") is None:
        install_packages(["debootstrap"], build_log())
    root = root_folder()
    # Half a root of a killed run cannot be continued; its packages would be fetched again.
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    run_logged(
        [
            "debootstrap",
            "--variant=minbase",
            "--include=ca-certificates",
            series().suite,
            str(root),
            mirror,
        ],
        build_log(),
    )


def _install() -> None:
    root = root_folder()
    write_whole(root / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    if series().package_suite != series().suite:
        _add_suite(root / "etc/apt", series().package_suite)
    # A mirror that lags weeks behind is good enough here; signatures are checked all the same.
    update = "apt-get update -o Acquire::Check-Valid-Until=false"
    script = (
        "set -e; rm -f /var/lib/dpkg/lock* /var/lib/apt/lists/lock /etc/*.lock; "
        "dpkg --configure -a; "
        f"{update}; apt-get -y -f install; "
        f"apt-get install -y --no-install-recommends {series().package} postgresql; apt-get clean"
    )
    run_logged(inside(["sh", "-c", script]), build_log())


def _add_suite(apt: Path, suite: str) -> None:
    """Let packages come from another suite where the root's own does not have them."""
    source = f"deb {debian_mirror()} {suite} main\n"
    write_whole(apt / "sources.list.d" / f"{suite}.list", source)
    pin = f"Package: *\nPin: release n={suite}\nPin-Priority: 100\n"
    write_whole(apt / "preferences.d" / suite, pin)


def _require_suite(mirror: str, suite: str) -> None:
    """Old suites move away from the mirrors one day: tell that apart from a broken network."""
    url = f"{mirror.rstrip('/')}/dists/{suite}/Release"
    try:
        urllib.request.urlopen(url, timeout=60).close()
    except urllib.error.HTTPError as error:
        if error.code in _GONE:
            raise SuiteGoneError(
                f"the Debian mirror of this machine no longer serves {suite}: "
                "there is no Odoo to test against (set CRM_TEST_ODOO_URL to use your own)"
            ) from error
        raise ServiceError(f"the Debian mirror answers {error.code} for {suite}") from error
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
