"""The commands of the documents for administrators and integrators, typed as they stand there.

Blocks marked ``sh`` are run in order in an empty folder, in an environment like one that has the
product; a file whose name stands before its text is written first. What needs an Odoo, an index of
packages or another account is marked ``console``: ``tests/architecture/test_docs.py`` sees that
those commands exist.
"""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
STEP = re.compile(
    r"^(?:`(?P<file>[\w./-]+)`:\n\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
ENDS_WITH = re.compile(r"^(?P<command>.*\S)\s+# ends with (?P<code>\d)$", re.MULTILINE)
SCRIPTS = {
    "crm": "from crm_core.cli.main import main",
    "pip": "from pip._internal.cli.main import main",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A Python environment of its own that sees what is installed here, and may fetch nothing."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    (site / "product.pth").write_text(f"import site; site.addsitedir({here!r})\n", "utf-8")
    for name, imports in SCRIPTS.items():
        script = folder / "bin" / name
        script.write_text(f"#!{folder}/bin/python\nimport sys\n{imports}\nsys.exit(main())\n")
        script.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "PYTHON", "PYTEST"))}
    return {
        **kept,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way of saying: without isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def typed(text: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the lines of a block; ``# ends with 3`` behind one says that it has to end so."""
    script = ENDS_WITH.sub(r"code=0; \g<command> || code=$?; test $code -eq \g<code>", text)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    "document",
    [
        "admins.md",
        "plugins.md",
        "connectors.md",
        "operations.md",
        "duplicates.md",
        "first-sync.md",
        "sync.md",
        "sales.md",
    ],
)
def test_every_command_can_be_typed(document, environment, tmp_path):
    folder = tmp_path / "office"
    folder.mkdir()
    steps = list(STEP.finditer((DOCS / document).read_text(encoding="utf-8")))
    assert "sh" in {step["kind"] for step in steps}
    for step in steps:
        if step["file"]:
            path = folder / step["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step["text"], encoding="utf-8")
            continue
        assert step["kind"] in ("sh", "console"), f"neither run nor written: {step['text']}"
        if step["kind"] == "sh":
            done = typed(step["text"], folder, environment)
            told = f"{step['text']}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            assert done.returncode == 0, told
            assert "Traceback" not in done.stderr, told
            assert "Something unexpected" not in done.stderr, told


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("crm --version", True),
        ("crm nonsense", False),
        ("crm doctor --nonsense", False),
        ("crm nonsense    # ends with 2", True),
        ("crm nonsense    # ends with 3", False),
        ("crm --version    # ends with 3", False),
    ],
)
def test_a_line_has_to_end_as_it_says(line, passes, environment, tmp_path):
    for lines in (f"{line}\n", f"{line}\ntrue\n"):
        assert (typed(lines, tmp_path, environment).returncode == 0) == passes
