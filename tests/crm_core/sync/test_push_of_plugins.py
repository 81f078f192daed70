"""A plugin that fails in a sync holds up its own records and nothing else."""

from __future__ import annotations

import sys
import time
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from crm_core.entities import Binding
from crm_core.entities.sync import SyncCursor
from crm_core.ids import new_id
from crm_core.sync.apply import plugin
from crm_core.sync.push_queue import enqueue
from crm_core.testing.front_office import FrontOffice
from crm_files.backend import FilesBackend
from crm_hooks.contributions import SyncableEntity, SyncField


class Cards:
    """What a plugin keeps."""

    def __init__(self) -> None:
        self.kept = {new_id(): {"number": number} for number in ("A", "B")}

    def ids(self, _uow: Any) -> list[UUID]:
        return list(self.kept)

    def read(self, _uow: Any, ids: Any) -> Any:
        return {each: self.kept[each] for each in ids}

    def apply(self, _uow: Any, records: Any) -> list[UUID]:
        return [record.local_id or new_id() for record in records]


def hang(*_: Any) -> Any:
    time.sleep(5)


def leave(*_: Any) -> Any:
    sys.exit(3)


def fail(*_: Any) -> Any:
    raise ValueError("boom")


@pytest.mark.parametrize("what", ["ids", "read", "apply"])
@pytest.mark.parametrize("does", [hang, leave, fail, lambda *_: None])
def test_a_plugin_that_fails_holds_up_its_own_records_only(
    front: FrontOffice, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, what: str, does: Any
) -> None:
    cards: Any = Cards()
    monkeypatch.setitem(sys.modules, "crmtest_cards", cards)
    entity = SyncableEntity(
        name="cards_card",
        title="Card",
        fields=(SyncField("number"),),
        label="number",
        **{each: f"crmtest_cards:{each}" for each in ("ids", "read", "apply")},
    )

    def run(**options: Any) -> Any:
        remote = FilesBackend(tmp_path, [entity])
        return front.run(remote, plugin_entities=[entity], **options)

    run()
    front.create("Somebody")
    if what == "ids":
        front.change(lambda uow: uow.execute(SyncCursor.__table__.delete()))
    if what == "apply":
        front.change(lambda uow: uow.execute(delete(Binding).where(Binding.entity == entity.name)))
    front.change(lambda uow: enqueue(uow, front.backend.id, entity.name, list(cards.kept)))
    setattr(cards, what, does)
    with monkeypatch.context() as patch:
        patch.setattr(plugin, "BATCH_SECONDS", 0.2)  # now only: sound calls may take their time
        report = run()
    assert report.state == "partly"
    customers = front.connect().pages("customer", since=None, after=None, size=50)
    assert "Somebody" in {record.label for page in customers for record in page.records}
    setattr(cards, what, getattr(Cards, what).__get__(cards))
    assert what == "apply" or run(retry=True).state == "done"
    with (tmp_path / "cards_card.csv").open(encoding="utf-8") as stream:
        assert len(stream.readlines()) == 3
