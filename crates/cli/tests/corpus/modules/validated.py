"""A control that refuses to be valid."""

from chaoslib.exceptions import InvalidControl


def validate_control(control):
    raise InvalidControl("refused by its own module: " + control["name"])
