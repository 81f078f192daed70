"""The program in docs/api.md, run against a served installation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_web.server import Server
from crm_web.services.api_tokens import add_token
from serving import served

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_first_program_works(office):
    token = office.write(lambda uow: add_token(uow, "docs", scope="write")[0], "employee")
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    with served(Server(office.application.config)) as (port, _):
        names = {"ADDRESS": f"http://127.0.0.1:{port}", "TOKEN": token}
        exec(compile(program, str(DOCS), "exec"), names)
    assert names["names"]
