"""Where the actor is, and which of the product's languages they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_core.locale_format import Place

if TYPE_CHECKING:
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.services.settings import Settings


def place_of(uow: UnitOfWork, settings: Settings) -> Place:
    """Return where the actor is: their own zone and language, else the company's."""
    from crm_core.entities.user import User

    user = uow.find(User, uow.actor.user_id) if uow.actor.user_id else None
    zone = (user and user.time_zone) or settings.time_zone
    language = (user and user.language) or settings.language
    return Place.of(language, zone)
