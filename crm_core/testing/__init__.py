"""What a plugin's tests need: fixtures, records to work on, and the suite every plugin passes.

Nothing here is loaded by itself. A plugin's ``pyproject.toml`` asks for the fixtures::

    [tool.pytest.ini_options]
    addopts = "-p crm_core.testing.fixtures"

pytest and what else this needs come with the extra ``testing``.
"""
