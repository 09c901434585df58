"""The same control under another module name."""

from recording import *  # noqa: F403
