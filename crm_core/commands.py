"""The commands there are: name to place and one line of help; nothing heavy is imported here."""

from __future__ import annotations

import sys
from pathlib import Path

from crm_core.messages import t

COMMANDS = {
    "init": ("crm_core.cli.init:init", t("Set up a database and the first administrator.")),
    "doctor": ("crm_core.cli.doctor:doctor", t("Say what is wrong and what to do about it.")),
    "demo": ("crm_core.cli.demo:demo", t("Try it out in a folder of its own.")),
    "customer": ("crm_core.cli.customer:customer", t("Find, show and edit customers.")),
    "activity": ("crm_core.cli.activity:activity", t("Plan, finish and list things to do.")),
    "backend": ("crm_core.cli.backend:backend", t("Set up ERPs to be in step with.")),
    "sync": ("crm_core.cli.sync:sync", t("Bring over what changed in an ERP.")),
    "plugins": ("crm_core.cli.plugins:plugins", t("Turn modules on and off, and make new ones.")),
    "worker": ("crm_core.cli.worker:worker", t("Run syncs and upkeep, unattended.")),
    "delivery": ("crm_core.cli.delivery:delivery", t("See what plugins were told of; try again.")),
    "user": ("crm_core.cli.user:user", t("Add users and give them roles.")),
    "setting": ("crm_core.cli.setting:setting", t("See and change settings.")),
    "db": ("crm_core.cli.db:db", t("Upgrade, back up and restore the database.")),
    "audit": ("crm_core.cli.audit:audit", t("Verify the record of who changed what.")),
}
PLUGIN_SECTION = "[crm.commands]"


def plugin_commands() -> dict[str, str]:
    """Return the commands that installed plugins bring, each with its package.

    Reads the entry points' files by itself: ``importlib.metadata`` takes half as long to import as
    all else that ``crm --help`` does.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        for file in sorted(Path(place or ".").glob("*.dist-info/entry_points.txt")):
            text = file.read_text(encoding="utf-8")
            _, _, section = text.partition(PLUGIN_SECTION)
            for line in section.partition("\n[")[0].splitlines():
                name, equals, target = (part.strip() for part in line.partition("="))
                if equals:
                    found.setdefault(name, target.partition(":")[0].partition(".")[0])
    return found
