"""What the rules look at: the tree, its packages, and the project file."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

SOURCE_ROOTS = ("hooks", "plugins", "connectors")


class Tree:
    """The project as it lies on disk."""

    root = Path(__file__).parents[2]

    @cached_property
    def files(self) -> list[Path]:
        """Every file that git has or would take."""
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        done = subprocess.run(command, cwd=self.root, capture_output=True, check=True, text=True)
        paths = {self.root / name for name in done.stdout.split("\0") if name}
        return sorted(path for path in paths if path.is_file())

    @cached_property
    def packages(self) -> dict[str, Path]:
        """Top-level packages, whether or not the project file names them."""
        folders = [self.root / "crm_core"]
        for name in SOURCE_ROOTS:
            folders += [init.parent for init in (self.root / name).glob("*/__init__.py")]
        return {folder.name: folder for folder in sorted(folders)}

    @cached_property
    def project(self) -> dict[str, Any]:
        """``pyproject.toml``."""
        return tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))

    @cached_property
    def modules(self) -> dict[Path, ast.Module]:
        """The shipped modules, parsed, by their path inside the project."""
        paths = [path for folder in self.packages.values() for path in folder.rglob("*.py")]
        return {
            path.relative_to(self.root): ast.parse(path.read_text(encoding="utf-8"))
            for path in sorted(paths)
        }

    def package_of(self, path: Path) -> str:
        """The top-level package that a module of ``modules`` belongs to."""
        return path.parts[1] if path.parts[0] in SOURCE_ROOTS else path.parts[0]


@pytest.fixture(scope="session")
def tree() -> Tree:
    """The project as it lies on disk."""
    return Tree()
