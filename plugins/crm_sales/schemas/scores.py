"""What is asked and said of scores."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_core.messages import t
from crm_core.services.checks import LINE


class OverrideSchema(Schema):
    """A person's word on how likely a deal is to be won."""

    percent = fields.Decimal(
        required=True,
        metadata={"title": t("Probability in percent"), "help": t("From 0.01 to 99.99.")},
    )
    reason = fields.String(
        required=True,
        validate=validate.Length(1, LINE),
        metadata={"title": t("Why"), "help": t("Whoever sees the deal reads it.")},
    )


class SinceSchema(Schema):
    """From which day on deals are tested."""

    since = fields.Date(
        load_default=None,
        metadata={
            "title": t("Learnt from deals closed before"),
            "help": t("Held against those closed from this day on."),
        },
    )
