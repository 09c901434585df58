#!/usr/bin/env bash
# Brings a system up and down again and again, kills the supervisor or the `up` command in the middle
# of some of it, and looks for what was left behind each time: processes with the supervisor's mark,
# listeners, the lock, and anything that keeps the next `up` from working.
#
#   scripts/soak-up-down.sh [COMPOSE_FILE [VARIANT]]
#
# ROUNDS (50), SEED (drawn, printed) and KILL_PERCENT (50) are taken from the environment. The home
# folder is a temporary one. A table goes to standard output; the exit code is 1 on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compose=${1:-systems/orders/compose.yaml}
variant=${2:-}
rounds=${ROUNDS:-50}
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
kill_percent=${KILL_PERCENT:-50}
# Nothing is waited for longer than this, in seconds.
readonly UP_LIMIT=180 DOWN_LIMIT=120 GONE_LIMIT=15

shaketable=$(realpath "${CARGO_TARGET_DIR:-target}/debug/shaketable")
home=$(mktemp -d "${TMPDIR:-/tmp}/shaketable-soak.XXXXXX")
export SHAKETABLE_HOME=$home/home
name=soak
folder=$SHAKETABLE_HOME/systems/$name
up=("$shaketable" up "$compose" --name "$name")
[[ -z $variant ]] || up+=(--variant "$variant")

clean_up() {
    timeout "$DOWN_LIMIT" "$shaketable" down --all >/dev/null 2>&1 || true
    # Data in volumes may be kept outside of the home folder.
    timeout "$DOWN_LIMIT" "$shaketable" down "$name" --volumes >/dev/null 2>&1 || true
    rm -rf "$home"
}
trap clean_up EXIT

# state JSON_PATH: a value of the system's state; empty when there is none.
state() {
    python3 - "$folder/system.json" "$1" <<'PYTHON' 2>/dev/null || true
import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[key]
print(value)
PYTHON
}

# left_behind: one line for each thing that should not be there when the system is down.
left_behind() {
    python3 - "$folder" <<'PYTHON'
import fcntl, json, os, sys
folder = sys.argv[1]
try:
    state = json.load(open(f"{folder}/system.json"))
except (OSError, ValueError):
    state = None
prefix = None
if state:
    supervisor = state["supervisor"]
    mark = f"SHAKETABLE_SUPERVISOR={supervisor['pid']}.{supervisor['start_ticks']}".encode()
    if state["instances"]:
        prefix = state["instances"][0]["address"].rsplit(".", 1)[0] + "."
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = open(f"/proc/{pid}/comm").read().strip()
            ticks = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[19]
            marked = mark in open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
        except (OSError, IndexError):
            continue
        if marked:
            print(f"process {pid} ({name})")
        if int(pid) == supervisor["pid"] and int(ticks) == supervisor["start_ticks"]:
            print(f"supervisor {pid}")
if prefix:
    for line in open("/proc/net/tcp").readlines()[1:]:
        fields = line.split()
        ip, port = fields[1].split(":")
        address = ".".join(str(byte) for byte in reversed(bytes.fromhex(ip)))
        if fields[3] == "0A" and address.startswith(prefix):
            print(f"listener {address}:{int(port, 16)}")
try:
    with open(f"{folder}/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except FileNotFoundError:
    pass
except BlockingIOError:
    print("lock")
PYTHON
}

# await_nothing: what is still there after GONE_LIMIT seconds; nothing at best.
await_nothing() {
    local left deadline=$((SECONDS + GONE_LIMIT))
    while left=$(left_behind) && [[ -n $left ]] && ((SECONDS < deadline)); do sleep 0.1; done
    tr '\n' ';' <<<"$left" | sed 's/;*$//'
}

# bring_up LOG: within its limit; its last lines on a failure.
bring_up() {
    timeout "$UP_LIMIT" "${up[@]}" >"$1" 2>&1
}

echo "seed $seed ($rounds rounds of $compose; again with SEED=$seed)" >&2
RANDOM=$((seed % 32768))
findings=0
usual_ms=3000
row() { printf '%-5s  %-24s  %-8s  %-6s  %s\n' "$@"; }
row round what up down finding
for ((round = 1; round <= rounds; round++)); do
    log=$home/up-$round.log
    finding='' down_s=-
    started=$(date +%s%N)
    if ((RANDOM % 100 < kill_percent)); then
        # Somewhere between the first moment and a little after the system is usually ready.
        delay_ms=$((RANDOM % (usual_ms * 12 / 10 + 1)))
        "${up[@]}" >"$log" 2>&1 &
        command_pid=$!
        sleep "$(printf '%d.%03d' $((delay_ms / 1000)) $((delay_ms % 1000)))"
        if ((RANDOM % 2)); then
            what="up killed at ${delay_ms} ms"
            kill -KILL "$command_pid" 2>/dev/null || true
            wait "$command_pid" 2>/dev/null || true
            # What it had started goes on; the next `up` must find it, or start anew.
            bring_up "$log" || finding="up after that failed: $(tail -n 3 "$log" | tr '\n' ' ')"
        else
            what="supervisor killed at ${delay_ms} ms"
            supervisor=$(state supervisor.pid)
            ticks=$(state supervisor.start_ticks)
            # Only the very process that is recorded.
            if [[ -n $supervisor && $(awk '{print $22}' "/proc/$supervisor/stat" 2>/dev/null) == "$ticks" ]]; then
                kill -KILL "$supervisor" 2>/dev/null || true
            else
                what="nothing to kill at ${delay_ms} ms"
            fi
            wait "$command_pid" 2>/dev/null || true
            if [[ $what == supervisor* ]]; then
                finding=$(await_nothing)
            fi
            [[ -n $finding ]] || bring_up "$log" || finding="up after that failed: $(tail -n 3 "$log" | tr '\n' ' ')"
        fi
    else
        what='up, down'
        bring_up "$log" || finding="up failed: $(tail -n 3 "$log" | tr '\n' ' ')"
        usual_ms=$((($(date +%s%N) - started) / 1000000))
    fi
    up_s=$((($(date +%s%N) - started) / 1000000))
    started=$(date +%s%N)
    if ! timeout "$DOWN_LIMIT" "$shaketable" down "$name" >"$home/down.log" 2>&1; then
        finding="${finding:+$finding; }down failed: $(tail -n 3 "$home/down.log" | tr '\n' ' ')"
    fi
    down_s=$((($(date +%s%N) - started) / 1000000))
    left=$(await_nothing)
    finding="${finding:+$finding; }$left"
    [[ ! -e $folder/data ]] || finding="${finding:+$finding; }data folder"
    finding=${finding%; }
    [[ -z $finding ]] || findings=$((findings + 1))
    row "$round" "$what" "${up_s} ms" "${down_s}ms" "${finding:-none}"
done
echo "$findings findings in $rounds rounds (seed $seed)"
((findings == 0))
