"""What a page is given: who looks, what was sent, and the ways to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from flask import make_response, redirect, render_template, send_file, url_for
from flask import request as flask_request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.wrappers import Response

from crm_core.access import system_actor
from crm_core.borrowed_words import own_words
from crm_core.errors import InputError
from crm_core.services.settings import give_settings
from crm_web.sdk.forms import SEE_BESIDE
from crm_web.services.throttle import count_attempt, counted_use, network_of

if TYPE_CHECKING:
    from uuid import UUID

    from crm_core.access import Actor
    from crm_core.bootstrap import Application
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_core.services.settings import Settings


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person who looks at a page.

    Attributes:
        user_id: Whose record it is.
        login: What they sign in with.
        name: What they are called.
        language: One of the product's languages.
        time_zone: IANA name; moments are shown in it.
    """

    user_id: UUID
    login: str
    name: str
    language: str
    time_zone: str


@dataclass
class Request:
    """One request, as a page sees it.

    Attributes:
        application: The product: settings, plugins, back offices.
        settings: Of this database.
        viewer: Who looks; None on pages that open without signing in.
        actor: Whom services act for; None where nobody signed in.
        args: What stands behind the question mark.
        form: What a form sent.
        files: Files that it sent.
        method: ``GET`` or ``POST``.
        path: The path, with what stands behind the question mark.
        wants_json: Whether a script asks and data will do instead of a page.
    """

    application: Application
    settings: Settings
    viewer: Viewer | None
    actor: Actor | None
    args: MultiDict[str, str]
    form: MultiDict[str, str]
    files: MultiDict[str, FileStorage]
    method: str
    path: str
    wants_json: bool = False
    notices: list[tuple[str, str]] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    _uow: UnitOfWork | None = None

    @property
    def uow(self) -> UnitOfWork:
        """The unit of work of this request: reading for ``GET``, else writing."""
        assert self._uow is not None, "a page that nobody signed in for opens its own"
        return self._uow

    def open(self, uow: UnitOfWork) -> None:
        """Be given the unit of work; the dispatcher alone does so."""
        self._uow = uow
        give_settings(uow, self.settings)

    def may(self, right: str) -> bool:
        """Return whether the viewer holds a right at all."""
        return self.actor is not None and (not right or self.actor.may(right))

    def render(self, template: str, **context: Any) -> str:
        """Return a page: the template, given ``request`` and ``context``."""
        return render_template(template, request=self, **context)

    def refuse(self, template: str, status: int = 422, **context: Any) -> Response:
        """Return a page that says why nothing was saved; nothing is committed."""
        return make_response(self.render(template, **context), status)

    def to(self, name: str, /, **arguments: Any) -> Response:
        """Send the browser on to another page, such as ``loyalty.cards``."""
        return redirect(url_for(name, **arguments), 303)

    def done(self, message: str, *, to: str, **arguments: Any) -> Response:
        """Say what was done on the page that comes next."""
        self.notices.append(("done", message))
        return self.to(to, **arguments)

    def back(self, message: str | None = None, *, otherwise: str, **arguments: Any) -> Response:
        """Return to the page that the form stood on, when it told so, else to another."""
        if message:
            self.notices.append(("done", message))
        told = self.form.get("back", "")
        if is_local(told):
            return redirect(told, 303)
        return self.to(otherwise, **arguments)

    def give_to_copy(self, text: str) -> None:
        """Show a text on the page that comes next, this once, with a button that copies it."""
        self.notices.append(("copy", text))

    def file(self, name: str, content: bytes, media_type: str) -> Response:
        """Have the browser keep a file."""
        return send_file(
            BytesIO(content), mimetype=media_type, as_attachment=True, download_name=name
        )

    def slow_down(self, what: str, whose: str | None = None, *, free: int) -> None:
        """Count an attempt at something on a page that opens without signing in.

        It is counted in the database, for all processes alike, in a transaction of its own.

        Args:
            what: What is tried, such as ``offer answer``.
            whose: For what it is counted; where the request comes from unless said.
            free: How many may be tried before each further one has to wait longer; forgotten when
                nothing was tried for twelve hours.

        Raises:
            CrmError: There were too many; it says how long to wait, with the status 429.
        """
        of = network_of(flask_request.remote_addr) if whose is None else whose
        with self.application.unit_of_work(system_actor("web"), write=True) as uow:
            count_attempt(uow, counted_use(what, of, free=free))
            uow.commit()

    def read(self, schema: Schema, *, lists: Iterable[str] = ()) -> dict[str, Any]:
        """Return what a form sent, checked by a schema; empty fields count as not filled in.

        Args:
            schema: What it has to be.
            lists: Fields of which several may be sent.

        Raises:
            InputError: It is not; ``details["fields"]`` names what is wrong with each.
        """
        several = set(lists)
        raw: dict[str, Any] = {
            name: self.form.getlist(name) if name in several else value.strip()
            for name, value in self.form.items()
            if name in schema.fields
        }
        raw = {name: None if value == "" else value for name, value in raw.items()}
        try:
            loaded: dict[str, Any] = dict(schema.load(raw))
        except ValidationError as error:
            told: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
            raise InputError(
                SEE_BESIDE,
                code="web.form",
                details={"fields": {name: _first(told[name]) for name in told}},
            ) from None
        return loaded


def _first(messages: Any) -> str:
    while isinstance(messages, Mapping):
        messages = next(iter(messages.values()))
    return own_words(messages[0] if isinstance(messages, list) else messages)


def is_local(path: str) -> bool:
    """Return whether a path that was sent to us leads nowhere but here.

    Browsers take a backslash for a slash and leave out control characters.
    """
    clean = path.startswith("/") and not path.startswith(("//", "/\\"))
    return clean and all(character > " " and character != "\\" for character in path)
