"""Sales with the web on a database of each kind, with people of every role and customers of each.

``office.write(lambda uow: ..., "employee")`` does something as somebody, ``web("manager")`` is
somebody's browser. In North are manager, employee and readonly; in South outsider.
"""

from __future__ import annotations

from web_desk import crm, kind, office, offices, web

sqlite_office, postgres_office = offices("web", "sales")
__all__ = ["crm", "kind", "office", "postgres_office", "sqlite_office", "web"]
