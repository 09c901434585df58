"""A control whose initialisation fails, and which records the rest."""

from recording import *  # noqa: F403


def configure_control(**_):
    raise RuntimeError("no start")
