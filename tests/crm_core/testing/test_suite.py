"""The suite finds what it is there to find."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from crm_core.plugins.scaffold import new_plugin
from crm_core.testing.plugin_code import PluginCode
from crm_core.testing.sample_values import sample_arguments


class Colour(StrEnum):
    RED = "red"


@dataclass
class Paint:
    colour: Colour
    coats: int
    note: str = ""


def service(
    uow: object,
    customer_id: UUID,
    paint: Paint,
    at: datetime,
    price: Decimal | None,
    names: Sequence[str],
    *,
    values: Mapping[str, str],
    mood: Colour | str,
    limit: int = 50,
) -> None: ...


def test_arguments_are_made_up_from_type_hints():
    found = sample_arguments(service)
    assert list(found) == ["customer_id", "paint", "at", "price", "names", "values", "mood"]
    assert isinstance(found["customer_id"], UUID)
    assert found["paint"] == Paint(Colour.RED, 1)
    assert found["at"].tzinfo is not None
    assert found["price"] is None
    assert (found["names"], found["values"], found["mood"]) == ((), {}, Colour.RED)


FAULTS = {
    "unscoped right": (
        "services.py",
        "uow.actor.require(VIEW)",
        "uow.actor.may(VIEW)",
        "test_services_ask_for_a_right",
    ),
    "right not registered": (
        "services.py",
        "uow.actor.require(VIEW)",
        "uow.actor.require('shop.remark.see')",
        "test_rights_asked_for_are_registered",
    ),
    "model changed": (
        "models.py",
        "    text: Mapped[str]",
        "    text: Mapped[str]\n    colour: Mapped[str | None]",
        "test_migrations_make_what_the_models_say",
    ),
    "nothing said of personal data": (
        "models.py",
        '    __personal__ = ("text",)\n',
        "",
        "test_models_say_who_may_read_them",
    ),
    "an enum's names": (
        "models.py",
        "class Remark(Keyed):",
        (
            "import enum\n\n\nclass Mood(enum.StrEnum):\n    GOOD = 'good'\n\n\n"
            "class Remark(Keyed):\n    mood: Mapped[Mood]\n"
        ),
        "test_models_say_who_may_read_them",
    ),
    "not undone": (
        "migrations/0001_initial.py",
        "    op.drop_table(TABLE)",
        "    pass",
        "test_migrations_make_what_the_models_say",
    ),
    "impure": (
        "plugin.py",
        "    return RIGHTS",
        "    import time\n    return [Right(f'shop.r.x{time.monotonic_ns()}', 'X'), *RIGHTS]",
        "test_what_is_registered_is_the_same",
    ),
    "reference that leads nowhere": (
        "plugin.py",
        "jobs:forget_old",
        "jobs:forget",
        "test_references_lead_to_functions",
    ),
    "wrong arguments": (
        "jobs.py",
        "def forget_old(uow: UnitOfWork)",
        "def forget_old(uow: UnitOfWork, days: int)",
        "test_references_lead_to_functions",
    ),
    "heavy": (
        "plugin.py",
        "from crm_shop.permissions",
        "from crm_shop import models\nfrom crm_shop.permissions",
        "test_plugin_py_loads_nothing_heavy",
    ),
    "upwards": (
        "models.py",
        "class Remark",
        "def more():\n    from crm_shop import services\n    return services\n\n\nclass Remark",
        "test_imports_only_what_it_may",
    ),
    "sibling": (
        "services.py",
        "from crm_shop.errors",
        "from crm_files import layout\nfrom crm_shop.errors",
        "test_imports_only_what_it_may",
    ),
    "unmarked": (
        "plugin.py",
        "@hookimpl\ndef crm_register_jobs",
        "def crm_register_jobs",
        "test_hooks_are_well_formed",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_the_test_that_is_there_for_it(tmp_path, fault):
    place, right, wrong, test = FAULTS[fault]
    folder = new_plugin("shop", tmp_path)
    file = folder / "crm_shop" / place
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    script = f"""
        from pathlib import Path
        from crm_core.plugins import trial
        with trial._as_installed(Path({str(folder)!r})) as places:
            passed = trial._pytest(
                Path({str(folder)!r}), ["tests", "-k", "TestPlugin", "-rf"], places
            )
        assert not passed
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    failed = [line for line in done.stderr.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert any(test in line for line in failed), done.stderr


def test_imports_are_seen_wherever_they_stand(tmp_path, monkeypatch):
    package = tmp_path / "crm_sample"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "services.py").write_text(
        textwrap.dedent("""
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from . import models
        from .events import Happened
        if TYPE_CHECKING:
            from crm_other.public import Thing
        try:
            import orjson
        except ImportError:
            orjson = None
        class Box:
            import json
            def fill(self):
                import csv
    """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = {each.target: each.is_eager for each in PluginCode("crm_sample").imports()}
    assert found == {
        "__future__.annotations": True,
        "typing.TYPE_CHECKING": True,
        "crm_sample.models": True,
        "crm_sample.events.Happened": True,
        "orjson": True,
        "json": True,
        "csv": False,
    }
