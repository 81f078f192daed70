"""Lists as people keep them: under a name, for themselves or for others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, UniqueConstraint, or_
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.access import Actor
from crm_core.persistence.base import Base, Versioned


class Sharing(StrEnum):
    """Who may use a view besides its owner."""

    NOBODY = "nobody"
    TEAM = "team"
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class SharedByOwner:
    """Rows of one's own, those that team mates share with the team, and those for everybody."""

    def criterion(self, cls: type[Base], actor: Actor) -> ColumnElement[bool] | None:
        """Restrict to these; the system alone sees what people keep for themselves."""
        if actor.user_id is None:
            return None
        view: type[SavedView] = cls  # type: ignore[assignment]
        mates = sorted(actor.team_user_ids)
        return or_(
            view.owner_id == actor.user_id,
            view.sharing == Sharing.EVERYBODY.value,
            (view.sharing == Sharing.TEAM.value) & view.owner_id.in_(mates),
        )


class SavedView(Versioned):
    """A query on a list, kept under a name."""

    __tablename__ = "core_saved_view"
    __entity__ = "saved_view"
    __scope__ = SharedByOwner()
    __personal__ = ("query",)
    __table_args__ = (UniqueConstraint("owner_id", "list_name", "name"),)

    name: Mapped[str]
    list_name: Mapped[str]
    """``customers``, or a list that a plugin has."""
    query: Mapped[str]
    """The text of a link: filters, order and columns."""
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    sharing: Mapped[str] = mapped_column(default=Sharing.NOBODY.value)
    is_default: Mapped[bool] = mapped_column(default=False)
    """Whether its owner's list begins with it."""
