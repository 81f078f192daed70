"""What people read of the sales module's records, in their own language."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from crm_core.cli.main import crm
from crm_core.entities.conflict import Conflict, ConflictState
from crm_core.ids import new_id
from crm_core.messages import t
from crm_core.record_words import entity_words, field_words
from crm_core.services.backends import add_backend
from crm_core.services.home import my_day
from crm_core.services.settings import set_setting
from crm_sales.models import LossReason, Pipeline, Stage
from crm_sales.services.pipelines import seed_defaults
from crm_sales.synced import ENTITIES

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
DECLARED = {each.name: each for each in ENTITIES}


@pytest.fixture
def conflict(office, tmp_path):
    """A deal whose reason both sides changed."""

    def add(uow):
        backend = add_backend(
            uow, name="erp", type_name="files", config={"path": str(tmp_path)}, secret_ref=None
        )
        made = uow.add(
            Conflict(
                backend_id=backend.id,
                entity="sales_opportunity",
                local_id=new_id(),
                remote_id="5",
                label="Rooms",
                field="loss_reason",
                base="Price",
                ours="Price",
                theirs="Competitor",
                state=ConflictState.OPEN.value,
                opened_at=uow.now - timedelta(days=2),
            )
        )
        uow.flush()
        return made.id

    return office.write(add)


def test_a_conflict_names_the_field_of_a_deal_as_people_do(office, web, conflict):
    admin = web("admin")
    for path in ("/sync/conflicts", f"/sync/conflicts/{conflict}"):
        words = admin.get(path).words
        assert "Why it was lost" in words
        assert "Deals" in words
        assert "loss reason" not in words
    card = next(
        card for card in office.read(my_day, "admin").cards if card.name == "core.conflicts"
    )
    assert "Why it was lost" in card.items[0].detail


def test_the_list_of_conflicts_names_it_so_too(office, conflict, monkeypatch, tmp_path):
    monkeypatch.setenv("CRM_DATABASE_URL", office.application.config.database_url)
    monkeypatch.setenv("CRM_CONFIG_HOME", str(tmp_path))
    arguments = ["sync", "conflicts", "list", "erp", "--as", "admin"]
    told = CliRunner().invoke(crm, arguments).output
    assert "Why it was lost" in told
    assert "loss reason" not in told
    [item] = json.loads(CliRunner().invoke(crm, [*arguments, "--json"]).stdout)["data"]["items"]
    assert (item["id"], item["field"]) == (str(conflict), "loss_reason")


def test_what_a_plugin_does_not_name_is_said_in_the_words_of_the_core(kind):
    assert entity_words("sales_opportunity", DECLARED) == "Deals"
    assert field_words("name", "sales_opportunity", DECLARED) == "Name"
    assert field_words("lines.product_ref", "sales_order", DECLARED) == "Lines: Product"
    assert field_words("loss_reason") == "loss reason"
    assert entity_words("customer", DECLARED) == t("Customers")


def test_reasons_are_written_once_in_the_language_of_the_company(office):
    def begin(uow):
        for row in uow.scalars(select(LossReason)):
            uow.delete(row)
        uow.flush()
        set_setting(uow, "language", "el-GR")
        seed_defaults(uow)
        seed_defaults(uow)

    office.write(begin)
    names = office.read(lambda uow: list(uow.scalars(select(LossReason.name))))
    assert len(names) == 6
    assert {"Τιμή", "Ανταγωνιστής"} <= set(names)
    stages = office.read(lambda uow: set(uow.scalars(select(Stage.name))))
    assert "Qualified" in stages, "matched by name with back offices"
    assert office.read(lambda uow: uow.scalar(select(Pipeline.name))) == "Sales", "was there before"
