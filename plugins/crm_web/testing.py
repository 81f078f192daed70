"""Pages in the tests of a plugin: a browser without a screen, in which a user is signed in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from werkzeug.test import TestResponse

from crm_core.access import system_actor
from crm_core.bootstrap import Application
from crm_core.services.users import user_named
from crm_web.app import create_app
from crm_web.opening import COOKIE
from crm_web.security import CSRF_FIELD
from crm_web.services.sessions import csrf_token, open_session


class Browser:
    """Opens pages and sends forms as a user.

    Args:
        application: The product, with the plugin and the web enabled.
        login: Who is signed in.
    """

    def __init__(self, application: Application, login: str) -> None:
        with application.unit_of_work(system_actor("test"), write=True) as uow:
            self._token = open_session(uow, user_named(uow, login))
            uow.commit()
        self._client = create_app(application).test_client()
        self._client.set_cookie(COOKIE, self._token)

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        return self._client.get(path)

    def post(self, path: str, form: Mapping[str, Any] | None = None) -> TestResponse:
        """Send a form, with the token that its page would carry."""
        once = secrets.token_hex(8)
        token = f"{once}.{csrf_token(self._token, once)}"
        return self._client.post(path, data={CSRF_FIELD: token, **(form or {})})
