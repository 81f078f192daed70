"""Frozen things that plugins give to the core at bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

LIST_KINDS = ("text", "choice", "number", "date", "moment", "yes_no")
"""What the values of a list's column can be."""


@dataclass(frozen=True, slots=True)
class BackendOption:
    """One setting of a backend type, asked for by ``crm backend add TYPE NAME --OPTION VALUE``.

    Attributes:
        name: Name of the flag and of the key in the configuration.
        help: One line for people.
        required: Whether it has to be given.
        default: Used when it is not given.
        is_path: Whether it names a file or folder here; kept as an absolute path.
        keeps_secret: Whether it may change without the secret being typed again, because it has no
            say in where, as whom and how safely the secret is sent.
    """

    name: str
    help: str
    required: bool = True
    default: str | None = None
    is_path: bool = False
    keeps_secret: bool = False


@dataclass(frozen=True, slots=True)
class BackendType:
    """A kind of remote that a connector can talk to.

    Attributes:
        name: Used in commands: ``odoo``.
        title: What people read.
        factory: ``"module:attribute"`` of a callable ``(config, secret) -> RemoteBackend``, where
            ``config`` maps option names to text and ``secret`` is text or None. It also holds what
            was set of those of every backend: ``calls_per_second``, ``connections``, ``page_size``
            and ``batch_size``; the last two are heeded by the sync itself.
        options: Its settings, in the order they are asked for.
        needs_secret: Whether a password or key belongs to it.
        extra: The pip extra that brings its libraries; empty when it needs none.
        holds_plugin_entities: Whether the factory takes a third argument: the sequence of
            ``SyncableEntity`` that plugins in use declare.
        demo: ``"module:attribute"`` of ``build(folder, customers, seed, today)``, which makes a
            remote of this kind for ``crm demo`` in a folder; empty when there is none.
    """

    name: str
    title: str
    factory: str
    options: tuple[BackendOption, ...] = ()
    needs_secret: bool = False
    extra: str = ""
    holds_plugin_entities: bool = False
    demo: str = ""


@dataclass(frozen=True, slots=True)
class SyncField:
    """One field of a plugin's neutral record.

    Attributes:
        name: Its name. A ``ref`` is named ``<something>_ref``.
        kind: ``text``, ``decimal`` (text such as ``12.50``), ``money`` (``12.50 EUR``), ``whole``,
            ``yes_no``, ``date`` (ISO text), ``ref`` (the id of another synced record), ``words``
            (a sorted list of texts, merged as a set) or ``lines`` (a list of dicts).
        required: Whether a record without it is set aside.
        entity: For a ``ref``: the entity it names, such as ``customer``.
        can_wait: For a ``ref``: whether a record that is to be written waits for what it names to
            be there; else it goes without, unless it is required.
        fields: For ``lines``: what each holds; those not named here may be any plain values.
        title: What people read; empty where the core's word for it, or its name, will do.
    """

    name: str
    kind: str = "text"
    required: bool = False
    entity: str = ""
    can_wait: bool = True
    fields: tuple[SyncField, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class SyncableEntity:
    """Records of a plugin that can be kept in step with a back office.

    Attributes:
        name: Its name everywhere, also of the file in a CSV folder: ``loyalty_card``.
        title: What people read.
        fields: Its neutral record, besides the id.
        read: ``"module:attribute"`` of ``read(uow, ids) -> Mapping[UUID, Mapping[str, Any]]``:
            the neutral records of local ids; a ``ref`` as the local id (UUID) of the other record.
        apply: ``"module:attribute"`` of ``apply(uow, records) -> Sequence[UUID]``: writes a batch
            of ``IncomingRecord`` and returns the local ids in the same order.
        vanish: ``"module:attribute"`` of ``vanish(uow, ids)``: what to do with records that were
            deleted over there; empty to leave them as they are.
        after: Entities it refers to; they are pulled first.
        ids: ``"module:attribute"`` of ``ids(uow) -> Sequence[UUID]``: all local records, asked once
            for each back office that is written to, when it hears of the entity for the first time.
            Empty when only records changed from then on are to be written.
        label: The field that names a record to people; empty for its id.
        refuse: ``"module:attribute"`` of ``refuse(uow, refusals)``, called with local id to
            ``(code, reason)`` each time that a back office will not take records; empty where
            ``crm sync status`` tells enough.
        ask: ``"module:attribute"`` of ``ask(uow) -> Sequence[UUID]``: local records of which a
            back office that can is to say what they would cost, without keeping them; asked at
            each run. Empty for none.
        answer: ``"module:attribute"`` of ``answer(uow, answers)``: local id to what it would cost
            (``crm_core.sync.protocol.Priced``).
        meant: ``"module:attribute"`` of ``meant(uow, backend_id, ids) -> Collection[UUID]``: those
            of local records that this back office gets, or is asked about. Empty where each one
            that is written to gets all.
    """

    name: str
    title: str
    fields: tuple[SyncField, ...]
    read: str
    apply: str
    vanish: str = ""
    after: tuple[str, ...] = ("customer",)
    ids: str = ""
    label: str = ""
    refuse: str = ""
    ask: str = ""
    answer: str = ""
    meant: str = ""


@dataclass(frozen=True, slots=True)
class IncomingRecord:
    """A remote record for a plugin's ``apply``.

    Attributes:
        local_id: The local record it is bound to; None when it is new.
        values: Field name to value. References are local ids (UUID), also those in ``lines``;
            ``words`` come as a :class:`WordChange`. For a bound record only the fields that
            changed over there, None where one was cleared.
    """

    local_id: UUID | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WordChange:
    """What became of a set of words over there since both sides last agreed on it."""

    added: frozenset[str]
    dropped: frozenset[str]


@dataclass(frozen=True, slots=True)
class Right:
    """A right that a plugin's services ask for.

    Attributes:
        code: ``<plugin>.<thing>.<verb>``: ``loyalty.card.issue``.
        title: What it allows, for people.
        roles: Built-in roles that get it when the plugin is enabled for the first time, each with
            how far it reaches: ``(("employee", "all"), ("manager", "all"))``; reaches are ``own``,
            ``team`` and ``all``. Administrators have every right.
    """

    code: str
    title: str
    roles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that ``crm worker`` does at intervals.

    Attributes:
        name: ``<plugin>.<verb>``: ``loyalty.expire_points``.
        run: ``"module:attribute"`` of ``run(uow) -> None``: called as the system in a writing
            unit of work that is committed afterwards; it should be done within seconds.
        every_minutes: The interval; the worker spreads it a little.
        limit_seconds: How long it may take.
        with_database: Whether it is called as ``run(database)`` and opens units of work itself: for
            what reaches out of the machine, which no transaction should wait for.
    """

    name: str
    run: str
    every_minutes: int = 60
    limit_seconds: float = 60.0
    with_database: bool = False


@dataclass(frozen=True, slots=True)
class PluginSetting:
    """One setting of a plugin, kept in the database and changed by administrators.

    Attributes:
        name: ``<plugin>.<what>``, unique: ``loyalty.points_per_euro``.
        title: What people read.
        kind: ``text``, ``whole``, ``yes_no``, ``choice``, ``list`` (of words) or ``secret``: where
            a secret is kept, such as ``file:PATH``.
        default: Its value where it was never set.
        help: One line for people.
        choices: For ``choice``: ``(value, title)`` pairs.
        least: For ``whole``: the smallest number.
        most: For ``whole``: the largest number.
        check: ``"module:attribute"`` of ``check(uow, value) -> value``: what is kept; raises
            InputError where the value will not do. Empty for no more than its kind asks.
        right: Who may set it; empty for those who may change the company's settings. Name one
            where it guards something, such as who may sign in.
    """

    name: str
    title: str
    kind: str = "text"
    default: Any = None
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    least: int = 0
    most: int = 1_000_000
    check: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer about to be added, for plugins that decide who shall answer for it.

    Attributes:
        kind: ``person`` or ``company``.
        name: As it was typed.
        stage: ``prospect``, ``active``, ``loyal`` or ``lapsed``.
        language: BCP 47 tag, or None.
        country_code: ISO code of its first address, or None.
        tags: Names of its tags.
    """

    kind: str
    name: str
    stage: str
    language: str | None = None
    country_code: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardPanel:
    """What a plugin shows on a customer's card: a few named values, a small table, or both.

    Attributes:
        title: Its heading.
        fields: ``(label, value)`` pairs. Values are text, numbers, dates, moments or None.
        headings: Of the table's columns; empty for no table.
        rows: The table, each row as long as ``headings``.
    """

    title: str
    fields: tuple[tuple[str, Any], ...] = ()
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineRequest:
    """Which entries of a customer's timeline are asked for; None and empty ask for all.

    Attributes:
        since: Only what happened from this moment on.
        until: Only what happened until this moment, it included.
        text: Only what holds this text, in any case of letters.
        modules: Only entries of these modules.
        channels: Only entries on these channels.
        direction: Only ``inbound``, ``outbound`` or ``internal`` ones.
        limit: The latest so many.
    """

    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    modules: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    direction: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened with a customer, on its timeline.

    Attributes:
        module: The plugin's name, or ``<plugin>.<what>``: people filter by it.
        id: Of the entry; unique in its module.
        at: When it happened, aware.
        title: One line.
        detail: A word on what it is, such as a state; may be blank.
        body: The rest.
        channel: How the two were in touch, where they were.
        direction: ``inbound``, ``outbound`` or ``internal``, where it has one.
        who: The user it is due to.
        entity_type: The record it is about, as references name it; empty for none.
        entity_id: That record's id.
    """

    module: str
    id: UUID
    at: datetime
    title: str
    detail: str = ""
    body: str | None = None
    channel: str | None = None
    direction: str | None = None
    who: str | None = None
    entity_type: str = ""
    entity_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class HomeCard:
    """Something that needs a user's attention today: a heading, a number and the first few.

    Attributes:
        name: ``<plugin>.<what>``: ``loyalty.expiring``.
        title: Its heading.
        count: How many there are, counted as far as it is cheap.
        items: The first few, the most urgent first.
        more: Whether there are more than ``count`` says.
        tone: ``info``, ``warning`` or ``danger``.
    """

    name: str
    title: str
    count: int
    items: tuple[HomeItem, ...] = ()
    more: bool = False
    tone: str = "info"


@dataclass(frozen=True, slots=True)
class HomeItem:
    """One line of a home card.

    Attributes:
        title: What people read.
        entity_type: The record it leads to, as references name it: ``customer``; empty for none.
        entity_id: That record's id.
        detail: More on the line.
        at: When it is or was due, aware.
    """

    title: str
    entity_type: str = ""
    entity_id: UUID | None = None
    detail: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """Why something must not be done now; ``message`` says what to do first."""

    message: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a plugin needs and this machine or set-up lacks.

    Attributes:
        what: What does not work without it: ``Documents``.
        message: What is missing.
        advice: What to do.
    """

    what: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class EventHandler:
    """What a plugin does when something has happened.

    Attributes:
        name: ``<plugin>.<what>``, unique: ``loyalty.welcome``.
        events: Names of the events it hears of; ``*`` for all.
        handler: ``"module:attribute"`` of ``handle(uow, message) -> None``: called as the system
            with an ``EventMessage``, in a writing unit of work that is committed together with the
            mark that the event was handled.
        limit_seconds: How long it may take for one event.
    """

    name: str
    events: tuple[str, ...]
    handler: str
    limit_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column that a plugin adds to the list of customers, with its filters and its order.

    Attributes:
        name: ``<plugin>.<what>``, unique: ``loyalty.tier``. Links hold it.
        title: What people read.
        kind: ``text``, ``choice``, ``number``, ``date``, ``moment`` or ``yes_no``: what its values
            are, and so what can be asked of it.
        values: ``"module:attribute"`` of ``values(uow, customer_ids) -> Mapping[UUID, Any]``: its
            values for the customers of a page, those without one left out.
        expression: ``"module:attribute"`` of ``expression(uow)``: an SQL expression, correlated
            with ``Customer.id``, for a customer's value; NULL where there is none. The core makes
            filters and the order of it. Empty where the column is only to be shown.
        choices: For ``choice``: ``(value, title)`` pairs.
        right: The right it takes to see the column; empty for none.
    """

    name: str
    title: str
    kind: str
    values: str
    expression: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    right: str = ""

    def __post_init__(self) -> None:
        if self.kind not in LIST_KINDS:
            raise ValueError(f"{self.name}: no column is of kind {self.kind!r}; see LIST_KINDS")


@dataclass(frozen=True, slots=True)
class WebModule:
    """Pages and resources that a plugin adds to the web; loaded where the web plugin is in use.

    Attributes:
        name: ``<plugin>.<what>``, unique: ``loyalty.web``.
        pages: ``"module:attribute"`` of a ``crm_web.sdk.Pages``; empty for none.
        api: ``"module:attribute"`` of a ``crm_web.sdk.Api``; empty for none.
    """

    name: str
    pages: str = ""
    api: str = ""
