"""Records anew what the reference says of the documents in validate.ndjson.

Needs `chaos` of chaostoolkit 1.21.4 (with hvac and jsonpath2) as the first argument. Run it in this folder.
A traceback is recorded as `TB` and its last line; colours and times are taken out.
"""
import json
import os
import re
import subprocess
import sys
import tempfile


def plain(text):
    text = re.sub(r"\x1b\[\d+m", "", text)
    text = re.sub(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "[", text)
    if "Traceback" in text:
        at = text.index("Traceback")
        last = [line for line in text[at:].rstrip().split("\n") if line and not line.startswith((" ", "During", "The above"))][-1]
        text = text[:at] + "TB " + last
    return text.strip()


def record(chaos, case):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, case["file"]), "w", encoding="utf-8") as file:
            file.write(case["document"])
        command = [chaos, "--no-version-check", "--no-log-file", "validate", case["file"]]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return {**case, "code": done.returncode, "stderr": plain(done.stderr)}


cases = [json.loads(line) for line in open("validate.ndjson", encoding="utf-8")]
recorded = [record(sys.argv[1], case) for case in cases]
with open("validate.ndjson", "w", encoding="utf-8") as file:
    for case in recorded:
        file.write(json.dumps(case, ensure_ascii=False) + "\n")
