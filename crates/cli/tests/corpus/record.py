"""Records what the reference does with every case of the corpus: see README.md.

    python record.py --reference PATH_TO/chaos [--only GLOB] [--twice]

Needs PyYAML, so run it with the interpreter of the reference's own environment.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
# No case needs more than a few seconds.
TIMEOUT_SECONDS = 60
PARALLEL = 4
PATH = "/usr/local/bin:/usr/bin:/bin"


def expand(case):
    """What a case stands for: its files, its command and its environment."""
    files = {}
    experiment = case.get("experiment")
    source = case.get("source")
    if isinstance(experiment, dict):
        if not case.get("bare"):
            experiment = {"title": case["name"], "description": "a case", **experiment}
            experiment.setdefault("method", [])
        source = source or "experiment.json"
        files[source] = json.dumps(experiment, indent=2, ensure_ascii=False)
    elif isinstance(experiment, str):
        source = source or "experiment.yaml"
        files[source] = experiment
    options = ["--no-version-check"] if case.get("log_file") else ["--no-version-check", "--no-log-file"]
    if "settings" in case:
        settings = case["settings"]
        files["settings.yaml"] = settings if isinstance(settings, str) else yaml.safe_dump(settings, sort_keys=False)
        options += ["--settings", "settings.yaml"]
    options += case.get("global", [])
    files.update(case.get("files", {}))
    command = case.get("command", "run")
    if "arguments" in case:
        arguments = case["arguments"]
    else:
        arguments = [command]
        if command == "run" and not case.get("no_events"):
            arguments += ["--events-file", "events.jsonl"]
        arguments += case.get("options", []) + [source]
    return {
        "files": files,
        "command": options + arguments,
        "environment": case.get("environment", {}),
    }


def substituted(value, places):
    """`value` with the placeholders replaced by what they stand for."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(name, text)
        return value
    if isinstance(value, list):
        return [substituted(item, places) for item in value]
    if isinstance(value, dict):
        return {key: substituted(item, places) for key, item in value.items()}
    return value


def general(value, places, key=None):
    """The inverse, with tracebacks reduced to their last line."""
    if isinstance(value, str):
        if key == "error" and "\n" in value and "Traceback" in value:
            value = value.strip().splitlines()[-1]
        for name, text in places.items():
            value = value.replace(text, name)
        return value
    if isinstance(value, list):
        if key == "exception":
            value = value[-1:]
        return [general(item, places) for item in value]
    if isinstance(value, dict):
        return {general(name, places): general(item, places, name) for name, item in value.items()}
    return value


def without_tracebacks(text):
    """Indented blocks after `Traceback` cut out; what was raised stays."""
    return re.sub(r"Traceback \(most recent call last\):\n(?:[ \t]+.*\n|\n)*", "Traceback:\n", text)


def content(path):
    """A file as it is compared: JSON parsed, else its text, else a note that it is binary."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "(binary)"
    try:
        if path.suffix == ".json":
            return json.loads(text, parse_constant=lambda name: "(%s)" % name)
        if path.suffix == ".jsonl":
            return [json.loads(line, parse_constant=lambda name: "(%s)" % name) for line in text.strip("\n").split("\n")]
    except ValueError:
        pass
    return text


def run(reference, server, expanded):
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        folder = pathlib.Path(folder).resolve()
        places = {"{CASE}": str(folder), "{SERVER}": server}
        for name, text in expanded["files"].items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(substituted(text, places), encoding="utf-8")
        environment = {
            "PATH": PATH,
            "HOME": str(folder),
            "PYTHONPATH": str(HERE / "modules"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            **substituted(expanded["environment"], places),
        }
        done = subprocess.run(
            [reference] + substituted(expanded["command"], places),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
        )
        places["{CORPUS}"] = str(HERE)
        left = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if not path.is_file() or name == "chaostoolkit.log":
                continue
            if name in expanded["files"] and path.read_text(encoding="utf-8") == substituted(expanded["files"][name], places):
                continue
            left[name] = general(content(path), places)
        return {
            "exit": done.returncode,
            "stdout": general(done.stdout.decode("utf-8", "replace"), places),
            "stderr": general(without_tracebacks(done.stderr.decode("utf-8", "replace")), places),
            "files": left,
        }


def cases(only):
    for path in sorted((HERE / "cases").glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in document["cases"]:
            name = path.stem + "/" + case["name"]
            if fnmatch.fnmatch(name, only):
                yield name, case


def stable(result):
    """What must be the same in two recordings: everything but times."""
    text = json.dumps(result)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?", "TIME", text)
    text = re.sub(r'\\*"(duration|ts|timestamp|iterations|unmet)\\*": [0-9.e-]+', "NUMBER", text)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", required=True, help="the `chaos` command of the reference")
    parser.add_argument("--only", default="*", help="cases to record, as a glob over SECTION/NAME")
    parser.add_argument("--twice", action="store_true", help="record twice and tell what differs")
    arguments = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    address = server.stdout.readline().strip()

    def record(item):
        name, case = item
        try:
            expanded = expand(case)
            result = run(arguments.reference, address, expanded)
            if arguments.twice and not case.get("during"):
                again = run(arguments.reference, address, expanded)
                if stable(result) != stable(again):
                    print("not deterministic:", name, flush=True)
        except Exception as error:  # one bad case must not hide the others
            print("cannot record %s: %r" % (name, error), flush=True)
            return None
        target = HERE / "recorded" / (name + ".json")
        target.parent.mkdir(parents=True, exist_ok=True)
        recorded = {"case": case, **expanded, "result": result}
        target.write_text(json.dumps(recorded, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        return name

    try:
        names = [name for name, _ in cases(arguments.only)]
        double = {name for name in names if names.count(name) > 1}
        if double:
            sys.exit("names given twice: %s" % sorted(double))
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            done = set(pool.map(record, cases(arguments.only)))
    finally:
        server.stdin.close()
        server.wait()
    if arguments.only == "*":
        for path in (HERE / "recorded").rglob("*.json"):
            if str(path.relative_to(HERE / "recorded").with_suffix("")) not in done:
                path.unlink()
    print(len(done - {None}), "cases recorded")


if __name__ == "__main__":
    main()
