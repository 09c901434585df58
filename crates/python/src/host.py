"""The Python side of Shaketable: runs functions and controls for a runner that is no Python program.

Standard library only, Python 3.8 and later. Talks JSON lines over one socket; standard output and standard
error belong to the code that runs here.

Promises:
1. Foreground requests run one after the other in the main thread, background ones in threads of their own.
2. Every request is answered once, whatever the code does, unless it never returns.
3. When the runner goes away, this process and its group end at once.
4. A document (experiment, configuration, ...) is one object for as long as the host lives; requests tell
   what the code changed in it.
"""

import importlib
import json
import logging
import marshal
import os
import signal
import sys
import threading
import time
import traceback
import types
from _queue import SimpleQueue

HOST = "<shaketable host>"
DEEPEST = 100
WAKE_SECONDS = 0.02
THREADS_TURN_SECONDS = 0.01
CONTROL_FUNCTIONS = [
    "configure_control",
    "cleanup_control",
    "validate_control",
] + [
    when + "_" + level + "_control"
    for level in ("experiment", "hypothesis", "method", "rollback", "activity", "loading_experiment")
    for when in ("before", "after")
]


class ChaosException(Exception):
    """Stands in for the class of chaoslib while nobody has imported that."""


class InterruptExecution(ChaosException):
    """The run is being interrupted."""


class ExperimentExitedException(ChaosException):
    """The run has ended while this code was still running."""


class InvalidActivity(ChaosException):
    """An activity does not fit its function."""


class DiscoveryFailed(ChaosException):
    """A package cannot be discovered."""


for stand_in in (ChaosException, InterruptExecution, ExperimentExitedException, InvalidActivity, DiscoveryFailed):
    stand_in.__module__ = "chaoslib.exceptions"


class Cancelled(BaseException):
    """Nobody waits for this call any more, or its time is up."""


def chaos_class(name):
    """The exception class of chaoslib if it is loaded, ours otherwise."""
    module = sys.modules.get("chaoslib.exceptions")
    return getattr(module, name, None) or globals().get(name)


# Values -------------------------------------------------------------------------------------------------


class Encoder:
    """Python objects as JSON with tags for what JSON has not; notes the first object no journal can hold."""

    def __init__(self):
        self.refused = None

    def encode(self, value, depth=0):
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            number = int(value)
            return number if -(2**63) <= number < 2**63 else {"$int": str(number)}
        if isinstance(value, float):
            number = float(value)
            if number != number or number in (float("inf"), float("-inf")):
                return {"$float": repr(number)}
            return number
        if depth > DEEPEST:
            return self.refuse(value, "Circular reference detected")
        if isinstance(value, (list, tuple)):
            return [self.encode(item, depth + 1) for item in value]
        if isinstance(value, dict):
            if all(type(key) is str and key[:1] != "$" for key in value):
                return {key: self.encode(item, depth + 1) for key, item in value.items()}
            return {"$dict": [[self.key(key), self.encode(item, depth + 1)] for key, item in value.items()]}
        if isinstance(value, (bytes, bytearray)):
            if kind is not bytes:
                self.refuse(value)
            return {"$bytes": bytes(value).hex()}
        moment = self.moment(value)
        if moment is not None:
            return moment
        if is_instance(value, "uuid", "UUID") or is_instance(value, "decimal", "Decimal"):
            return str(value)
        if isinstance(value, Exception):
            return "An exception was raised: {}('{}')".format(type(value).__name__, text(value))
        return self.refuse(value)

    def moment(self, value):
        if is_instance(value, "datetime", "date"):
            return {"$date": value.isoformat()}
        return None

    def key(self, key):
        if key is None or isinstance(key, (str, int, float)):
            return self.encode(key)
        moment = self.moment(key)
        name = type(key).__name__
        if self.refused is None:
            self.refused = "keys must be str, int, float, bool or None, not " + name
        return moment if moment is not None else shown(key)

    def refuse(self, value, message=None):
        if self.refused is None:
            self.refused = message or "Object of type {} is not JSON serializable".format(type(value).__name__)
        return shown(value)


def is_instance(value, module, name):
    """isinstance without importing the module: whoever made the value has imported it."""
    module = sys.modules.get(module)
    return module is not None and isinstance(value, getattr(module, name))


def shown(value):
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)


def text(value):
    try:
        return str(value)
    except Exception:
        return "<" + type(value).__name__ + " without a text>"


def untag(found):
    """Turns the tags of one decoded JSON object back; called by the JSON decoder bottom up."""
    if len(found) != 1:
        return found
    tag, value = next(iter(found.items()))
    if tag[:1] != "$":
        return found
    if tag == "$bytes":
        return bytes.fromhex(value)
    if tag == "$float":
        return float(value)
    if tag == "$int":
        return int(value)
    if tag == "$dict":
        return {key: item for key, item in value}
    if tag == "$date":
        import datetime

        parse = datetime.datetime if "T" in value else datetime.date
        try:
            return parse.fromisoformat(value)
        except ValueError:
            return value
    return found


decode = json.JSONDecoder(object_hook=untag).decode
write_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def fingerprint(value):
    """Tells exactly whether a value is as it was: bytes, or a str for what only the encoder can handle."""
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        return write_json(Encoder().encode(value))


def differences(old, new, path, found):
    """What turns old into new, as [path, value] and [path] for what is gone."""
    if fingerprint(old) == fingerprint(new):
        return
    if type(old) is dict and type(new) is dict:
        kept = [key for key in old if key in new]
        fresh = [key for key in new if key not in old]
        if list(new) == kept + fresh and all(type(key) is str for key in new) and all(type(key) is str for key in old):
            for key in old:
                if key not in new:
                    found.append([path + [key]])
            for key in kept:
                differences(old[key], new[key], path + [key], found)
            for key in fresh:
                found.append([path + [key], Encoder().encode(new[key])])
            return
    elif type(old) is list and type(new) is list and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new)):
            differences(before, after, path + [index], found)
        return
    found.append([path, Encoder().encode(new)])


def merge(old, new):
    """Gives old the contents of new; keeps the objects that are in it."""
    if type(old) is dict and type(new) is dict:
        items = [(key, merge(old[key], value) if key in old else value) for key, value in new.items()]
        old.clear()
        old.update(items)
        return old
    if type(old) is list and type(new) is list:
        old[:] = [merge(a, b) for a, b in zip(old, new)] + new[len(old):]
        return old
    return new


# Documents ----------------------------------------------------------------------------------------------


class Documents:
    """The experiment and its company, shared by all requests."""

    def __init__(self):
        self.lock = threading.Lock()
        self.held = {}
        self.marks = {}
        self.versions = {}

    def get(self, name):
        return self.held.get(name)

    def receive(self, sent):
        """Takes over what the runner sent: {name: [version, value]}."""
        with self.lock:
            for name, (version, value) in sent.items():
                if name in self.held:
                    value = merge(self.held[name], value)
                if name == "journal" and type(value) is dict and "experiment" in value:
                    experiment = self.held.get("experiment")
                    if experiment is not None and value["experiment"] == experiment:
                        value["experiment"] = experiment
                self.held[name] = value
                self.versions[name] = version
                self.marks[name] = fingerprint(value)
        if "experiment" in sent:
            self.share_activities()
        if "global_controls" in sent:
            self.share_controls()

    def changes(self):
        """What has changed since the last look: {name: [version, differences]}."""
        found = {}
        with self.lock:
            for name, value in self.held.items():
                if not isinstance(value, (dict, list)):
                    continue
                mark = fingerprint(value)
                old = self.marks[name]
                if mark == old:
                    continue
                steps = []
                if type(mark) is bytes and type(old) is bytes:
                    differences(marshal.loads(old), value, [], steps)
                else:
                    steps.append([[], Encoder().encode(value)])
                self.marks[name] = mark
                found[name] = [self.versions[name], steps]
        return found

    def find(self, argument):
        """The object an argument stands for."""
        if "value" in argument:
            return argument["value"]
        found = self.held.get(argument["document"])
        for step in argument.get("path", ()):
            found = found[step]
        return found

    # What chaoslib keeps in global variables, for the extensions that look there.

    def share(self):
        settings = sys.modules.get("chaoslib.settings")
        if settings is not None and hasattr(settings, "loaded_settings"):
            held = self.held.get("settings")
            if held is not None and settings.loaded_settings.get() is not held:
                settings.loaded_settings.set(held)
        caching = sys.modules.get("chaoslib.caching")
        if caching is not None and self.held.get("experiment") and not caching._cache:
            self.share_activities()
        control = sys.modules.get("chaoslib.control")
        if control is not None and self.held.get("global_controls") and not control.global_controls:
            self.share_controls()

    def share_activities(self):
        caching = sys.modules.get("chaoslib.caching")
        experiment = self.held.get("experiment")
        if caching is None or not isinstance(experiment, dict):
            return
        hypothesis = experiment.get("steady-state-hypothesis") or {}
        for activity in (experiment.get("method") or []) + (hypothesis.get("probes") or []):
            if isinstance(activity, dict) and activity.get("name"):
                caching._cache[activity["name"]] = activity

    def share_controls(self):
        control = sys.modules.get("chaoslib.control")
        if control is not None and hasattr(control, "set_global_controls"):
            control.set_global_controls(self.held.get("global_controls") or [])


# Functions ----------------------------------------------------------------------------------------------


class Signatures:
    """Names of parameters, without importing inspect for plain functions."""

    def parameters(self, function):
        if type(function) is types.FunctionType and not hasattr(function, "__wrapped__"):
            if not hasattr(function, "__signature__"):
                code = function.__code__
                count = code.co_argcount + code.co_kwonlyargcount
                names = list(code.co_varnames[:count])
                rest = code.co_varnames[count:]
                extra = bool(code.co_flags & 4) + bool(code.co_flags & 8)
                return names + list(rest[:extra])
        import inspect

        return list(inspect.signature(function).parameters)

    def file(self, function):
        if type(function) is types.FunctionType and not hasattr(function, "__wrapped__"):
            return function.__code__.co_filename
        import inspect

        try:
            return inspect.getfile(function)
        except TypeError:
            return None


class Raised(Exception):
    """Carries an exception and where it came from."""

    def __init__(self, error, origin):
        super().__init__()
        self.error = error
        self.origin = origin


class Host:
    """Takes requests, runs them, answers."""

    def __init__(self, channel, group):
        self.environment = dict(os.environ)
        self.channel = channel
        self.group = group
        self.outbox = SimpleQueue()
        self.foreground = SimpleQueue()
        self.documents = Documents()
        self.signatures = Signatures()
        self.handlers = None
        self.lock = threading.Lock()
        self.running = {}
        self.unwanted = {}
        self.current = None
        self.pending = None
        self.logger = logging.getLogger("chaostoolkit")

    # Threads

    def run(self):
        self.writer = threading.Thread(target=self.write, name="shaketable-writer", daemon=True)
        self.writer.start()
        threading.Thread(target=self.read, name="shaketable-reader", daemon=True).start()
        while True:
            request = self.foreground.get()
            if request is None:
                break
            self.answer(request)
        self.flush_streams()

    def finish(self):
        """Says everything that is still to be said."""
        self.outbox.put(None)
        self.writer.join(1)

    def write(self):
        while True:
            line = self.outbox.get()
            if line is None:
                return
            try:
                while line:
                    line = line[os.write(self.channel.fileno(), line):]
            except OSError:
                self.die()

    def read(self):
        while True:
            try:
                line = self.channel.readline()
            except OSError:
                line = b""
            if not line.endswith(b"\n"):
                self.die()
            request = decode(line.decode("utf-8", "replace"))
            operation = request["op"]
            if operation == "interrupt":
                self.interrupt(request)
            elif operation == "exit":
                self.foreground.put(None)
            else:
                if "documents" in request:
                    self.documents.receive(request.pop("documents"))
                if request.get("background"):
                    threading.Thread(target=self.answer, name="shaketable-call", args=(request,), daemon=True).start()
                else:
                    self.foreground.put(request)

    def die(self):
        """Ends this process and everything it has started: the runner is gone."""
        if os.getpgrp() == self.group:
            os.killpg(self.group, signal.SIGKILL)
        os._exit(1)

    def tell(self, message):
        self.outbox.put((write_json(message) + "\n").encode("utf-8", "replace"))

    def flush_streams(self):
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass

    def tell_environment(self):
        """Variables that code has changed: processes that the runner starts later are to have them, too."""
        now = dict(os.environ)
        with self.lock:
            before, self.environment = self.environment, now
        if now != before:
            names = now.keys() | before.keys()
            self.tell({"environment": {name: now.get(name) for name in names if now.get(name) != before.get(name)}})

    # Requests

    def answer(self, request):
        number = request["id"]
        foreground = not request.get("background")
        reply = {"id": number}
        try:
            with self.lock:
                unwanted = self.unwanted.pop(number, None)
                self.running[number] = None if foreground else threading.get_ident()
            if unwanted is not None:
                raise Raised(unwanted, "function")
            if foreground:
                self.documents.share()
            try:
                if foreground:
                    self.current = number
                    self.on_wake()
                result = getattr(self, "do_" + request["op"])(request)
            finally:
                self.current = None
            if request["op"] == "control":
                self.yield_to_threads()
            reply.update(result)
        except Raised as raised:
            reply["raised"] = self.describe(raised.error, raised.origin)
        except BaseException as error:
            reply["raised"] = self.describe(error, "loading")
        while True:
            # An exception from another thread may still be under way: nothing may get lost by it.
            try:
                with self.lock:
                    self.running.pop(number, None)
                    self.unwanted.pop(number, None)
                self.flush_streams()
                self.tell_environment()
                try:
                    line = (write_json(reply) + "\n").encode("utf-8", "replace")
                except Exception as error:
                    line = (write_json({"id": number, "raised": self.describe(error, "function")}) + "\n").encode()
                self.outbox.put(line)
                return
            except BaseException:
                continue

    def yield_to_threads(self):
        """Gives threads that a control has started their turn, as they have it in a runner that is Python too:
        a safeguard that finds something at once gets to say so before anything else happens."""
        main = threading.main_thread()
        if any(thread is not main and thread.name[:11] != "shaketable-" for thread in threading.enumerate()):
            time.sleep(THREADS_TURN_SECONDS)

    def load(self, request):
        return importlib.import_module(request["module"])

    def invoke(self, function, *positional, **named):
        try:
            return function(*positional, **named)
        except BaseException as error:
            raise Raised(error, "function")

    def do_call(self, request):
        function = getattr(self.load(request), request["func"])
        file = self.signatures.file(function)
        if file is not None:
            self.log("DEBUG", "Activity '{}' loaded from '{}'".format(request["name"], file))
        arguments = dict(request["arguments"] or {})
        parameters = self.signatures.parameters(function)
        groups = request.get("groups")
        if groups is not None and "secrets" in parameters:
            secrets = self.documents.get("secrets")
            arguments["secrets"] = {}
            for group in groups:
                arguments["secrets"].update(secrets.get(group, {}).copy())
        if "configuration" in parameters:
            arguments["configuration"] = self.documents.get("configuration").copy()
        encoder = Encoder()
        value = encoder.encode(self.invoke(function, **arguments))
        return {"value": value, "refused": encoder.refused}

    def do_validate(self, request):
        module_name, func = request["module"], request["func"]
        activity = request["name"]
        invalid = chaos_class("InvalidActivity")
        try:
            module = self.load(request)
        except ImportError:
            raise chaos_class("InvalidActivity")(
                "could not find Python module '{}' in activity '{}'".format(module_name, activity)
            )
        import inspect

        for name, function in inspect.getmembers(module, lambda x: inspect.isfunction(x) or inspect.isbuiltin(x)):
            if name == func:
                break
        else:
            raise invalid(
                "The python module '{}' does not expose a function called '{}' in {} '{}'".format(
                    module_name, func, request["type"], activity
                )
            )
        signature = inspect.signature(function)
        arguments = request["arguments"].copy()
        for name in ("secrets", "configuration"):
            if name in signature.parameters:
                arguments[name] = None
        try:
            signature.bind(**arguments)
        except TypeError as error:
            message = str(error)
            if "missing" in message:
                argument = message.rsplit(":", 1)[1].strip()
                problem = "required argument {} is missing from activity '{}'".format(argument, func)
            elif "unexpected" in message:
                argument = message.rsplit(" ", 1)[1].strip()
                problem = "argument {} is not part of the function signature in activity '{}'".format(argument, func)
            else:
                raise
            raise chaos_class("InvalidActivity")(problem)
        return {}

    def control_module(self, name):
        try:
            return importlib.import_module(name)
        except ImportError:
            self.log("DEBUG", "Control module '{}' could not be loaded. Have you installed it?".format(name))
            return None

    def do_import_control(self, request):
        module = self.control_module(request["module"])
        if module is None:
            return {"module": None}
        functions = {}
        for name in CONTROL_FUNCTIONS:
            function = getattr(module, name, None)
            if function:
                functions[name] = list(self.signatures.parameters(function))
        return {"module": {"file": getattr(module, "__file__", None) or "", "functions": functions}}

    def do_control(self, request):
        reply = {"ran": False}
        copies = {}
        try:
            try:
                self.run_control(request, reply, copies)
            except Raised:
                raise
            except BaseException as error:
                raise Raised(error, "loading")
        except Raised as raised:
            reply["failed"] = self.describe(raised.error, raised.origin)
        for name, (value, mark) in copies.items():
            if fingerprint(value) != mark:
                reply[name] = Encoder().encode(value)
        changes = self.documents.changes()
        if changes:
            reply["changes"] = changes
        if self.handlers is not None and self.handlers.handlers:
            reply["handlers"] = True
        return reply

    def run_control(self, request, reply, copies):
        module = self.control_module(request["module"])
        if not module:
            return
        name = request["function"]
        function = getattr(module, name, None)
        if not function:
            self.log("DEBUG", "Control module '{}' does not declare '{}'".format(module.__file__, name))
            return
        file = self.signatures.file(function)
        if file is not None:
            self.log("DEBUG", "Control '{}' loaded from '{}'".format(name, file))
        reply["ran"] = True
        positional = request.get("positional", {})
        for key in ("context", "state"):
            if key in positional and "value" in positional[key]:
                value = positional[key]["value"]
                if isinstance(value, (dict, list)):
                    copies[key] = (value, fingerprint(value))
        if name == "cleanup_control":
            self.invoke(function)
            return
        if name == "validate_control":
            self.invoke(function, positional["control"]["value"])
            return
        parameters = self.signatures.parameters(function)
        arguments = request["arguments"] or {}
        for parameter in ("experiment", "secrets", "configuration", "settings"):
            if parameter in parameters:
                arguments[parameter] = self.documents.get(parameter)
        if name == "configure_control":
            if "event_registry" in parameters:
                arguments["event_registry"] = self.registry()
            self.invoke(function, **arguments)
            return
        if "state" in parameters:
            arguments["state"] = self.documents.find(positional["state"]) if "state" in positional else None
        if "extensions" in parameters:
            arguments["extensions"] = self.documents.get("experiment").get("extensions")
        context = self.documents.find(positional["context"])
        self.invoke(function, context=context, **arguments)

    # Handlers of events, which a control may register while it is configured

    def registry(self):
        if self.handlers is None:
            run = sys.modules.get("chaoslib.run")
            self.handlers = run.EventHandlerRegistry() if run is not None else Registry(self)
        return self.handlers

    def do_emit(self, request):
        if self.handlers is not None:
            arguments = [self.documents.find(argument) for argument in request["arguments"]]
            getattr(self.handlers, request["method"])(*arguments)
        changes = self.documents.changes()
        return {"changes": changes} if changes else {}

    # Discovery, notifications, encodings

    def do_discover(self, request):
        import importlib.metadata
        import inspect

        package = request["module"]
        failed = chaos_class("DiscoveryFailed")
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            raise failed("Package {} not found".format(package))
        if sys.version_info >= (3, 10):
            provided = importlib.metadata.packages_distributions()
            names = [name for name, distributions in provided.items() if package in distributions]
        else:
            names = (distribution.read_text("top_level.txt") or "").split()
        if not names:
            raise failed(
                "Distribution {} exists but no top-level package name could be determined".format(package)
            )
        try:
            module = importlib.import_module(names[0])
        except ImportError:
            raise failed("could not load Python module '{}'".format(names[0]))
        discover = getattr(module, "discover", None)
        if not inspect.isfunction(discover):
            raise failed(
                "package '{}' does not export a `discover` function".format(module.__name__)
            )
        return {"value": Encoder().encode(self.invoke(discover, discover_system=request["system"]))}

    def do_discover_activities(self, request):
        import inspect

        try:
            module = self.load(request)
        except ImportError:
            message = "could not import extension module '{}'".format(request["module"])
            raise chaos_class("DiscoveryFailed")(message)
        exported = getattr(module, "__all__", None)
        if exported is None:
            self.log(
                "WARNING",
                "'{}' does not expose the __all__ attribute. It is required to determine what functions are "
                "actually exported as activities.".format(request["module"]),
            )
            return {"value": []}
        activities = []
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if exported and name not in exported:
                continue
            signature = inspect.signature(function)
            arguments = []
            for parameter in signature.parameters.values():
                if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
                    continue
                argument = {"name": parameter.name}
                if parameter.default is not parameter.empty:
                    argument["default"] = parameter.default
                if parameter.annotation is not parameter.empty:
                    argument["type"] = portable_type(parameter.annotation)
                arguments.append(argument)
            activity = {
                "type": request["kind"],
                "name": name,
                "mod": module.__name__,
                "doc": inspect.getdoc(function),
                "arguments": arguments,
            }
            if signature.return_annotation is not inspect.Signature.empty:
                activity["return_type"] = portable_type(signature.return_annotation)
            activities.append(activity)
        return {"value": Encoder().encode(activities)}

    def do_notify(self, request):
        import inspect

        try:
            module = self.load(request)
        except ImportError:
            self.log("DEBUG", "could not find Python plugin '{}' for notification".format(request["module"]))
            return {}
        function = getattr(module, request["func"], None)
        if not inspect.isfunction(function):
            self.log(
                "DEBUG",
                "could not find function '{}' in plugin '{}' for notification".format(
                    request["func"], request["module"]
                ),
            )
            return {}
        payload = request["payload"]
        if "error_class" in request:
            payload["error"] = self.chaos_error(request["error_class"], request["error_message"])
        try:
            function(request["channel"], payload)
        except Exception as error:
            self.logger.debug("failed calling notification plugin", exc_info=error)
        return {}

    def chaos_error(self, kind, message):
        """An exception of chaoslib, or one of the same name where that is not installed."""
        try:
            found = getattr(importlib.import_module("chaoslib.exceptions"), kind, None)
        except ImportError:
            found = chaos_class(kind)
        if found is None:
            found = type(kind, (ChaosException,), {"__module__": "chaoslib.exceptions"})
        return found(message)

    def do_detect(self, request):
        try:
            from charset_normalizer import detect
        except ImportError:
            return {"missing": True}
        data = request["bytes"]
        found = detect(data) or {}
        encoding = found.get("encoding")
        text = None
        if encoding is not None:
            try:
                text = data.decode(encoding)
            except (LookupError, ValueError):
                pass
        return {"encoding": encoding, "confidence": float(found.get("confidence") or 0), "text": text}

    # Errors and logs

    def describe(self, error, origin):
        """An exception for the runner; the frames of this file are left out."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == HOST:
            trace = trace.tb_next
        kind = type(error)
        classes = [c.__name__ for c in kind.__mro__ if c.__module__ == "chaoslib.exceptions"]
        described = {
            "kind": kind.__name__,
            "message": text(error),
            "origin": origin,
            "classes": classes,
            "exception": isinstance(error, Exception),
        }
        try:
            described["only"] = traceback.format_exception_only(kind, error)[0].strip()
            lines = traceback.format_exception(kind, error, trace)
            ours = '  File "' + HOST
            described["traceback"] = [line for line in lines if not line.startswith(ours)]
        except Exception:
            described["only"] = kind.__name__
            described["traceback"] = [kind.__name__ + "\n"]
        if isinstance(error, SystemExit):
            code = error.code
            described["code"] = code if isinstance(code, int) else 0 if code is None else 1
        elif isinstance(error, KeyboardInterrupt):
            described["keyboard"] = True
        return described

    def log(self, level, message):
        """A record as chaoslib's own modules write them."""
        record = {"level": level, "logger": "chaostoolkit", "module": "python", "line": 0, "message": message}
        self.tell({"log": record})

    # Interruptions

    def exception(self, request):
        kind, message = request["kind"], request.get("message")
        if kind == "SystemExit":
            return SystemExit, (message,)
        if kind == "KeyboardInterrupt":
            return KeyboardInterrupt, ()
        if kind == "Cancelled":
            return Cancelled, ()
        return chaos_class(kind), (() if message is None else (message,))

    def interrupt(self, request):
        kind, arguments = self.exception(request)
        for number in request["ids"]:
            with self.lock:
                if number not in self.running:
                    self.unwanted[number] = kind(*arguments)
                    continue
                thread = self.running[number]
                if thread is None:
                    self.pending = (number, kind(*arguments))
                    threading.Thread(target=self.wake, args=(self.pending,), daemon=True).start()
                else:
                    raise_in(thread, kind, arguments)

    def wake(self, pending):
        """Wakes the main thread until it has taken what is pending: a signal that comes just before a blocking
        call does not end that call. The runner kills this process in the end."""
        while self.pending is pending and pending[0] in self.running:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGURG)
            time.sleep(WAKE_SECONDS)

    def on_wake(self, _number=None, _frame=None):
        """Raises what is pending for the current request; looked at again when a request becomes current."""
        if self.pending is not None and self.pending[0] == self.current:
            error, self.pending = self.pending[1], None
            raise error

    def on_signal(self, number, _frame):
        self.tell({"signal": int(number)})
        if self.current is None:
            return
        if number == signal.SIGUSR1:
            raise SystemExit(20)
        if number == signal.SIGUSR2:
            raise SystemExit(30)
        if number == signal.SIGTERM:
            raise chaos_class("InterruptExecution")("SIGTERM signal received")
        raise KeyboardInterrupt()


class Registry:
    """Handlers of a run's events, for controls that are configured without chaoslib."""

    def __init__(self, host):
        self.host = host
        self.handlers = []

    def register(self, handler):
        self.handlers.append(handler)

    def __getattr__(self, event):
        def emit(*arguments):
            for handler in self.handlers:
                try:
                    getattr(handler, event)(*arguments)
                except Exception:
                    message = "Handler {} failed".format(type(handler).__name__)
                    self.host.logger.debug(message, exc_info=True)

        return emit


class Forward(logging.Handler):
    """Gives log records to the runner."""

    def __init__(self, host):
        super().__init__()
        self.host = host

    def emit(self, record):
        try:
            message = record.getMessage()
            if record.exc_info and not record.exc_text:
                record.exc_text = logging.Formatter().formatException(record.exc_info)
            if record.exc_text:
                message = message.rstrip("\n") + "\n" + record.exc_text
        except Exception:
            self.handleError(record)
            return
        self.host.tell(
            {
                "log": {
                    "level": record.levelname,
                    "logger": record.name,
                    "module": record.module,
                    "line": record.lineno,
                    "message": message,
                }
            }
        )


def raise_in(thread, kind, arguments):
    """Raises an exception in another thread, at its next step of Python code."""
    import ctypes

    if arguments:

        def initialise(self, *_):
            kind.__init__(self, *arguments)

        members = {"__init__": initialise, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
        kind = type(kind.__name__, (kind,), members)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


def portable_type(kind):
    names = {
        None: "null",
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        bytes: "byte",
        set: "set",
        tuple: "tuple",
        list: "list",
        dict: "mapping",
    }
    try:
        if kind in names:
            return names[kind]
    except TypeError:
        pass
    return {list: "list", dict: "mapping", set: "set", tuple: "tuple"}.get(getattr(kind, "__origin__", None), "object")


def start(channel, group):
    """Makes this process, of a process group, a host; returns when the runner has asked it to exit."""
    if sys.path and sys.path[0] == "":
        sys.path[0] = os.path.dirname(sys.executable)
    sys.argv = ["chaos"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    host = Host(channel, group)
    signal.signal(signal.SIGURG, host.on_wake)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, host.on_signal)
    host.logger.setLevel(logging.DEBUG)
    host.logger.propagate = False
    host.logger.addHandler(Forward(host))
    logzero = types.ModuleType("logzero")
    logzero.__path__ = []
    logzero.logger = host.logger
    sys.modules["logzero"] = logzero
    host.tell({"ready": {"python": sys.version.split()[0], "executable": sys.executable}})
    try:
        host.run()
    finally:
        host.finish()
