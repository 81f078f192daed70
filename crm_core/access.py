"""Actors, rights and how far a right reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from uuid import UUID

import structlog

from crm_core.errors import PermissionDeniedError
from crm_core.messages import t

log = structlog.get_logger(__name__)


class Reach(IntEnum):
    """How far a right reaches: no record, one's own, the team's, all. Wider is greater."""

    NONE = 0
    OWN = 1
    TEAM = 2
    ALL = 3


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: rights already added up over all roles (the widest reach of each wins).

    Attributes:
        user_id: The user, or None for the system itself.
        login: Shown in the audit.
        rights: Right code to reach; ``*`` stands for every right.
        team_user_ids: All members of the teams this user belongs to.
        origin: Where the act comes from: ``cli``, ``web``, ``import``, ``sync:NAME``.
        language: The tag of the language they chose to be addressed in; None for no choice.
    """

    user_id: UUID | None
    login: str
    rights: Mapping[str, Reach] = field(default_factory=dict)
    team_user_ids: frozenset[UUID] = frozenset()
    origin: str = "cli"
    language: str | None = None

    def reach(self, right: str) -> Reach:
        """Return how far ``right`` reaches for this actor."""
        return max(self.rights.get(right, Reach.NONE), self.rights.get("*", Reach.NONE))

    def may(self, right: str) -> bool:
        """Return whether this actor holds ``right`` at all."""
        return self.reach(right) is not Reach.NONE

    def require(self, right: str) -> None:
        """Raise PermissionDeniedError unless this actor holds ``right``."""
        if not self.may(right):
            raise PermissionDeniedError(
                t(
                    "{login} lacks the right {right}. Ask an administrator for a role that has it "
                    "(crm user role grant {login} ROLE).",
                    login=self.login,
                    right=right,
                ),
                details={"right": right, "login": self.login},
            )

    def may_for_owner(self, right: str, owner_id: UUID | None) -> bool:
        """Return whether ``right`` reaches a record owned by ``owner_id``."""
        reach = self.reach(right)
        if reach is Reach.ALL:
            return True
        if owner_id is None:
            return False
        if reach is Reach.TEAM:
            return owner_id == self.user_id or owner_id in self.team_user_ids
        return reach is Reach.OWN and owner_id == self.user_id

    def require_for_owner(self, right: str, owner_id: UUID | None, what: str) -> None:
        """Raise PermissionDeniedError unless ``right`` reaches ``what``, owned by ``owner_id``."""
        self.require(right)
        if not self.may_for_owner(right, owner_id):
            raise PermissionDeniedError(
                t(
                    "{login} may not do this to {what}: the right {right} reaches only "
                    "{right_name} records. Ask its owner or an administrator.",
                    login=self.login,
                    what=what,
                    right=right,
                    right_name=self.reach(right).name.lower(),
                ),
                details={"right": right, "login": self.login},
            )


def system_actor(reason: str) -> Actor:
    """Return an actor that may do everything, for work no person started; the reason is logged.

    Args:
        reason: A short name for the work, such as ``sync:main``; stands in the audit.
    """
    log.debug("acting as the system", reason=reason)
    return Actor(user_id=None, login="system", rights={"*": Reach.ALL}, origin=reason)
