"""The rights that the core's services ask for, and what each allows; plugins register theirs."""

from __future__ import annotations

from collections.abc import Mapping

CORE_RIGHTS: Mapping[str, str] = {
    "core.customer.view": "See customers and what hangs on them",
    "core.customer.create": "Add customers",
    "core.customer.edit": "Change customers, their contact points, addresses, tags and ties",
    "core.customer.archive": "Archive customers and bring them back",
    "core.customer.assign": "Say who answers for a customer",
    "core.customer.export": "Write customers to a file",
    "core.customer.import": "Import customers from a file",
    "core.customer.merge": "Merge customers",
    "core.interaction.log": "Log what happened with a customer",
    "core.activity.edit": "Plan and finish things to do",
    "core.consent.record": "Record consents",
    "core.profile.edit": "Set profile values of customers",
    "core.profile.design": "Define profile attributes",
    "core.user.manage": "Add and disable users, grant roles, keep teams",
    "core.role.manage": "Make roles and change their rights",
    "core.settings.edit": "Change the company's settings",
    "core.backend.manage": "Set up back offices and let them be written to",
    "core.sync.run": "Run syncs and the worker",
    "core.sync.resolve": "Decide what counts where both sides changed a field",
    "core.sync.view": "See back offices, runs, conflicts and what is set aside",
    "core.delivery.view": "See what events were handed to",
    "core.delivery.manage": "Retry and drop deliveries of events",
    "core.plugin.manage": "Enable, disable and purge plugins",
    "core.audit.view": "See and verify who changed what",
    "core.database.manage": "Back up and restore the database",
}
