"""docs/sales-figures.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from crm_sales.services.cross_sell.counting import LEAST_LIFT
from crm_sales.services.forecast import statements
from crm_sales.services.forecast.figures import FIGURES, STAGE_FIGURES
from crm_sales.services.forecast.rows import Figures
from crm_sales.settings import CROSS_SELL

PAGE = Path(__file__).parents[3] / "docs" / "sales-figures.md"


def test_each_figure_stands_there_with_its_definition_and_its_query():
    page = PAGE.read_text(encoding="utf-8")
    for each in (*FIGURES, *STAGE_FIGURES):
        query = f"`{each.query}`" if each.query else "follows from the others"
        assert f"| {each.title} (`{each.code}`) | {each.definition} | {query} |" in page
        assert not each.query or callable(getattr(statements, each.query))
        assert each in STAGE_FIGURES or hasattr(Figures(), each.code)


def test_settings_stand_there_with_their_defaults():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for each in CROSS_SELL:
        assert f"`{each.name}` ({each.default} " in page
    assert str(LEAST_LIFT) in page
