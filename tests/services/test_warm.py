from __future__ import annotations

import os
import signal
from pathlib import Path

from warm import run_warm


def env(tmp_path, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    return {**kept, "CRM_CONFIG_HOME": str(tmp_path), "CRM_LOG_FILE": str(tmp_path / "log"), **more}


def test_it_ends_and_says_what_the_script_does(tmp_path):
    code, out, err = run_warm(["--version"], tmp_path, env(tmp_path), seconds=60)
    assert (code, out.startswith("crm, version"), err) == (0, True, "")
    code, out, err = run_warm(["nonsense"], tmp_path, env(tmp_path), seconds=60)
    assert (code, out) == (2, "")
    assert "nonsense" in err


def test_each_has_a_folder_and_an_environment_of_its_own(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        at = env(folder, CRM_DATABASE_URL="sqlite:///here.sqlite")
        words = ["init", "--yes", "--company", name, "--currency", "EUR"]
        assert run_warm(words, folder, at, seconds=60)[0] == 0
        assert (folder / "here.sqlite").exists()
    assert not Path("here.sqlite").exists()


def test_one_that_does_not_end_in_time_is_killed(tmp_path):
    code, _out, _err = run_warm(["doctor"], tmp_path, env(tmp_path), seconds=0)
    assert code == -signal.SIGKILL
    assert run_warm(["--version"], tmp_path, env(tmp_path), seconds=60)[0] == 0
