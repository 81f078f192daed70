"""The web on a database of each kind: people of every role signed in, and customers of each."""

from __future__ import annotations

from web_desk import crm, kind, office, offices, quick_hashing, web

sqlite_office, postgres_office = offices("web")
__all__ = [
    "crm",
    "kind",
    "office",
    "postgres_office",
    "quick_hashing",
    "sqlite_office",
    "web",
]
