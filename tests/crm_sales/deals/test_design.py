"""Pipelines as documents: whole or not at all, and nothing is lost."""

from __future__ import annotations

import copy
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from crm_core.errors import InputError, NotFoundError, PermissionDeniedError, RuleViolationError
from crm_core.outbox.relay import relay
from crm_sales.models import Opportunity, Pipeline, Stage
from crm_sales.schemas.pipelines import design_text, load_design, read_design
from crm_sales.services.moves import move_opportunity
from crm_sales.services.pipeline_design import (
    archive_pipeline,
    design_pipeline,
    export_endings,
    export_pipeline,
)
from crm_sales.services.pipelines import default_pipeline, list_pipelines, seed_defaults
from crm_sales.services.stage_checks import CHECKS, REQUIRED_FIELDS

WON = {"code": "won", "name": "Won", "is_won": True}
DESIGN = {"code": "s", "name": "S", "stages": [{"code": "new", "name": "New"}, WON]}


def checked(design):
    return load_design(design, known_fields=REQUIRED_FIELDS, known_checks=CHECKS)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_is_exported_is_imported_without_a_change(office):
    def again(uow):
        document = export_pipeline(uow, "sales") | export_endings(uow)
        return design_pipeline(uow, read_design(design_text(document).encode()))

    assert office.write(again) == []
    office.write(seed_defaults)
    assert len(office.read(list_pipelines)) == 1
    assert office.read(lambda uow: default_pipeline(uow).code) == "sales"


@given(
    st.text(min_size=1, max_size=30).filter(str.strip),
    st.lists(st.tuples(st.text(min_size=1, max_size=20), st.integers(0, 100)), max_size=6),
    st.sets(st.sampled_from(sorted(REQUIRED_FIELDS))),
)
def test_a_design_comes_back_from_its_file(name, stages, asked):
    made = [
        {"code": f"s{number}", "name": label, "probability": chance}
        for number, (label, chance) in enumerate([("First", 1), *stages])
    ]
    late = [*made[1:], dict(WON)]
    late[0]["required_fields"] = sorted(asked)
    design = checked({**DESIGN, "name": name, "stages": [made[0], *late]})
    assert checked(read_design(design_text(design).encode())) == design


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": "Not A Code"}, "small letters"),
        ({"colour": "red"}, "colour"),
        ({"stages": [WON]}, "stages"),
        ({"stages": [WON, {"code": "new", "name": "New"}]}, "it is the last"),
        ({"stages": [{"code": "won", "name": "x"}, WON]}, "stands there twice"),
        ({"stages": [{"code": "a", "name": "A", "probability": 101}, WON]}, "stages.1.probability"),
        ({"stages": [{"code": "a", "name": "A", "rotting_days": 0}, WON]}, "rotting_days"),
        ({"stages": [{"code": "a", "name": "A", "checks": ["luck"]}, WON]}, "'luck'"),
        ({"stages": [{"code": "a", "name": "A", "required_fields": ["quote"]}, WON]}, "new deal"),
        (
            {
                "stages": [
                    {"code": "a", "name": "A", "moves_to": ["b"]},
                    {"code": "b", "name": "B", "moves_to": ["a"]},
                    WON,
                ]
            },
            "no allowed moves lead to won",
        ),
        ({"resettled": {"old": "won"}}, "resettled"),
        ({"resettled": {"new": "new"}}, "resettled"),
    ],
)
def test_what_will_not_do_is_named(changes, told):
    with pytest.raises(InputError, match=told):
        checked({**copy.deepcopy(DESIGN), **changes})


@pytest.mark.parametrize("content", [b"\xff", b"code = ", b"x" * 2_000_000])
def test_a_file_that_is_none_is_refused(content):
    with pytest.raises(InputError):
        read_design(content)


def test_stages_that_go_leave_their_deals(office, deal, stage, stored):
    stays, goes = deal(name="stays"), deal("outsider", "goes")
    for deal_id, login, code in (
        (stays, "employee", "qualified"),
        (goes, "outsider", "negotiation"),
    ):
        office.write(lambda uow, d=deal_id, c=code: move_opportunity(uow, d, stage(c)), login)
    gone = ("qualified", "negotiation")

    def without(uow):
        design = export_pipeline(uow, "sales")
        design["stages"] = [each for each in design["stages"] if each["code"] not in gone]
        design["resettled"] = {"negotiation": "proposition"}
        return design_pipeline(uow, design)

    told = office.write(without, "manager")
    assert any("open deals stay there" in line for line in told)
    relay(office.application.database, office.application.event_handlers())
    assert stored(stays).stage_id == stage("qualified")
    assert stored(goes).stage_id == stage("proposition")
    office.write(lambda uow: move_opportunity(uow, stays, stage("new")), "employee")
    assert office.read(lambda uow: uow.scalar(select(func.count(Opportunity.id)))) == 2
    archived = office.read(lambda uow: uow.scalars(select(Stage).where(Stage.code.in_(gone))).all())
    assert all(each.archived_at for each in archived)


def test_one_pipeline_is_the_default(office):
    office.write(lambda uow: design_pipeline(uow, {**DESIGN, "is_default": True}))
    defaults = office.read(
        lambda uow: uow.scalars(select(Pipeline.code).where(Pipeline.is_default.is_(True))).all()
    )
    assert defaults == ["s"]
    for refused in (
        lambda uow: archive_pipeline(uow, "s"),
        lambda uow: design_pipeline(uow, {**DESIGN, "is_default": False}),
    ):
        with pytest.raises(RuleViolationError, match="make another the default first"):
            office.write(refused)
    office.write(lambda uow: archive_pipeline(uow, "sales"))
    assert [each["code"] for each in office.read(list_pipelines)] == ["s"]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_who_designs(office):
    for login in ("employee", "readonly"):
        with pytest.raises(PermissionDeniedError):
            office.write(lambda uow: design_pipeline(uow, DESIGN), login)
    with pytest.raises(NotFoundError, match="no team"):
        office.write(lambda uow: design_pipeline(uow, {**DESIGN, "team": "Nobody"}), "manager")
    office.write(lambda uow: design_pipeline(uow, {**DESIGN, "team": "North"}), "manager")
    exported = office.read(lambda uow: export_pipeline(uow, "s"), "readonly")
    assert tomllib.loads(design_text(exported))["team"] == "North"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_guides_example_is_taken(office):
    text = files("crm_sales").joinpath("README.md").read_text(encoding="utf-8")
    example = next(
        part.partition("```")[0] for part in text.split("```toml\n") if "[[stages]]" in part
    )
    design = read_design(example.encode())
    office.write(lambda uow: design_pipeline(uow, {**design, "resettled": {}}), "manager")
    kept = office.read(lambda uow: export_pipeline(uow, "service"))
    assert [stage["code"] for stage in kept["stages"]] == ["new", "offered", "won"]
    with pytest.raises(NotFoundError, match="visited"):
        office.write(lambda uow: design_pipeline(uow, design), "manager")
