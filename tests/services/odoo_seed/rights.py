"""The users that the tests log in as: one may read what a pull needs, one also write, one not."""

from __future__ import annotations

from collections.abc import Mapping

from odoo_seed.ways import groups_field
from odoo_seed.world import World

BOT_GROUPS = (
    "base.group_user",
    "account.group_account_readonly",
    "stock.group_stock_user",
)
WRITER_GROUPS = (*BOT_GROUPS, "base.group_partner_manager")
PLAIN_GROUPS = ("base.group_user", "sales_team.group_sale_salesman_all_leads")


def make(world: World, secrets: Mapping[str, str]) -> None:
    for login, name, groups in (
        ("crm_bot", "CRM Integration", BOT_GROUPS),
        ("plain_sales", "Plain Sales", PLAIN_GROUPS),
        ("crm_writer", "CRM Integration, Both Ways", WRITER_GROUPS),
    ):
        world.create(
            login,
            "res.users",
            [
                {
                    "name": name,
                    "login": login,
                    "password": secrets[login],
                    "email": f"{login}@example.com",
                    "tz": "UTC",
                    "lang": "en_US",
                    "notification_type": "inbox",
                    groups_field(world.odoo): [(6, 0, [world.odoo.ref(group) for group in groups])],
                }
            ],
        )
