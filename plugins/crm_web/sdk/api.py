"""Declaring resources of the REST API: what comes in, what goes out, what it takes.

::

    api = Api("loyalty", title="Loyalty cards")

    @api.get("/cards", query=CardQuery, page=CardResult, right=VIEW)
    def list_(call: Call) -> Page[dict[str, Any]]:
        \"\"\"List cards.\"\"\"
        return list_cards(call.uow, **call.query)

    @api.post("/cards", body=NewCardSchema, result=CardResult, status=201, right=ISSUE)
    def issue(call: Call) -> Card:
        \"\"\"Issue a card.\"\"\"
        return issue_card(call.uow, **call.body)

They stand at ``/api/v1/loyalty/cards``, in the OpenAPI document and on the page of documentation.
Arguments and bodies are checked by their schemas, which refuse what they do not know; errors of the
core become problems (RFC 9457). What is not a ``get`` writes in one unit of work, committed when it
was answered; every ``post`` takes an ``Idempotency-Key``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from werkzeug.datastructures import FileStorage

from crm_core.errors import InputError
from crm_core.kept_messages import said_within
from crm_core.messages import say, t
from crm_core.persistence.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT

if TYPE_CHECKING:
    from crm_core.access import Actor
    from crm_core.persistence.unit_of_work import UnitOfWork
    from crm_web.sdk.request import Request

View = Callable[..., Any]
V = TypeVar("V", bound=View)
LONGEST_CURSOR = 4_000
EARLIEST, LATEST = 1800, 2300
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class Strict(Schema):
    """Base of queries and bodies: a field that is not known is refused."""

    class Meta:
        """Options as marshmallow reads them."""

        unknown = RAISE


class Whole(fields.Integer):
    """A whole number; marshmallow's own would take ``"1_0"`` and ``true`` too.

    Args:
        in_query: Whether it comes as text, behind the question mark.
    """

    def __init__(self, *, in_query: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.in_query = in_query

    def _validated(self, value: Any) -> int:
        if self.in_query:
            is_whole = isinstance(value, str) and _WHOLE.fullmatch(value) is not None
        else:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            is_whole = is_number and value == value // 1
        if not is_whole:
            raise self.make_error("invalid", input=value)
        return int(value)


class Flag(fields.Boolean):
    """True or false, and nothing that might mean so; ``in_query`` as for :class:`Whole`."""

    def __init__(self, *, in_query: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.in_query = in_query

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        known: tuple[Any, Any] = ("false", "true") if self.in_query else (False, True)
        if type(value) is not type(known[0]) or value not in known:
            raise self.make_error("invalid", input=value)
        return bool(value == known[1])


class MomentThere(fields.AwareDateTime):
    """A moment in the zone it was sent in; one that no calendar of a desk reaches is refused."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, *args, **kwargs)
        if not EARLIEST < moment.year < LATEST:
            raise InputError(
                t("{moment} is too far away: give another moment.", moment=str(value)[:40]),
                code="web.api.moment",
            )
        return moment


class Moment(MomentThere):
    """A moment with its zone, kept in UTC."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        return super()._deserialize(value, *args, **kwargs).astimezone(UTC)


class File(fields.Raw):
    """A file that a form sends, in an ``upload``."""

    def __init__(self, **options: Any) -> None:
        told = {"type": "string", "format": "binary", **options.pop("metadata", {})}
        super().__init__(metadata=told, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> FileStorage:
        if not isinstance(value, FileStorage) or not value.filename:
            raise ValidationError("is no file.")
        return value


class Said(fields.String):
    """A text for people, given back in the caller's language."""

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str | None:
        return None if value is None else say(value)


class SaidData(fields.Raw):
    """Plain data, given back with all texts for people in it in the caller's language."""

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return said_within(value)


class PageQuery(Strict):
    """Base of the queries of lists that come in pages."""

    limit = Whole(
        in_query=True,
        validate=validate.Range(1, MAXIMUM_LIMIT),
        metadata={"description": f"Items a page, {DEFAULT_LIMIT} unless said."},
    )
    cursor = fields.String(
        validate=validate.Length(min=1, max=LONGEST_CURSOR),
        metadata={"description": "``next_cursor`` of the page before; leave it out for the first."},
    )


class Result(Schema):
    """Base of what is given back: a field may be null unless it is ``required``."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Let what is not required be null."""
        del field_name
        field_obj.allow_none = not field_obj.required


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, as an operation sees it.

    Attributes:
        request: The request: application, settings, who calls.
        query: The arguments, checked; only those given.
        body: What was sent, checked; only the fields given.
        expected_version: What ``If-Match`` says; None for whatever is there.
    """

    request: Request
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    expected_version: int | None = None

    @property
    def uow(self) -> UnitOfWork:
        """The unit of work: reading for ``get``, else writing."""
        return self.request.uow

    @property
    def actor(self) -> Actor:
        """Whom services act for; a token may have narrowed their rights."""
        assert self.request.actor is not None, "operations are not called without somebody"
        return self.request.actor


class Options(TypedDict, total=False):
    """What an operation takes and gives back.

    Attributes:
        query: Schema of its arguments, a :class:`PageQuery` for a list in pages; without one it
            takes none.
        body: Schema of what is sent as JSON.
        upload: Schema of what is sent as ``multipart/form-data``, with :class:`File` for files.
        result: Schema of the record that it gives back. One with a ``version`` gets an ``ETag``.
        page: Schema of the records that it lists: a ``Page`` or a sequence of them.
        media: Media type of what it gives back as a Flask response, such as a file.
        status: Of a good answer; 200, or 204 where nothing is given back.
        versioned: Whether it needs ``If-Match`` and heeds ``call.expected_version``.
        as_is: Whether records are plain values that go out as they are, not through the schema.
        secret: Whether the answer holds a secret: it is not kept for an ``Idempotency-Key``.
        opens_own: Whether it does its work in units of work of its own: ``call.uow`` is not there.
    """

    query: type[Schema]
    body: type[Schema] | Schema
    upload: type[Schema] | Schema
    result: type[Schema]
    page: type[Schema]
    media: str
    status: int
    versioned: bool
    as_is: bool
    secret: bool
    opens_own: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: a method on a path.

    Attributes:
        name: Its function's.
        method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
        rule: Its path below the prefix of its resources, in Werkzeug's words.
        view: What answers: ``view(call, **parts of the path)``.
        right: What it takes; empty for every user.
        options: What it takes and gives back.
    """

    name: str
    method: str
    rule: str
    view: View
    right: str
    options: Options

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.method != "GET"

    @property
    def status(self) -> int:
        """The status of a good answer."""
        given = self.options.keys() & {"result", "page", "media"}
        return self.options.get("status", 200 if given else 204)

    @property
    def schema(self) -> type[Schema] | None:
        """The schema of the records that it gives back."""
        return self.options.get("page") or self.options.get("result")


@dataclass(eq=False)
class Api:
    """The resources of one plugin, or one part of them.

    Args:
        name: The plugin's own, or beginning with it and an underscore.
        title: What the documentation calls them.
        prefix: Where their paths begin below ``/api/v1``; ``/<name>`` unless said.
    """

    name: str
    title: str
    prefix: str | None = None
    operations: list[Operation] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where their paths begin."""
        return f"/{self.name}" if self.prefix is None else self.prefix

    def get(self, rule: str, *, right: str, **options: Unpack[Options]) -> Callable[[V], V]:
        """Declare an operation that only reads.

        Args:
            rule: Its path below the prefix: ``/cards`` or ``/cards/<uuid:card_id>``.
            right: What it takes; empty for every user.
            **options: See :class:`Options`.
        """
        return self._declare("GET", rule, right, options)

    def post(self, rule: str, *, right: str, **options: Unpack[Options]) -> Callable[[V], V]:
        """Declare an operation that adds or does something; see :meth:`get`."""
        return self._declare("POST", rule, right, options)

    def put(self, rule: str, *, right: str, **options: Unpack[Options]) -> Callable[[V], V]:
        """Declare an operation that sets something, twice as well as once; see :meth:`get`."""
        return self._declare("PUT", rule, right, options)

    def patch(self, rule: str, *, right: str, **options: Unpack[Options]) -> Callable[[V], V]:
        """Declare an operation that changes the fields it is sent; see :meth:`get`."""
        return self._declare("PATCH", rule, right, options)

    def delete(self, rule: str, *, right: str, **options: Unpack[Options]) -> Callable[[V], V]:
        """Declare an operation that removes something; see :meth:`get`."""
        return self._declare("DELETE", rule, right, options)

    def _declare(self, method: str, rule: str, right: str, options: Options) -> Callable[[V], V]:
        def declared(view: V) -> V:
            name = view.__name__.rstrip("_")
            if any(operation.name == name for operation in self.operations):
                raise ValueError(f"{self.name} has two operations called {name}")
            self.operations.append(Operation(name, method, rule, view, right, options))
            return view

        return declared
