"""What sections of a search document have in common: numbers in any spelling, and nothing that is not known."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
_NUMBER = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([kmgbt]?)", re.IGNORECASE)


def parse_number(value: object) -> object:
    """A number from the spellings people use; anything else is given back for the field to refuse.

    >>> parse_number("350M"), parse_number("3.5e9"), parse_number("26.9 G"), parse_number(7)
    (350000000.0, 3500000000.0, 26900000000.0, 7)
    """
    if not isinstance(value, str):
        return value
    match = _NUMBER.fullmatch(value.strip())
    if match is None:
        return value
    digits, suffix = match.groups()
    return float(digits.replace("_", "").replace(",", "")) * _SUFFIXES[suffix.lower()]


def parse_whole(value: object) -> object:
    """The same of a whole number: ``2.5k`` is one."""
    number = parse_number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


Number = Annotated[float, BeforeValidator(parse_number)]
Whole = Annotated[int, BeforeValidator(parse_whole)]


class Section(BaseModel):
    """A part of a document; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
