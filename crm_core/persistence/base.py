"""Declarative base: naming convention, keys, and the scope that every mapped class must declare."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from crm_core.ids import new_id
from crm_core.persistence.scope import Scope
from crm_core.persistence.types import Key, UtcDateTime

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every mapped class of the core and of plugins.

    A class says who may read its rows in ``__scope__`` (see ``crm_core.persistence.scope``);
    mapping it without one fails at import. ``__audited__`` says whether changes made through the
    session leave audit rows; ``__entity__`` is the name it goes by there and in commands.
    ``__personal__`` names the columns that hold data of a person, beyond ids; ``()`` for none.
    ``__withheld__`` names those whose changes are audited without their values, for keys in them.
    """

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        UUID: Key(),
        datetime: UtcDateTime(),
    }

    __abstract__ = True
    __scope__: ClassVar[Scope | None] = None
    __personal__: ClassVar[tuple[str, ...] | None] = None
    __audited__: ClassVar[bool] = True
    __withheld__: ClassVar[tuple[str, ...]] = ()
    __entity__: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if not cls.__dict__.get("__abstract__", False) and cls.__scope__ is None:
            raise TypeError(f"{cls.__name__} declares no __scope__: say who may read its rows.")
        super().__init_subclass__(**kwargs)


class Keyed(Base):
    """A record with a UUIDv7 key."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-10)

    def __init__(self, **values: Any) -> None:
        # A new record has its id at once, not only when it is flushed.
        super().__init__(**{"id": new_id(), **values})


class Versioned(Keyed):
    """A record that people edit: optimistic locking by ``version``, and when it was touched."""

    __abstract__ = True

    version: Mapped[int] = mapped_column(default=1, sort_order=-9)
    created_at: Mapped[datetime] = mapped_column(sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(sort_order=91)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        """Let the session check and count up ``version`` at every update."""
        return {"version_id_col": cls.version}
