"""The rights that the core's services ask for, and what each allows; plugins register theirs."""

from __future__ import annotations

from collections.abc import Mapping

from crm_core.messages import t

CORE_RIGHTS: Mapping[str, str] = {
    "core.customer.view": t("See customers and what hangs on them"),
    "core.customer.create": t("Add customers"),
    "core.customer.edit": t("Change customers, their contact points, addresses, tags and ties"),
    "core.customer.archive": t("Archive customers and bring them back"),
    "core.customer.assign": t("Say who answers for a customer"),
    "core.customer.export": t("Write customers to a file"),
    "core.customer.import": t("Import customers from a file"),
    "core.customer.merge": t("Merge customers"),
    "core.view.share": t("Share saved views with everybody"),
    "core.interaction.log": t("Log what happened with a customer"),
    "core.activity.edit": t("Plan and finish things to do"),
    "core.consent.record": t("Record consents"),
    "core.profile.edit": t("Set profile values of customers"),
    "core.profile.design": t("Define profile attributes"),
    "core.user.manage": t("Add and disable users, grant roles, keep teams"),
    "core.role.manage": t("Make roles and change their rights"),
    "core.settings.edit": t("Change the company's settings"),
    "core.backend.manage": t("Set up back offices and let them be written to"),
    "core.sync.run": t("Run syncs and the worker"),
    "core.sync.resolve": t("Decide what counts where both sides changed a field"),
    "core.sync.view": t("See back offices, runs, conflicts and what is set aside"),
    "core.delivery.view": t("See what events were handed to"),
    "core.delivery.manage": t("Retry and drop deliveries of events"),
    "core.plugin.manage": t("Enable, disable and purge plugins"),
    "core.audit.view": t("See and verify who changed what"),
    "core.database.manage": t("Back up and restore the database"),
}
