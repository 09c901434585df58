"""Probes of files."""

import os


def intact(path):
    """True, or an error once the file is there."""
    if os.path.exists(path):
        raise RuntimeError(path + " is there")
    return True


def lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def count(path):
    """The number of lines; 0 for a file that is not there."""
    return len(lines(path)) if os.path.exists(path) else 0


def count_as_text(path):
    """The same as text, or None once there is a line."""
    return None if count(path) else "0"
