"""The constraints pin exactly what an installation with every extra holds."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURSELVES = "crm-front-office"


def _installed_for(name: str, extras: frozenset[str], seen: dict[str, str], asked: set) -> None:
    """Walk the requirements that hold on this Python; ``seen`` maps names to versions."""
    if (name, extras) in asked:
        return
    asked.add((name, extras))
    found = distribution(name)
    seen[canonicalize_name(name)] = found.version
    for line in found.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            try:
                _installed_for(requirement.name, frozenset(requirement.extras), seen, asked)
            except PackageNotFoundError:
                raise AssertionError(f"{requirement.name}, wanted by {name}, is missing") from None


def _pins(tree) -> dict[str, str]:
    lines = (tree.root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_installed_requirement_is_pinned_to_its_version(tree):
    seen: dict[str, str] = {}
    _installed_for(OURSELVES, frozenset({"dev", "all"}), seen, set())
    del seen[OURSELVES]
    pins = _pins(tree)
    assert len(seen) > 60
    assert {name: version for name, version in seen.items() if pins.get(name) != version} == {}


def test_names_versions_only(tree):
    lines = (tree.root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pattern = r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.!+-]+"
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []
