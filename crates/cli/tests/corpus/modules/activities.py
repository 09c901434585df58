"""Activities of the corpus: every kind of result, failure and signature."""

import datetime
import decimal
import os
import time
import uuid

from chaoslib.exceptions import ActivityFailed, InterruptExecution

GIVEN = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "int": 42,
    "negative": -3,
    "float": 3.5,
    "whole": 1.0,
    "small": 1e-7,
    "string": "hello",
    "numeric": "7",
    "empty": "",
    "unicode": "caf\u00e9 \u2603",
    "list": [1, "two", None, [3]],
    "records": [{"k": "x", "n": 1}, {"k": "y", "n": 2}, {"k": "x", "n": 3}],
    "dict": {"status": 200, "name": "box", "nested": {"deep": [10, 20]}},
    "statusless": {"name": "box", "size": "12"},
    "status-text": {"status": "up"},
    "json": '{"a": {"b": 1}, "list": [1, 2, 3]}',
    "bytes": b'{"a": 1}',
    "tuple": (1, 2),
    "date": datetime.date(2020, 1, 2),
    "datetime": datetime.datetime(2020, 1, 2, 3, 4, 5),
    "decimal": decimal.Decimal("1.50"),
    "uuid": uuid.UUID(int=1),
    "set": {1},
    "int-keys": {1: "one", None: "nothing", True: "yes"},
    "nan": float("nan"),
    "large": "x" * 5000,
    "lines": "one\ntwo\n",
}
ERRORS = {
    "value": ValueError("bad value"),
    "key": KeyError("missing"),
    "type": TypeError("wrong type"),
    "empty": RuntimeError(),
    "multiline": RuntimeError("first\nsecond"),
    "os": FileNotFoundError(2, "No such file or directory", "nowhere"),
    "timeout": TimeoutError("too late"),
    "failed": ActivityFailed("it did not work"),
}


class OwnError(Exception):
    pass


def give(kind):
    return GIVEN[kind]


def echo(value=None):
    return value


def greet(name, greeting="hello", *, mark="!"):
    return "%s %s%s" % (greeting, name, mark)


def anything(**kwargs):
    return kwargs


def fail(kind):
    raise ERRORS[kind]


def fail_own():
    raise OwnError("mine")


def fail_chained():
    try:
        raise ValueError("inner")
    except ValueError as error:
        raise RuntimeError("outer") from error


def interrupt(reason="enough"):
    raise InterruptExecution(reason)


def leave():
    raise SystemExit(3)


def speak(text):
    print(text)
    return len(text)


def configured(configuration):
    return dict(configuration)


def configured_maybe(configuration=None, secrets=None):
    return {"configuration": configuration, "secrets": secrets}


def change_configuration(configuration, key, value):
    configuration[key] = value
    return configuration[key]


def secret(secrets=None):
    return secrets


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")
    return True


def wait(seconds, result="waited"):
    time.sleep(seconds)
    return result


def below(value, limit=10):
    return value < limit


def is_even(value):
    if not isinstance(value, int):
        raise ActivityFailed("no integer")
    return value % 2 == 0


class Callable:
    def __call__(self):
        return "called"


instance = Callable()
not_callable = 3
alias = len


def set_variable(name, value=None):
    """Changes the environment that processes get later."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
    return name
