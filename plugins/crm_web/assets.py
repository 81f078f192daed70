"""Style sheets, scripts and symbols: ours, Bootstrap's, plugins'; each named by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, request, send_from_directory, url_for

FOREVER = 365 * 24 * 3600
OWN = Path(__file__).parent / "static"
BOOTSTRAP_FILES = frozenset(
    {"css/bootstrap.min.css", "css/bootstrap.rtl.min.css", "js/bootstrap.bundle.min.js"}
)


@cache
def bootstrap_folder() -> Path:
    """Return where the installed Bootstrap lies."""
    spec = find_spec("bootstrap")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def blueprint(packages: Mapping[str, Path]) -> Blueprint:
    """Return what serves files.

    Args:
        packages: Name to the ``static`` folder of each plugin that has one.
    """
    assets = Blueprint("assets", __name__, url_prefix="/static")
    folders = {"web": OWN, **packages}

    @assets.get("/<folder>/<path:name>")
    def file(folder: str, name: str) -> Response:
        if folder == "bootstrap" and name in BOOTSTRAP_FILES:
            return send_from_directory(bootstrap_folder(), name, max_age=FOREVER)
        if folder not in folders:
            abort(404)
        return send_from_directory(folders[folder], name, max_age=FOREVER)

    assets.record(lambda state: state.app.extensions.__setitem__("crm_static", folders))
    return assets


def asset(folder: str, name: str) -> str:
    """Return the address of a file, which changes with its content."""
    # A page asks for dozens, and working out an address costs as much as a statement.
    known = current_app.extensions.setdefault("crm_addresses", {})
    key = request.script_root, folder, name
    if key not in known:
        known[key] = _address(folder, name)
    address: str = known[key]
    return address


def _address(folder: str, name: str) -> str:
    if folder == "bootstrap":
        root = bootstrap_folder()
    else:
        root = current_app.extensions["crm_static"][folder]
    return url_for("assets.file", folder=folder, name=name, v=_digest(root / name))


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
