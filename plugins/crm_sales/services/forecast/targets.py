"""Targets of persons, teams and the company: set one by one, or by a file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import false, select

from crm_core.access import Reach
from crm_core.entities import User
from crm_core.entities.user import Team, TeamMember
from crm_core.errors import CrmError, InputError, NotFoundError, PermissionDeniedError
from crm_core.messages import joined, t
from crm_core.persistence.paging import DEFAULT_LIMIT, Page, page_of
from crm_core.persistence.scope import owner_criterion
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.checks import expect_version
from crm_core.services.currencies import checked_code, ensure_currency, rounded
from crm_core.services.settings import company_day, load_settings
from crm_core.services.table_files import read_table
from crm_core.services.users import user_named
from crm_sales.models import SalesTarget
from crm_sales.permissions import CONFIGURE, FORECAST_VIEW
from crm_sales.services.forecast.periods import period_from

MOST = Decimal(10) ** 12
COLUMNS = ("period", "user", "team", "amount", "currency")
SHOWN_FAULTS = 10


def set_target(
    uow: UnitOfWork,
    *,
    period: str,
    amount: Decimal,
    user: str | None = None,
    team: str | None = None,
    currency_code: str | None = None,
    expected_version: int | None = None,
) -> SalesTarget:
    """Say what a user, a team or, where neither is named, the company is to win in a period.

    Args:
        uow: A writing unit of work.
        period: ``2026-11`` or ``2026-Q4``; ``month`` and ``quarter`` are those of today.
        amount: How much; replaces what was set before.
        user: A login.
        team: A team's name.
        currency_code: Of the amount; the base currency unless said.
        expected_version: The version the caller read, where there is a target to be replaced.

    Raises:
        PermissionDeniedError: The right is missing, or the forecast of that holder is out of reach.
        InputError: Both a user and a team are named, or the period or amount will not do.
        NotFoundError: There is no such user or team.
        StaleVersionError: Somebody else changed it meanwhile.
    """
    uow.actor.require(CONFIGURE)
    settings = load_settings(uow)
    today = company_day(uow)
    meant = period_from(period, today)
    code = ensure_currency(uow, checked_code(currency_code or settings.base_currency)).code
    if not amount.is_finite() or not 0 <= amount <= MOST:
        raise InputError(
            t("{amount} will not do as a target: give an amount from 0 upwards.", amount=amount),
            code="sales.target.amount",
        )
    user_id, team_id = _holder(uow, user, team)
    holder = f"user:{user_id}" if user_id else f"team:{team_id}" if team_id else "company"
    found: SalesTarget | None = uow.scalar(
        select(SalesTarget).where(
            SalesTarget.period == meant.code,
            SalesTarget.holder == holder,
            SalesTarget.currency_code == code,
        )
    )
    if found is None:
        found = uow.add(
            SalesTarget(
                period=meant.code,
                first_on=meant.first_on,
                last_on=meant.last_on,
                holder=holder,
                user_id=user_id,
                team_id=team_id,
                amount=rounded(amount, code),
                currency_code=code,
                created_at=uow.now,
                updated_at=uow.now,
            )
        )
    else:
        expect_version(found, expected_version)
        found.amount, found.updated_at = rounded(amount, code), uow.now
    uow.flush()
    return found


def remove_target(uow: UnitOfWork, target_id: UUID, *, expected_version: int | None = None) -> None:
    """Take a target back.

    Raises:
        PermissionDeniedError: The right is missing, or the forecast of its holder is out of reach.
        NotFoundError: There is none that the actor may see.
        StaleVersionError: Somebody else changed it meanwhile.
    """
    uow.actor.require(CONFIGURE)
    target = uow.get(SalesTarget, target_id)
    expect_version(target, expected_version)
    uow.delete(target)
    uow.flush()


def list_targets(
    uow: UnitOfWork,
    *,
    period: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[dict[str, Any]]:
    """Return targets, those of the latest periods first.

    A dict holds ``id, version, period, user, user_name, team, amount, currency_code``; both
    ``user`` (a login) and ``team`` (a name) are None for the company's.
    """
    uow.actor.require(FORECAST_VIEW)
    statement = (
        select(
            SalesTarget.id,
            SalesTarget.version,
            SalesTarget.period,
            User.login.label("user"),
            User.name.label("user_name"),
            Team.name.label("team"),
            SalesTarget.amount,
            SalesTarget.currency_code,
        )
        .outerjoin(User, User.id == SalesTarget.user_id)
        .outerjoin(Team, Team.id == SalesTarget.team_id)
    )
    if period:
        today = company_day(uow)
        statement = statement.where(SalesTarget.period == period_from(period, today).code)
    keys = (SalesTarget.first_on, SalesTarget.id)
    return page_of(uow, statement, keys=keys, limit=limit, cursor=cursor, descending=True)


def target_holders(uow: UnitOfWork) -> list[dict[str, str]]:
    """Return for whom the actor may set targets: ``key`` (``user:LOGIN``, ``team:NAME``), ``name``.

    The company comes first, with the key ``company``, for those who see all deals.
    """
    uow.actor.require(CONFIGURE)
    actor, reach = uow.actor, uow.actor.reach(FORECAST_VIEW)
    users = select(User.login, User.name).where(User.is_enabled).order_by(User.name)
    teams = select(Team.name).order_by(Team.name)
    mine = owner_criterion(User.id, actor, reach)
    if mine is not None:
        member = TeamMember.user_id == actor.user_id
        users = users.where(mine)
        ours = select(TeamMember.team_id).where(member)
        teams = teams.where(Team.id.in_(ours) if reach is Reach.TEAM else false())
    company = [{"key": "company", "name": t("The company")}] if mine is None else []
    return [
        *company,
        *({"key": f"team:{row.name}", "name": row.name} for row in uow.execute(teams)),
        *({"key": f"user:{row.login}", "name": row.name} for row in uow.execute(users)),
    ]


def import_targets(uow: UnitOfWork, path: Path) -> int:
    """Set targets from a CSV or spreadsheet file, all of them or none.

    Args:
        uow: A writing unit of work.
        path: The file; its columns are ``period, amount`` and, where wanted, ``user`` (a login),
            ``team`` (a name) and ``currency``.

    Returns:
        How many were set.

    Raises:
        InputError: The file, or some of its lines, will not do; the message names the lines.
    """
    uow.actor.require(CONFIGURE)
    lines = read_table(path, is_known=lambda name: name.strip().lower() in COLUMNS)
    _, header = next(lines)
    names = [name.strip().lower() for name in header]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or not {"period", "amount"} <= set(names):
        raise InputError(
            t(
                "A file of targets has the columns {columns}; this one has {names}.",
                columns=joined(COLUMNS, ", "),
                names=joined(names, ", "),
            ),
            code="sales.target.file",
        )
    faults: list[str] = []
    count = 0
    for line, cells in lines:
        given = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        try:
            set_target(uow, **_typed(given))
            count += 1
        except CrmError as error:
            faults.append(t("line {line}: {reason}", line=line, reason=error.message))
    if faults:
        raise InputError(
            t("Nothing was set:\n{faults}", faults=joined(faults[:SHOWN_FAULTS], "\n")),
            code="sales.target.file",
            details={"faults": len(faults)},
        )
    return count


def _typed(given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "period": given["period"] or "-",
        "amount": amount_from(given["amount"]),
        "user": given.get("user") or None,
        "team": given.get("team") or None,
        "currency_code": given.get("currency") or None,
    }


def amount_from(text: str) -> Decimal:
    """Return the amount that a text means; raises InputError for none."""
    try:
        return Decimal(text.replace(" ", "").replace("\u00a0", ""))
    except InvalidOperation:
        raise InputError(
            t("{text!r} is no amount: write it like 12500.00.", text=text[:40]),
            code="sales.target.amount",
        ) from None


def _holder(
    uow: UnitOfWork, login: str | None, team: str | None
) -> tuple[UUID | None, UUID | None]:
    if login and team:
        raise InputError(
            t("A target is a user's or a team's: name one of them, or none for the company."),
            code="sales.target.holder",
        )
    reach = uow.actor.reach(FORECAST_VIEW)
    if login:
        user = user_named(uow, login)
        uow.actor.require_for_owner(FORECAST_VIEW, user.id, user.name)
        return user.id, None
    if not team:
        _require_reach(uow, reach is Reach.ALL)
        return None, None
    team_id: UUID | None = uow.scalar(select(Team.id).where(Team.name == team))
    if team_id is None:
        raise NotFoundError(t("There is no team {name!r}.", name=team), code="core.team.not_found")
    is_member = reach is Reach.TEAM and uow.find(TeamMember, (team_id, uow.actor.user_id))
    _require_reach(uow, reach is Reach.ALL or bool(is_member))
    return None, team_id


def _require_reach(uow: UnitOfWork, is_reached: bool) -> None:
    if not is_reached:
        raise PermissionDeniedError(
            t(
                "{login} sees only part of these deals, and so sets no target for all of them: ask "
                "an administrator.",
                login=uow.actor.login,
            ),
            details={"right": FORECAST_VIEW, "login": uow.actor.login},
        )
