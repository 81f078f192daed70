"""What libraries tell people, in the reader's language.

marshmallow and click make whole English sentences, some with values in them. Each is known again by
its form and made a message of ours; what is not known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from inspect import signature

from crm_core.messages import Message, t

_SENTENCES: tuple[Callable[..., Message], ...] = (
    # marshmallow's fields
    lambda: t("Missing data for required field."),
    lambda: t("Field may not be null."),
    lambda: t("Unknown field."),
    lambda: t("Invalid input type."),
    lambda: t("Invalid value."),
    lambda: t("Not a valid string."),
    lambda: t("Not a valid utf-8 string."),
    lambda: t("Not a valid UUID."),
    lambda: t("Not a valid number."),
    lambda: t("Number too large."),
    lambda: t("Special numeric values (nan or infinity) are not permitted."),
    lambda: t("Not a valid integer."),
    lambda: t("Not a valid boolean."),
    lambda: t("Not a valid datetime."),
    lambda: t("Not a valid time."),
    lambda: t("Not a valid date."),
    lambda: t("Not a valid period of time."),
    lambda: t("Not a valid email address."),
    lambda: t("Not a valid URL."),
    lambda: t("Not a valid list."),
    lambda: t("Not a valid mapping type."),
    # its validators
    lambda least: t("Shorter than minimum length {least}.", least=least),
    lambda most: t("Longer than maximum length {most}.", most=most),
    lambda least, most: t("Length must be between {least} and {most}.", least=least, most=most),
    lambda equal: t("Length must be {equal}.", equal=equal),
    lambda least, most: t(
        "Must be greater than or equal to {least} and less than or equal to {most}.",
        least=least,
        most=most,
    ),
    lambda least: t("Must be greater than or equal to {least}.", least=least),
    lambda most: t("Must be less than or equal to {most}.", most=most),
    lambda least: t("Must be greater than {least}.", least=least),
    lambda most: t("Must be less than {most}.", most=most),
    lambda choices: t("Must be one of: {choices}.", choices=choices),
    lambda: t("String does not match expected pattern."),
    # click
    lambda: t("Missing command."),
    lambda name: t("Missing argument '{name}'.", name=name),
    lambda name: t("Missing option '{name}'.", name=name),
    lambda name, choices: t(
        "Missing option '{name}'. Choose from:{choices}", name=name, choices=choices
    ),
    lambda name: t("No such command '{name}'.", name=name),
    lambda name: t("No such option '{name}'.", name=name),
    lambda name, other: t(
        "No such option '{name}'. Did you mean '{other}'?", name=name, other=other
    ),
    lambda name, other: t(
        "No such command '{name}'. Did you mean '{other}'?", name=name, other=other
    ),
    lambda name: t("Got unexpected extra argument ({name})", name=name),
    lambda names: t("Got unexpected extra arguments ({names})", names=names),
    lambda name: t("Option '{name}' requires an argument.", name=name),
    lambda name: t("Option '{name}' does not take a value.", name=name),
    lambda what, why: t("Invalid value for {what}: {why}", what=what, why=why),
    lambda why: t("Invalid value: {why}", why=why),
    lambda text, choices: t("'{text}' is not one of {choices}.", text=text, choices=choices),
    lambda text: t("'{text}' is not a valid integer.", text=text),
    lambda text: t("'{text}' is not a valid float.", text=text),
    lambda text: t("'{text}' is not a valid boolean.", text=text),
    lambda number, span: t("{number} is not in the range {span}.", number=number, span=span),
    lambda path: t("Path '{path}' does not exist.", path=path),
    lambda path: t("File '{path}' does not exist.", path=path),
    lambda path: t("Directory '{path}' does not exist.", path=path),
    lambda path: t("File '{path}' is a directory.", path=path),
    lambda path: t("Directory '{path}' is a file.", path=path),
)


def own_words(text: str) -> str:
    """Return a library's sentence as a message; as it is where it is one, or none we know."""
    if isinstance(text, Message):
        return text
    for form, sentence in _forms():
        if found := form.fullmatch(text):
            return sentence(**{name: own_words(part) for name, part in found.groupdict().items()})
    return text


@cache
def _forms() -> list[tuple[re.Pattern[str], Callable[..., Message]]]:
    found = []
    for sentence in _SENTENCES:
        names = list(signature(sentence).parameters)
        form = re.escape(sentence(**{name: f"<<{name}>>" for name in names}))
        for name in names:
            form = form.replace(f"<<{name}>>", f"(?P<{name}>.+?)")
        found.append((re.compile(form, re.DOTALL), sentence))
    return found
