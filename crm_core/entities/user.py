"""Users, teams, roles, and who answered for a customer when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_core.persistence.base import Base, Keyed, Versioned
from crm_core.persistence.scope import Public, ThroughCustomer


class User(Versioned):
    """An employee: may own customers; may act when ``is_enabled``.

    Salespeople that come from an ERP are users too, disabled until an administrator enables them.
    """

    __tablename__ = "core_user"
    __entity__ = "user"
    __scope__ = Public()
    __personal__ = ("login", "name", "email", "os_user")

    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str | None]
    language: Mapped[str | None]
    time_zone: Mapped[str | None]
    os_user: Mapped[str | None]
    """Operating system account that acts as this user on the command line."""
    is_enabled: Mapped[bool] = mapped_column(default=True)


class Team(Versioned):
    """Users who see each other's records where a right reaches the team."""

    __tablename__ = "core_team"
    __entity__ = "team"
    __scope__ = Public()
    __personal__ = ()

    name: Mapped[str] = mapped_column(unique=True)


class TeamMember(Base):
    """One user in one team."""

    __tablename__ = "core_team_member"
    __entity__ = "team_member"
    __scope__ = Public()
    __personal__ = ()

    team_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_team.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Role(Versioned):
    """A named set of rights."""

    __tablename__ = "core_role"
    __entity__ = "role"
    __scope__ = Public()
    __personal__ = ()

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class RoleRight(Base):
    """One right of a role and how far it reaches: ``own``, ``team`` or ``all``."""

    __tablename__ = "core_role_right"
    __entity__ = "role_right"
    __scope__ = Public()
    __personal__ = ()

    role_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_role.id", ondelete="CASCADE"), primary_key=True
    )
    right: Mapped[str] = mapped_column(primary_key=True)
    reach: Mapped[str]


class UserRole(Base):
    """One role of a user; rights add up across roles."""

    __tablename__ = "core_user_role"
    __entity__ = "user_role"
    __scope__ = Public()
    __personal__ = ()

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True
    )
    role_id: Mapped[UUID] = mapped_column(
        ForeignKey("core_role.id", ondelete="CASCADE"), primary_key=True
    )


class Ownership(Keyed):
    """Who answered for a customer from when until when; ``until_at`` is None for the present."""

    __tablename__ = "core_ownership"
    __entity__ = "ownership"
    __scope__ = ThroughCustomer()
    __personal__ = ()
    __audited__ = False
    __table_args__ = (Index(None, "customer_id", "from_at"), Index(None, "user_id"))

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("core_customer.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("core_user.id"))
    from_at: Mapped[datetime]
    until_at: Mapped[datetime | None]
    changed_by: Mapped[str]
    """Login of who made the change."""
