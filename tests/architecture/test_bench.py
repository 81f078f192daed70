"""The bench runner knows every bench there is."""

from __future__ import annotations

import runpy


def test_every_bench_on_disk_has_its_size_and_its_place_in_the_docs(tree):
    on_disk = {path.stem for path in (tree.root / "bench").glob("*.py")} - {"run"}
    sizes = runpy.run_path(str(tree.root / "bench" / "run.py"))["SIZES"]
    text = (tree.root / "docs" / "performance.md").read_text(encoding="utf-8")
    assert set(sizes) == on_disk
    assert {name for name in sizes if f"`bench/{name}.py`" not in text} == set()
