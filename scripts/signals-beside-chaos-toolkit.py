#!/usr/bin/env python3
"""Sends signals to `shaketable chaos` and to the Chaos Toolkit in every phase of a run, and prints
what became of each as a table in Markdown (it is the one in docs/MIGRATING.md).

    scripts/signals-beside-chaos-toolkit.py [--shaketable FILE] [--reference CHAOS] [--hold SECONDS]

The reference is chaostoolkit 1.21.4 from PyPI: given with --reference or in CHAOS_TOOLKIT, or else
what `make bench` has installed into the cache folder.

 1. A signal is sent when the phase has been reached: an activity has made its mark, or the log tells
    of the pause; and the runner has gone to sleep over it. It goes to the runner alone, as `kill`
    sends it, and not to its whole group, as Ctrl-C in a terminal does.
 2. What is left are processes of the run that live when the runner has ended. Each is known by a
    variable in its environment, and is ended here.
 3. Signals that made no difference share their rows.
 4. `ends` tells how long after the signal the runner has ended; activities and pauses take --hold
    seconds.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid

VERSION = "1.21.4"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL]
PHASES = ["before", "hypothesis", "method", "pause", "rollback"]
PHASE_LIMIT_S = 60    # until a phase is reached
END_LIMIT_S = 120     # until a runner has ended
SETTLE_S = 2          # until what was killed is gone
POLL_S = 0.01
ASLEEP_LOOKS = 10     # at which a runner is to be asleep, and not to have been awake in between
AT_ONCE_S = 2         # what is not worth telling in seconds
PARALLEL = 6
RUN = "SIGNALS_RUN"    # the variable that tells the processes of one run
PAUSING = "Pausing after activity"


def activity(kind, name, held, hold, **more):
    """Ends at once, or makes its mark and is held for a while by a child of its own."""
    script = f"ACTIVITY={name} sleep {hold} & touch mark-{name}; wait" if held else f"touch mark-{name}"
    provider = {"type": "process", "path": "sh", "arguments": ["-c", script]}
    return {"type": kind, "name": name, "provider": provider, **more}


def experiment(phase, hold):
    before, rollback = activity("probe", "place", phase == "before", hold), phase == "rollback"
    method = [activity("action", "break", phase == "method", hold)]
    if phase == "method":
        method.insert(0, activity("action", "beside", True, hold, background=True))
    if phase == "pause":
        method[0]["pauses"] = {"after": hold}
    probe = activity("probe", "look", phase == "hypothesis", hold, tolerance=0)
    return {
        "title": phase,
        "description": "signals",
        "configuration": {"place": before},
        "steady-state-hypothesis": {"title": "h", "probes": [probe]},
        "method": method,
        "rollbacks": [activity("action", "undo", rollback, hold), activity("action", "last", False, hold)],
    }


def marks(phase):
    names = {"before": ["place"], "hypothesis": ["look"], "method": ["beside", "break"], "rollback": ["undo"]}
    return [f"mark-{name}" for name in names.get(phase, [])]


def until(limit, condition):
    """Whether the condition came to hold within the limit."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def sleeps(pid):
    """Whether a process's main thread has slept through some looks."""
    seen = set()
    for _ in range(ASLEEP_LOOKS):
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        if not status["State"].startswith("S"):
            return False
        seen.add(status["voluntary_ctxt_switches"])
        time.sleep(POLL_S)
    return len(seen) == 1


def processes(run):
    """Pid and what it is, of every living process of a run."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if f"{RUN}={run}".encode() not in environment:
                continue
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            program = os.path.basename(words.split()[0]) if words.split() else "?"
            named = [word[9:].decode() for word in environment if word.startswith(b"ACTIVITY=")]
            named = named or [word[5:].rstrip(";") for word in words.split() if word.startswith("mark-")]
            found[int(folder.name)] = f"{program} of {named[0]}" if named else program
        except (OSError, ValueError):
            continue    # it has ended meanwhile, or is somebody else's
    return found


def cell(command, journal_command, phase, sent, hold):
    """One run that gets one signal; a dictionary of what became of it."""
    run = uuid.uuid4().hex
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        environment = {**os.environ, RUN: run, "SHAKETABLE_HOME": str(folder / "home"), "HOME": name}
        (folder / "experiment.json").write_text(json.dumps(experiment(phase, hold)))
        with open(folder / "output", "wb") as output:
            runner = subprocess.Popen(
                [*command, "--no-version-check", "run", "experiment.json"],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
        try:
            def reached():
                if runner.poll() is not None:
                    raise RuntimeError(f"{phase}: it ended too early: {(folder / 'output').read_text()}")
                if phase == "pause":
                    return PAUSING in (folder / "output").read_text()
                return all((folder / mark).exists() for mark in marks(phase))

            if not until(PHASE_LIMIT_S, lambda: reached() and sleeps(runner.pid)):
                raise RuntimeError(f"{phase} is not reached: {(folder / 'output').read_text()}")
            began = time.monotonic()
            runner.send_signal(sent)
            code = runner.wait(END_LIMIT_S)
            took = time.monotonic() - began
            until(SETTLE_S, lambda: not processes(run))
            left = processes(run)
        finally:
            runner.kill()
            runner.wait()
            for pid in processes(run):
                os.kill(pid, signal.SIGKILL)
        journal, where = None, "none"
        if (folder / "journal.json").exists():
            journal, where = json.loads((folder / "journal.json").read_text()), "`journal.json`"
        elif journal_command:
            shown = subprocess.run(journal_command, cwd=folder, env=environment, capture_output=True, check=False)
            if shown.returncode == 0:
                journal, where = json.loads(shown.stdout), "`shaketable journal`"
        played = [name for name in ("undo", "last") if (folder / f"mark-{name}").exists()]
    return {
        "rc": code,
        "status": journal and journal["status"],
        "ends": "at once" if took < AT_ONCE_S else f"after {took:.0f} s",
        "left": sorted(left.values()),
        "without status": without_status(journal) if journal else None,
        "rollbacks": played,
        "journal": where,
    }


def without_status(journal):
    states = journal.get("steady_states") or {}
    entries = [entry for state in (states.get("before"), states.get("after")) for entry in (state or {}).get("probes", [])]
    entries += journal["run"] + journal["rollbacks"]
    return [entry["activity"]["name"] for entry in entries if "status" not in entry]


def shown(value):
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value)


def main():
    cache = os.environ.get("SHAKETABLE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "shaketable"
    )
    installed = os.path.join(cache, f"chaostoolkit-{VERSION}", "bin", "chaos")
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shaketable", default="target/debug/shaketable")
    parser.add_argument("--reference", default=os.environ.get("CHAOS_TOOLKIT") or installed)
    parser.add_argument("--hold", type=int, default=30, help="seconds that an activity takes")
    given = parser.parse_args()
    for program in (given.reference, given.shaketable):
        if not os.access(program, os.X_OK):
            sys.exit(f"{program} is not there; see --help")
    ours = os.path.abspath(given.shaketable)
    sides = [("Chaos Toolkit", [given.reference], None), ("Shaketable", [ours, "chaos"], [ours, "journal"])]
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        cells = {
            (phase, sent, side): pool.submit(cell, command, journal, phase, sent, given.hold)
            for phase in PHASES
            for sent in SIGNALS
            for side, command, journal in sides
        }
    columns = ["rc", "status", "ends", "left", "without status", "rollbacks", "journal"]
    print("| phase | signal | |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 3) + "|")
    for phase in PHASES:
        rows = {}    # what became of both sides, and the signals of which that is true
        for sent in SIGNALS:
            results = [cells[phase, sent, side].result() for side, _, _ in sides]
            rows.setdefault(tuple(tuple(shown(result[name]) for name in columns) for result in results), []).append(sent.name)
        for both, names in rows.items():
            for (side, _, _), values in zip(sides, both):
                print(f"| {phase} | {', '.join(names)} | {side} |", " | ".join(values), "|")


if __name__ == "__main__":
    main()
