from __future__ import annotations


def test_it_works_in_a_folder_of_its_own_and_shows_a_customer(bare_crm, monkeypatch):
    monkeypatch.setenv("CRM_DATABASE_URL", f"sqlite:///{bare_crm.folder / 'mine.sqlite'}")
    monkeypatch.setenv("CRM_USER", "nobody")
    result = bare_crm("demo")
    assert result.exit_code == 0, result.output
    assert "Try next" in result.stdout
    assert [path.name for path in bare_crm.folder.iterdir()] == ["crm-demo"]
    assert {path.name for path in (bare_crm.folder / "crm-demo").iterdir()} >= {
        "crm.sqlite",
        "crm.toml",
        "back-office",
    }

    monkeypatch.delenv("CRM_DATABASE_URL")
    monkeypatch.delenv("CRM_USER")
    monkeypatch.chdir(bare_crm.folder / "crm-demo")
    (backend,) = bare_crm.json("backend", "list")["items"]
    assert (backend["name"], backend["run_state"], backend["set_aside"]) == ("demo", "done", 0)
    (run,) = bare_crm.json("sync", "history")["items"]
    created = {name: count["created"] for name, count in run["counts"]["entities"].items()}
    assert min(created[name] for name in ("customer", "order", "invoice", "payment")) > 0


def test_run_again_it_syncs_again(bare_crm):
    first = bare_crm.json("demo", "--path", "here")
    second = bare_crm.json("demo", "--path", "here")
    assert first["customer_id"] == second["customer_id"]
    assert first["folder"] == str(bare_crm.folder / "here")


def test_a_folder_with_other_things_in_it_is_refused(bare_crm):
    (bare_crm.folder / "notes.txt").write_text("mine")
    error = bare_crm.error("demo", "--path", ".", code=2)
    assert error["code"] == "core.demo.folder"
    assert [path.name for path in bare_crm.folder.iterdir()] == ["notes.txt"]
