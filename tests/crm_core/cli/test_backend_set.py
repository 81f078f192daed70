from __future__ import annotations

import pytest

from crm_core.errors import FatalSyncError


@pytest.fixture
def office(crm, paper):
    assert crm("backend", "add", "paper", "desk", "--place", "x").exit_code == 0
    return crm


def test_options_of_every_kind_are_changed_and_the_rest_stays(office, paper):
    words = ["--calls-per-second", "2.5", "--page-size", "200", "--copies", "7"]
    config = office.json("backend", "set", "desk", *words)["config"]
    assert config == {
        "place": "x",
        "copies": "7",
        "calls_per_second": "2.5",
        "page_size": "200",
    }
    office("sync", "run", "desk")
    assert paper.opened[-1].config == config, "the factory finds them too"

    left = office.json("backend", "set", "desk", "--unset", "copies", "--unset", "page-size")
    assert left["config"] == {"place": "x", "copies": "1", "calls_per_second": "2.5"}
    assert office.json("backend", "set", "desk")["config"] == left["config"]
    assert "2.5" in office("backend", "set", "desk").stdout


def test_the_page_size_is_that_of_the_run(office, paper_remote, monkeypatch):
    asked = []
    pages = paper_remote.pages

    def told(remote, entity, **options):
        asked.append(options["size"])
        return pages(remote, entity, **options)

    monkeypatch.setattr(paper_remote, "pages", told)
    office("sync", "run", "desk")
    office("backend", "set", "desk", "--page-size", "77")
    office("sync", "run", "desk")
    assert asked == [1000, 77]


def test_general_options_can_be_given_when_a_backend_is_added(crm, paper):
    crm("backend", "add", "paper", "desk", "--place", "x", "--connections", "3")
    assert crm.json("backend", "set", "desk")["config"]["connections"] == "3"
    words = ["backend", "add", "paper", "shelf", "--place", "x", "--connections", "99"]
    assert crm.error(*words, code=2)["code"] == "core.backend.limit"


@pytest.mark.parametrize(
    "words",
    [
        ["--page-size", "0"],
        ["--page-size", "many"],
        ["--page-size", "1e3"],
        ["--batch-size", "9999999"],
        ["--calls-per-second", "nan"],
        ["--calls-per-second", "-1"],
        ["--connections", "1.5"],
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(office, words):
    error = office.error("backend", "set", "desk", *words, code=2)
    assert error["code"] == "core.backend.limit"
    assert words[0][2:] in error["message"]
    assert office.json("backend", "set", "desk")["config"] == {"place": "x", "copies": "1"}


def test_what_the_type_refuses_is_refused(office, paper_remote, monkeypatch):
    def refuse(remote, config, secret):
        raise FatalSyncError("That place does not exist.", code="paper.place")

    monkeypatch.setattr(paper_remote, "__init__", refuse)
    assert office.error("backend", "set", "desk", "--place", "z", code=2)["code"] == "paper.place"
    assert office.json("backend", "set", "desk")["config"]["place"] == "x"


def test_an_unknown_option_a_required_one_and_an_unknown_backend(office):
    assert (
        "--colour" in office.error("backend", "set", "desk", "--colour", "red", code=2)["message"]
    )
    office.error("backend", "set", "desk", "stray", code=2)
    error = office.error("backend", "set", "desk", "--unset", "place", code=2)
    assert error["code"] == "core.backend.unset"
    assert office.error("backend", "set", "nowhere", code=2)["code"] == "core.backend.not_found"


def test_a_new_secret_file_is_kept_as_where_it_is(crm, paper):
    for name, text in (("old", "wrong"), ("new", "right")):
        (crm.folder / name).write_text(text)
    words = ["--place", "x", "--secret-file", str(crm.folder / "old")]
    crm("backend", "add", "paper_safe", "vault", *words)
    new = str(crm.folder / "new")
    assert crm.json("backend", "set", "vault", "--secret-file", new)["secret_ref"] == f"file:{new}"
    crm("sync", "run", "vault")
    assert paper.opened[-1].secret == "right"


def test_one_that_is_off_is_left_alone_by_everybody_until_it_is_on_again(office, paper):
    assert office.json("backend", "disable", "desk")["is_enabled"] is False
    calls = len(paper.opened)
    assert office("worker", "--once").exit_code == 0
    error = office.error("sync", "run", "desk", code=1)
    assert error["code"] == "core.backend.disabled"
    assert "crm backend enable desk" in error["message"]
    assert "Switched off" in office("sync", "status", "desk").stdout
    assert len(paper.opened) == calls
    assert office("backend", "enable", "desk").stdout == "desk is switched on.\n"
    assert office("sync", "run", "desk").exit_code == 0


def test_what_changes_here_meanwhile_is_written_when_it_is_on_again(crm, tmp_path):
    (tmp_path / "back-office").mkdir()
    crm("backend", "add", "files", "main", "--path", str(tmp_path / "back-office"))
    crm("sync", "plan", "main")
    crm("sync", "run", "main", "--accept-plan")
    crm("backend", "disable", "main")
    crm("customer", "add", "Αθήνα & Υιοί", "--kind", "company")
    crm("backend", "enable", "main")
    report = crm.json("sync", "run", "main")
    assert report["pushed"]["customer"]["created"] == 1


@pytest.mark.parametrize("words", [["set", "desk"], ["enable", "desk"], ["disable", "desk"]])
def test_it_takes_the_right_to_manage_backends(office, words):
    from crm_core.access import system_actor
    from crm_core.persistence.unit_of_work import unit_of_work
    from crm_core.services.users import add_user

    with unit_of_work(office.database, actor=system_actor("test"), write=True) as uow:
        add_user(uow, "anna", role_codes=["employee"])
        uow.commit()
    error = office.error("backend", *words, "--as", "anna", code=1)
    assert error["code"] == "core.permission_denied"
