"""Sentences of libraries, known again by what the libraries really say."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from marshmallow import Schema, ValidationError, fields, validate

from crm_core.borrowed_words import own_words
from crm_core.messages import Message


class Form(Schema):
    """One field of each kind."""

    text = fields.String(validate=validate.Length(min=2, max=4))
    least = fields.String(validate=validate.Length(min=2))
    most = fields.String(validate=validate.Length(max=2))
    exact = fields.String(validate=validate.Length(equal=2))
    whole = fields.Integer(validate=validate.Range(1, 9))
    low = fields.Integer(validate=validate.Range(min=1))
    high = fields.Integer(validate=validate.Range(max=1))
    number = fields.Decimal()
    flag = fields.Boolean()
    day = fields.Date()
    moment = fields.AwareDateTime()
    mail = fields.Email()
    page = fields.Url()
    key = fields.UUID()
    words = fields.List(fields.String())
    chosen = fields.String(validate=validate.OneOf(["a", "b"]))
    formed = fields.String(validate=validate.Regexp("x+"))
    named = fields.Dict()
    needed = fields.String(required=True)


@pytest.mark.parametrize(
    "sent",
    [
        {"text": "12345", "least": "1", "most": "123", "exact": "1", "whole": 0, "low": 0},
        {"high": 2, "number": "x", "flag": "maybe", "day": "2026-02-30", "moment": "soon"},
        {"mail": "x", "page": "x", "key": "x", "words": "x", "chosen": "c", "formed": "y"},
        {"named": "x", "whole": "x", "text": None, "odd": 1, "number": "NaN"},
    ],
)
def test_what_marshmallow_says_is_known(sent):
    with pytest.raises(ValidationError) as told:
        Form().load(sent)
    said = [message for each in told.value.messages.values() for message in each]
    assert len(said) >= len(sent)
    for message in said:
        assert isinstance(own_words(message), Message), message
        assert own_words(message) == message


@click.group()
def tool() -> None:
    """Commands to be misused."""


@tool.command()
@click.argument("file", type=click.Path(exists=True))
@click.option("--number", type=click.IntRange(1, 5))
@click.option("--colour", type=click.Choice(["red", "blue"]), required=True)
def draw(file, number, colour) -> None:
    """Draw."""


@pytest.mark.parametrize(
    "typed",
    [
        "nothing",
        "draw",
        "draw .",
        "draw nowhere",
        "draw . --number x",
        "draw . --number 9",
        "draw . --colour",
        "draw . --colour green",
        "draw . --colour red another",
        "draw . --colour red and another",
        "draw . --nombre 1",
        "draw . --colur red",
    ],
)
def test_what_click_says_is_known(typed):
    found = CliRunner().invoke(tool, typed.split(), standalone_mode=False)
    assert isinstance(found.exception, click.ClickException)
    message = found.exception.format_message()
    assert isinstance(own_words(message), Message), message
    assert own_words(message) == message


def test_other_texts_stay_as_they_are():
    assert type(own_words("Σφάλμα {x}")) is str
