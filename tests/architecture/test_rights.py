"""Every right that the core asks for can be given, and says what it allows."""

from __future__ import annotations

import ast

from crm_core.services.rights import CORE_RIGHTS

ASKING = {"require", "require_for_owner", "may", "may_for_owner", "reach", "ByRight", "ByOwner"}


def _asked(module: ast.Module) -> set[str]:
    """Return the rights asked for in a module, written there or as a constant of it."""
    constants = {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        right = node.args[0]
        value = constants.get(right.id) if isinstance(right, ast.Name) else None
        value = right.value if isinstance(right, ast.Constant) else value
        if name in ASKING and isinstance(value, str) and value.startswith("core."):
            found.add(value)
    return found


def test_rights_asked_for_are_found():
    sample = 'EDIT = "core.a.edit"\nuow.actor.require(EDIT)\nByRight("core.a.view")'
    assert _asked(ast.parse(sample)) == {"core.a.edit", "core.a.view"}


def test_every_right_asked_for_can_be_given(tree):
    asked = {
        right
        for path, module in tree.modules.items()
        if tree.package_of(path) == "crm_core"
        for right in _asked(module)
    }
    assert len(asked) > 15
    assert asked - CORE_RIGHTS.keys() == set()
