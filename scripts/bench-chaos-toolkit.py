#!/usr/bin/env python3
"""Times `shaketable chaos` beside the Chaos Toolkit, interleaved, and prints the ratios.

    scripts/bench-chaos-toolkit.py [--rounds N] [--shaketable FILE] [--reference CHAOS]

The reference is chaostoolkit 1.21.4 from PyPI: given with --reference or in CHAOS_TOOLKIT, or else
installed into a virtual environment in the cache folder (Python 3.12 or newer is needed for that).
Every case is run in a folder of its own, once per round by each, one after the other, and the
median is shown, with the peak of resident memory. Nothing is asserted: the figures are for people.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

VERSION = "1.21.4"
INSTALL = [f"chaostoolkit=={VERSION}", "chaostoolkit-lib[jsonpath]==1.45.1"]
PYTHONS = ["python3.13", "python3.12", "python3"]


def process(name, path="true", arguments=(), **more):
    provider = {"type": "process", "path": path, "arguments": list(arguments)}
    return {"type": more.pop("kind", "action"), "name": name, "provider": provider, **more}


def experiment(method, **more):
    return {"title": "bench", "description": "bench", "method": method, **more}


def python_call(n):
    provider = {"type": "python", "module": "bench_module", "func": "nothing", "arguments": {"n": n}}
    return {"type": "action", "name": f"call {n}", "provider": provider}


HYPOTHESIS = {"title": "h", "probes": [process("probe", kind="probe", tolerance=0)]}
SMALL = experiment([process("act")], **{"steady-state-hypothesis": HYPOTHESIS, "rollbacks": [process("back")]})
PRINTING = "import sys; sys.stdout.write('x' * 40_000_000)"

# name, what is run, its experiment, and what the project promises
CASES = [
    ("probe + action + rollback", "run", SMALL, "<= 10 ms"),
    ("validate", "validate", SMALL, "<= 5 ms"),
    ("200 process activities", "run", experiment([process(f"p{n}") for n in range(200)]), "<= 300 ms"),
    ("an action printing 40 MB", "run", experiment([process("print", sys.executable, ["-c", PRINTING])]), "<= 500 ms, <= 100 MB"),
    ("1000 Python activities", "run", experiment([python_call(n) for n in range(1000)]), "<= 1000 ms"),
]


def reference(given):
    """The reference's `chaos`, installed if need be."""
    if given:
        return given
    cache = os.environ.get("SHAKETABLE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "shaketable"
    )
    folder = pathlib.Path(cache) / f"chaostoolkit-{VERSION}"
    chaos = folder / "bin" / "chaos"
    if chaos.exists():
        return str(chaos)
    for python in filter(None, map(shutil.which, PYTHONS)):
        asked = subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"], check=False)
        if asked.returncode == 0:
            print(f"installing chaostoolkit {VERSION} into {folder}", file=sys.stderr)
            subprocess.run([python, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *INSTALL], check=True)
            return str(chaos)
    sys.exit("chaostoolkit needs Python 3.12 or newer; name its `chaos` with --reference")


def once(command, environment):
    """Seconds of one run, and the peak of resident memory of it and its children in MB."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**environment, "SHAKETABLE_HOME": os.path.join(folder, "home"), "HOME": folder}
        begun = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with {child.returncode}")
        return seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shaketable", default=os.path.join(target, "debug", "shaketable"))
    parser.add_argument("--reference", default=os.environ.get("CHAOS_TOOLKIT"))
    parser.add_argument("--only", help="only cases with this in their name")
    arguments = parser.parse_args()
    chaos = reference(arguments.reference)
    ours = [os.path.abspath(arguments.shaketable), "chaos"]
    theirs = [chaos, "--no-version-check"]
    print(f"{'case':28} {'Chaos Toolkit':>14} {'MB':>5} {'ours':>10} {'MB':>5} {'ratio':>7}  promised")
    with tempfile.TemporaryDirectory() as modules:
        pathlib.Path(modules, "bench_module.py").write_text("def nothing(n=0):\n    return n\n")
        # The same interpreter for both; `python3` on the path may be a launcher that takes its time.
        interpreter = pathlib.Path(chaos).with_name("python")
        environment = {**os.environ, "PYTHONPATH": modules, "PYTHON": str(interpreter)}
        for name, verb, document, promised in CASES:
            if arguments.only and arguments.only not in name:
                continue
            file = os.path.join(modules, "experiment.json")
            pathlib.Path(file).write_text(json.dumps(document))
            times = {"theirs": [], "ours": []}
            for _ in range(arguments.rounds):
                times["theirs"].append(once([*theirs, verb, file], environment))
                times["ours"].append(once([*ours, verb, file], environment))
            (their_s, their_mb), (our_s, our_mb) = (
                [statistics.median(column) for column in zip(*times[who])] for who in ("theirs", "ours")
            )
            print(
                f"{name:28} {their_s * 1e3:11.1f} ms {their_mb:5.0f} {our_s * 1e3:7.1f} ms {our_mb:5.0f} "
                f"{their_s / our_s:6.1f}x  {promised}",
                flush=True,
            )


if __name__ == "__main__":
    main()
