"""Column types that keep money exact, time in UTC and messages whole on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, SafeUUID

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator, TypeEngine

from crm_core.errors import InputError
from crm_core.kept_messages import kept, kept_within, told, told_within
from crm_core.messages import t

JsonValue = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON text on SQLite, ``jsonb`` on PostgreSQL."""

SQLITE_INTEGER_LIMIT = 2**63 - 1


class ValueRefusedError(InputError, DontWrapMixin):
    """A value that the column cannot hold; SQLAlchemy lets it through unwrapped."""


class Key(Uuid[UUID]):
    """A UUID: native on PostgreSQL, 32 hexadecimal digits on SQLite.

    Its own digits need none of the checks of ``UUID(text)``, which cost more than all else that is
    done to read a row.
    """

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Give back a UUID."""
        if dialect.name == "sqlite":
            return _uuid_of_digits
        native: Any = super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]
        return native  # type: ignore[no-any-return]


_set_int = vars(UUID)["int"].__set__
_set_is_safe = vars(UUID)["is_safe"].__set__
_UNKNOWN = SafeUUID.unknown


def _uuid_of_digits(digits: str | None) -> UUID | None:
    if digits is None:
        return None
    key = object.__new__(UUID)
    _set_int(key, int(digits, 16))
    _set_is_safe(key, _UNKNOWN)
    return key


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC.

    SQLite keeps naive UTC text (which sorts), PostgreSQL ``timestamptz``. A naive datetime is
    refused on the way in, and an aware one comes back on the way out.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use ``timestamptz`` where the database knows zones."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware moment into the stored form; raises InputError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueRefusedError(
                t(
                    "The moment {value} has no time zone; give one, such as +00:00.",
                    value=value.isoformat(),
                ),
                code="core.naive_datetime",
            )
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Give back an aware moment in UTC."""
        # Read for every moment of every row, so it does without the decorator's detours.
        if dialect.name == "sqlite":
            return lambda text: text and datetime.fromisoformat(text + "+00:00")
        return lambda value: value and value.astimezone(UTC)


class Told(TypeDecorator[str]):
    """A text that we tell people, such as why something failed; a message comes back as one.

    So it is said in the language of whoever reads it. What is no message is kept as it is.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Keep what a message is made of with its English text."""
        return None if value is None else kept(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Give back a message, or the text."""
        return None if value is None else told(value)


class JsonTold(TypeDecorator[Any]):
    """JSON with such texts in it; those that are messages come back as messages."""

    impl = JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use what ``JsonValue`` does."""
        return dialect.type_descriptor(JsonValue.dialect_impl(dialect))

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        """Compare what stands at a path as JSON does."""
        return self.impl_instance.coerce_compared_value(op, value)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Keep what messages are made of with their English texts."""
        return kept_within(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Give back messages and texts."""
        return told_within(value)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal with a fixed number of places, exact on both databases.

    SQLite's own ``NUMERIC`` is a float and loses digits without a warning, so there the value is
    kept as an integer scaled by ``10**scale``. More places than ``scale``, or a value that does not
    fit, raise InputError instead of being rounded in silence.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__()
        self.precision = precision
        self.scale = scale

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Scaled integer on SQLite, ``NUMERIC(precision, scale)`` elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(self.precision, self.scale))

    def _checked(self, value: Any) -> Decimal:
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
            shifted = number.scaleb(self.scale)
            whole = shifted.to_integral_value()
        except InvalidOperation:
            raise ValueRefusedError(
                t("{value!r} is not a number; give digits.", value=value)
            ) from None
        if not shifted.is_finite() or whole != shifted:
            raise ValueRefusedError(
                t(
                    "{value} has more than {scale} decimal places; round it first.",
                    value=value,
                    scale=self.scale,
                ),
                code="core.too_many_places",
            )
        if abs(whole) >= min(10**self.precision, SQLITE_INTEGER_LIMIT):
            raise ValueRefusedError(
                t("{value} is too large to be stored.", value=value), code="core.number_too_large"
            )
        return number

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Check the value, then scale it where the database needs an integer."""
        scaled = dialect.name == "sqlite"

        def process(value: Any) -> Any:
            if value is None:
                return None
            number = self._checked(value)
            return int(number.scaleb(self.scale)) if scaled else number

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Give back a Decimal with exactly ``scale`` places."""
        scale = self.scale
        unit = Decimal(1).scaleb(-scale)
        scaled = dialect.name == "sqlite"

        def process(value: Any) -> Decimal | None:
            if value is None:
                return None
            if scaled:
                return Decimal(value).scaleb(-scale)
            return Decimal(value).quantize(unit)

        return process


class Money(ExactDecimal):
    """An amount of money; its currency stands in a column beside it. Four decimal places."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(precision=18, scale=4)


class Quantity(ExactDecimal):
    """A quantity, unit price, rate or percentage. Six decimal places."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(precision=18, scale=6)
