"""People and customers for tests of the web: who owns what, and the words to tell it by.

Everything of a customer carries a mark that stands nowhere else: where it is read, that customer
shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from crm_core.access import Reach, system_actor
from crm_core.bootstrap import Application
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.activities import add_activity
from crm_core.services.attachments import attach_file, keep_bytes
from crm_core.services.consents import record_consent
from crm_core.services.contact_details import add_address, add_contact_point
from crm_core.services.customer_merge import merge_customers
from crm_core.services.installation import Answers, install
from crm_core.services.interactions import log_interaction
from crm_core.services.ownership import assign_owner
from crm_core.services.profile import define_attribute, set_profile_value
from crm_core.services.relationships import relate_customers
from crm_core.services.roles import add_role
from crm_core.services.saved_views import add_view
from crm_core.services.tags import tag_customer
from crm_core.services.teams import add_team, add_team_member
from crm_core.services.users import actor_for_login, add_user, user_named
from crm_core.testing.factories import make_customer, make_invoice, make_order

PASSWORD = "seventeen blue herons"
ROLES = ("admin", "manager", "employee", "readonly", "outsider")
"""Login and role alike. ``outsider`` is of another team and sees that team's customers alone."""
NAMES = {
    "admin": "Άννα Διαχειρίστρια",
    "manager": "Mara Manager",
    "employee": "Eleni Employee",
    "readonly": "Rod Readonly",
    "outsider": "Oskar Outsider",
}
TEAMS = {"North": ("manager", "employee", "readonly"), "South": ("outsider",)}
MARKS = {"employee": "Northquux", "outsider": "Southquux", "manager": "Midquux", "": "Freequux"}
"""Owner to the mark of their customer; one belongs to nobody."""
OUTSIDERS = {
    f"core.{right}": Reach.TEAM
    for right in (
        "customer.view customer.edit customer.archive customer.assign customer.export "
        "customer.merge interaction.log activity.edit consent.record profile.edit"
    ).split()
} | {"core.customer.create": Reach.ALL, "core.customer.import": Reach.ALL}


@dataclass(frozen=True)
class Known:
    """What was set up.

    Attributes:
        customers: Owner to customer.
        users: Login to user.
        records: Owner to more of that customer, named as paths name it: ``activity_id``…
        tokens: Login to the cookie of a browser that they are signed in with.
        own: Login to what is theirs alone: ``view_id``, ``token_id``, ``session_id``.
        folder: Where attached files lie.
    """

    customers: dict[str, UUID] = field(default_factory=dict)
    users: dict[str, UUID] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    own: dict[str, dict[str, UUID]] = field(default_factory=dict)
    folder: Path = Path()


def set_up(application: Application, outsiders: Mapping[str, Reach] = OUTSIDERS) -> Known:
    """Fill an empty database on which the web is enabled already.

    Args:
        application: The product.
        outsiders: What the role of that name may do.
    """
    from crm_web.services.passwords import set_password

    known = Known(folder=application.config.files_folder)
    with application.unit_of_work(system_actor("test"), write=True) as uow:
        add_role(uow, "outsider", name="Outsider", rights=outsiders)
        for login in ROLES:
            user = (
                add_user(
                    uow, login, name=NAMES[login], email=f"{login}@example.com", role_codes=[login]
                )
                if login != "admin"
                else None
            )
            if user is not None:
                known.users[login] = user.id
            set_password(uow, login, PASSWORD)
        for team, members in TEAMS.items():
            add_team(uow, team)
            for login in members:
                add_team_member(uow, team, login)
        known.users["admin"] = actor_for_login(uow, "admin").user_id  # type: ignore[assignment]
        define_attribute(uow, "mood", title="Mood", type="text")
        for owner, mark in MARKS.items():
            known.customers[owner], known.records[owner] = _customer(uow, owner, mark, known)
        uow.commit()
    for login in ROLES:
        known.own[login] = _own(application, login)
    return known


def _own(application: Application, login: str) -> dict[str, UUID]:
    """Give a user what nobody else may see."""
    from crm_web.services.api_tokens import add_token
    from crm_web.services.sessions import list_sessions, open_session

    with application.unit_of_work(system_actor("test"), write=True) as uow:
        actor, user = actor_for_login(uow, login, origin="web"), user_named(uow, login)
        open_session(uow, user, user_agent=f"{login}'s other browser")
        (session,) = list_sessions(uow, user.id)
        uow.commit()
    with application.unit_of_work(actor, write=True) as uow:
        own = {
            "session_id": session["id"],
            "view_id": add_view(uow, f"View of {login} alone", "stage=prospect").id,
        }
        if actor.may("web.token.manage_own"):
            own["token_id"] = add_token(uow, f"Token of {login} alone")[1].id
        uow.commit()
    return own


def installed(application: Application) -> None:
    """Set the database up, before plugins are enabled."""
    answers = Answers("Test company", "EUR", "UTC", "en", None, "admin")
    with application.unit_of_work(system_actor("test"), write=True) as uow:
        install(uow, answers, os_user="nobody")
        uow.commit()


def _customer(uow: UnitOfWork, owner: str, mark: str, known: Known) -> tuple[UUID, dict[str, UUID]]:
    customer = make_customer(
        uow,
        f"{mark} Παπαδόπουλος & Sons",
        kind="company",
        contact_points=[{"kind": "email", "value": f"{mark.lower()}@example.com"}],
    )
    id_ = customer.id
    assign_owner(uow, id_, known.users.get(owner))
    twin = make_customer(uow, f"{mark} twin")
    assign_owner(uow, twin.id, known.users.get(owner))
    merged = make_customer(uow, f"{mark} merged away", kind="company")
    assign_owner(uow, merged.id, known.users.get(owner))
    kept = keep_bytes(known.folder, BytesIO(f"{mark} file".encode()))
    set_profile_value(uow, id_, "mood", f"{mark} mood")
    tag_customer(uow, id_, ["wholesale"])  # the words themselves are everybody's
    records = {
        "interaction_id": log_interaction(
            uow, id_, channel="phone", direction="inbound", subject=f"{mark} called"
        ),
        "activity_id": add_activity(
            uow,
            id_,
            type="call",
            due_at=uow.now - timedelta(hours=2),
            summary=f"Call {mark} back",
            owner_id=known.users.get(owner),
        ),
        "order": make_order(uow, id_, number=f"SO-{mark}"),
        "invoice": make_invoice(uow, id_, number=f"INV-{mark}", total="431.07"),
        "consent": record_consent(
            uow, id_, purpose="newsletter", channel="email", status="given", evidence=f"{mark} form"
        ),
        "point_id": add_contact_point(uow, id_, "email", f"second.{mark.lower()}@example.com"),
        "address_id": add_address(uow, id_, {"use": "delivery", "city": f"{mark} city"}),
        "attachment_id": attach_file(uow, id_, kept, file_name=f"{mark}.txt"),
        "tie_id": relate_customers(uow, twin.id, "contact_of", id_),
        "other_id": twin,
        "merge_id": merge_customers(uow, id_, merged.id),
    }
    uow.flush()
    return id_, {name: record.id for name, record in records.items()}
