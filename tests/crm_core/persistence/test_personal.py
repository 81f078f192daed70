"""Every table says which of its columns hold data of a person."""

from __future__ import annotations

import crm_core.entities  # noqa: F401  maps the core's classes
from crm_core.persistence.base import Base


def test_every_mapped_class_of_the_core_names_its_personal_columns() -> None:
    core = [
        mapper
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith("crm_core.")
    ]
    assert len(core) > 30
    assert [m.class_.__name__ for m in core if m.class_.__personal__ is None] == []
    unknown = {
        (mapper.class_.__name__, name)
        for mapper in core
        for name in mapper.class_.__personal__
        if name not in mapper.columns
    }
    assert unknown == set()


def test_what_a_person_is_known_by_is_among_them() -> None:
    named = {m.class_.__entity__: m.class_.__personal__ for m in Base.registry.mappers}
    assert {"name", "vat"} <= set(named["customer"])
    assert "value" in named["contact_point"]
    assert named["currency"] == ()
