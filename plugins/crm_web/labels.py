"""What the words that are kept in the database are called by people."""

from __future__ import annotations

from collections.abc import Mapping

from crm_core.messages import Message, p, say, t
from crm_core.record_words import ENTITIES, FIELDS

LABELS: Mapping[str, Mapping[str, Message]] = {
    "kind": {"person": t("Person"), "company": t("Company")},
    "stage": {
        "prospect": p("stage of a customer", "Prospect"),
        "active": p("stage of a customer", "Active"),
        "loyal": p("stage of a customer", "Loyal"),
        "lapsed": p("stage of a customer", "Lapsed"),
    },
    "contact": {
        "email": t("E-mail"),
        "phone": t("Phone"),
        "mobile": t("Mobile"),
        "fax": t("Fax"),
        "website": t("Website"),
        "messenger": t("Messenger"),
    },
    "use": {
        "main": p("use of an address", "Main"),
        "invoice": p("use of an address", "Invoices"),
        "delivery": p("use of an address", "Deliveries"),
        "visit": p("use of an address", "Visits"),
        "other": p("use of an address", "Other"),
    },
    "channel": {
        "phone": t("Phone"),
        "email": t("E-mail"),
        "fax": t("Fax"),
        "web": t("Web"),
        "messenger": t("Messenger"),
        "visit": t("Visit"),
        "store": t("Store"),
        "post": p("channel", "Post"),
        "other": p("channel", "Other"),
    },
    "direction": {
        "inbound": t("from the customer"),
        "outbound": t("to the customer"),
        "internal": t("internal"),
    },
    "activity": {
        "call": p("something to do", "Call"),
        "email": p("something to do", "E-mail"),
        "meeting": p("something to do", "Meeting"),
        "visit": p("something to do", "Visit"),
        "task": p("something to do", "Task"),
    },
    "document": {
        "order": t("Order"),
        "invoice": t("Invoice"),
        "refund": t("Refund"),
        "payment": t("Payment"),
    },
    "state": {
        "draft": p("state of a document", "draft"),
        "sent": p("state of a document", "sent"),
        "confirmed": p("state of a document", "confirmed"),
        "done": p("state of a document", "done"),
        "cancelled": p("state of a document", "cancelled"),
        "not_paid": p("state of a document", "not paid"),
        "in_payment": p("state of a document", "in payment"),
        "partial": p("state of a document", "partly paid"),
        "paid": p("state of a document", "paid"),
        "reversed": p("state of a document", "reversed"),
    },
    "delivery": {
        "pending": t("not delivered"),
        "partial": t("partly delivered"),
        "full": t("delivered"),
    },
    "consent": {"given": t("given"), "withdrawn": t("withdrawn")},
    "purpose": {
        "marketing": t("Marketing"),
        "newsletter": t("Newsletter"),
        "profiling": t("Profiling"),
    },
    "relation": {
        "contact of": t("contact of"),
        "has contact": t("has contact"),
        "subsidiary of": t("subsidiary of"),
        "parent of": t("parent of"),
        "household member of": t("household member of"),
        "has household member": t("has household member"),
        "referred by": t("referred by"),
        "referred": t("referred"),
        "partner of": t("partner of"),
        "competitor of": t("competitor of"),
    },
    "entity": ENTITIES,
    "address_use": {
        "invoice": t("Address for invoices"),
        "delivery": t("Address for deliveries"),
        "visit": t("Address for visits"),
        "other": t("Another address"),
    },
    "plugin_state": {
        "enabled": t("in use"),
        "disabled": t("off"),
        "quarantined": t("quarantined"),
        "missing": t("not found"),
    },
    "delivery_state": {
        "pending": t("Waits"),
        "done": t("Handled"),
        "dead": t("Given up"),
        "dropped": t("Left out"),
    },
    "secret_place": {
        "keyring": t("in the keyring"),
        "file": t("in a file"),
        "env": t("in the environment"),
    },
    "audit_action": {
        "create": t("added"),
        "update": t("changed"),
        "delete": t("deleted"),
        "erase": t("erased"),
        "merge": t("merged"),
        "export": t("exported"),
        "stop": t("stopped"),
    },
    "merge_there": {
        "waiting": t("is asked to merge them too, by the next run"),
        "done": t("merged them too"),
        "refused": t("did not merge them"),
        "taken_back": t("was not asked any more"),
    },
    "import_state": {
        "waiting": t("Waits for the worker"),
        "running": t("Under way"),
        "done": t("Done"),
        "stopped": p("state of an import", "Stopped"),
        "failed": p("state of an import", "Failed"),
        "to_undo": t("Is to be undone"),
        "undoing": t("Is being undone"),
        "undone": t("Undone"),
    },
    "import_stage": {
        "check": t("Checking the rows"),
        "write": t("Writing customers"),
        "relate": t("Tying persons to companies"),
        "undo": t("Undoing"),
    },
    "run_state": {
        "running": t("Running"),
        "done": p("state of a sync", "In step"),
        "partly": p("state of a sync", "In step but for some"),
        "stopped": p("state of a sync", "Stopped"),
        "failed": p("state of a sync", "Failed"),
    },
    "request_kind": {
        "run": t("Run"),
        "dry_run": t("What a run would change"),
        "retry": t("Retry of what was set aside"),
        "plan": t("Plan of the first sync"),
        "apply": t("Applying the plan"),
        "check": t("Test of the connection"),
    },
    "request_state": {
        "waiting": t("Waits for the worker"),
        "running": t("Under way"),
        "done": t("Done"),
        "failed": p("state of a request", "Failed"),
        "stopped": p("state of a request", "Stopped"),
        "withdrawn": t("Taken back"),
    },
    "sync_count": {
        "created": t("New"),
        "updated": t("Changed"),
        "unchanged": t("As before"),
        "set_aside": t("Set aside"),
        "linked": t("Linked"),
        "gone": t("Gone"),
        "vanished": t("Not there any more"),
        "deleted": t("Deleted there"),
        "conflicts": t("Conflicts"),
        "merged": t("Merged"),
        "held": t("Held"),
        "taken_over": t("Made here"),
        "done": t("Done before"),
        "ignored": t("Left alone"),
        "undecided": t("Undecided"),
        "refused": t("Left for a new plan"),
    },
    "conflict_state": {
        "open": p("state of a conflict", "Open"),
        "resolved": t("Decided, not carried out yet"),
        "done": p("state of a conflict", "Settled"),
        "gone": t("Went away by itself"),
    },
    "side": {"erp": t("The back office"), "crm": t("The front office")},
    "master": {
        "erp": t("The back office"),
        "crm": t("The front office"),
        "newest": t("Who changed it last"),
        "ask": t("A person decides"),
        "archive": t("Archive it here too"),
        "keep": t("Keep it as it is"),
        "unlink": t("Keep it, and forget the tie"),
        "restore": t("Make it again over there"),
    },
    "hold": {
        "ignored": t("Left alone, since a person wants it so"),
        "undecided": t("Nobody has decided yet"),
        "moved": t("It changed after it was decided on"),
    },
    "hold_side": {"local": t("Here"), "remote": t("There")},
    "plan_decision": {
        "link": t("Link the two"),
        "create": t("Create"),
        "ignore": t("Leave alone"),
        "open": t("Leave open"),
    },
    "plan_group": {
        "decide": t("To decide"),
        "link": t("Link"),
        "create_here": t("Create here"),
        "create_there": t("Create there"),
        "ignore": t("Leave alone"),
    },
    "module": {
        "interaction": t("Contacts"),
        "activity": t("Done activities"),
        "document": t("Documents"),
    },
    "field": FIELDS,
    "token": {"read": p("a token may", "Read"), "write": p("a token may", "Read and write")},
    "role": {
        "Administrator": p("role", "Administrator"),
        "Manager": p("role", "Manager"),
        "Employee": p("role", "Employee"),
        "Read only": p("role", "Read only"),
        "Synchronisation jobs": p("role", "Synchronisation jobs"),
    },
    "reach": {
        "none": p("reach of a right", "None"),
        "own": p("reach of a right", "Own"),
        "team": p("reach of a right", "Team"),
        "all": p("reach of a right", "All"),
    },
}
"""By topic, then by the word kept; a word that stands nowhere is shown as it is."""


def label(word: str | None, topic: str) -> str:
    """Return what people read for a word kept, such as ``prospect`` of the topic ``stage``."""
    if not word:
        return "–"
    known = LABELS.get(topic, {}).get(word)
    return say(known) if known is not None else word.replace("_", " ")
