"""The program in docs/api.md, run against a served installation."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Thread

import pytest
from waitress import create_server

from crm_web.services.api_tokens import add_token

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_first_program_works(office):
    token = office.write(lambda uow: add_token(uow, "docs", scope="write")[0], "employee")
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    server = create_server(office.app, host="127.0.0.1", port=0)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    names = {"ADDRESS": f"http://127.0.0.1:{server.effective_port}", "TOKEN": token}
    try:
        exec(compile(program, str(DOCS), "exec"), names)
    finally:
        # In its own thread: a port must not close under whoever waits for it.
        server.trigger.pull_trigger(server.close)
        thread.join(10)
    assert names["names"]
