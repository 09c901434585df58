#!/usr/bin/env bash
# Brings a system up and down again and again, kills the supervisor or the command in the middle of
# some `up` and some `down`, and looks for what was left behind each time: processes with the
# supervisor's mark, listeners, the lock, and anything that keeps the next `up` from working. Named
# volumes are kept from most rounds to the next, so that half-made data folders are met again.
#
#   scripts/soak-up-down.sh [-f COMPOSE_FILE]... [--variant VARIANT]
#
# Without files it is the order system with its data in volumes, variant `fixed`. ROUNDS (50), SEED
# (drawn, printed), KILL_PERCENT (50: of the `up`s, and of the `down`s) and KEEP_PERCENT (75: rounds
# that leave their volumes to the next) are taken from the environment. The home folder is a
# temporary one. A table goes to standard output; the exit code is 1 on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

files=() variant=''
while (($# > 0)); do
    case $1 in
    -f | --file) files+=(-f "${2:?$1 needs a file}") ;;
    --variant) variant=${2:?$1 needs a name} ;;
    *) echo "usage: $0 [-f COMPOSE_FILE]... [--variant VARIANT]" >&2; exit 2 ;;
    esac
    shift 2
done
if ((${#files[@]} == 0)); then
    files=(-f systems/orders/compose.yaml -f systems/orders/compose.keep.yaml)
    variant=${variant:-fixed}
fi
rounds=${ROUNDS:-50}
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
kill_percent=${KILL_PERCENT:-50}
keep_percent=${KEEP_PERCENT:-75}
# Nothing is waited for longer than this, in seconds.
readonly UP_LIMIT=180 DOWN_LIMIT=120 GONE_LIMIT=15

shaketable=$(realpath "${CARGO_TARGET_DIR:-target}/debug/shaketable")
home=$(mktemp -d "${TMPDIR:-/tmp}/shaketable-soak.XXXXXX")
export SHAKETABLE_HOME=$home/home
name=soak
folder=$SHAKETABLE_HOME/systems/$name
up=("$shaketable" up "${files[@]}" --name "$name")
[[ -z $variant ]] || up+=(--variant "$variant")

clean_up() {
    timeout "$DOWN_LIMIT" "$shaketable" down --all >/dev/null 2>&1 || true
    # Data in volumes may be kept outside of the home folder.
    timeout "$DOWN_LIMIT" "$shaketable" down "$name" --volumes >/dev/null 2>&1 || true
    rm -rf "$home"
}
trap clean_up EXIT

# supervisor: pid and start time of the one that is recorded; nothing when there is none.
supervisor() {
    python3 - "$folder/system.json" <<'PYTHON' 2>/dev/null || true
import json, sys
supervisor = json.load(open(sys.argv[1]))["supervisor"]
print(supervisor["pid"], supervisor["start_ticks"])
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

# pause_ms MILLISECONDS
pause_ms() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

# kill_supervisor PID START_TIME: if it still is that very process.
kill_supervisor() {
    [[ -n ${1:-} && $(awk '{print $22}' "/proc/$1/stat" 2>/dev/null) == "$2" ]] || return 1
    kill -KILL "$1" 2>/dev/null
}

# add_finding TEXT: to those of this round.
add_finding() {
    [[ -z $1 ]] || finding="${finding:+$finding; }$1"
}

# last_words LOG
last_words() { tail -n 3 "$1" | tr '\n' ' '; }

# take_down: within its limit.
take_down() {
    timeout "$DOWN_LIMIT" "$shaketable" down "$name" >"$home/down.log" 2>&1
}

echo "seed $seed ($rounds rounds of ${files[*]} $variant; again with SEED=$seed)" >&2
RANDOM=$((seed % 32768))
findings=0
# How long either usually takes; kills come at random within that and a little more.
usual_up_ms=3000 usual_down_ms=1500
row() { printf '%-5s  %-28s  %-32s  %-8s  %-8s  %s\n' "$@"; }
row round up down 'up ms' 'down ms' finding
for ((round = 1; round <= rounds; round++)); do
    log=$home/up-$round.log
    finding=''
    started=$(date +%s%N)
    if ((RANDOM % 100 < kill_percent)); then
        delay_ms=$((RANDOM % (usual_up_ms * 12 / 10 + 1)))
        "${up[@]}" >"$log" 2>&1 &
        command_pid=$!
        pause_ms "$delay_ms"
        if ((RANDOM % 2)); then
            what_up="command killed, ${delay_ms} ms"
            kill -KILL "$command_pid" 2>/dev/null || true
            wait "$command_pid" 2>/dev/null || true
            # What it had started goes on; the next `up` must find it, or start anew.
        elif kill_supervisor $(supervisor); then
            what_up="supervisor killed, ${delay_ms} ms"
            wait "$command_pid" 2>/dev/null || true
            add_finding "$(await_nothing)"
        else
            what_up="nothing to kill, ${delay_ms} ms"
            wait "$command_pid" 2>/dev/null || true
        fi
        bring_up "$log" || add_finding "up after that failed: $(last_words "$log")"
    else
        what_up=up
        bring_up "$log" || add_finding "up failed: $(last_words "$log")"
        usual_up_ms=$((($(date +%s%N) - started) / 1000000))
    fi
    up_ms=$((($(date +%s%N) - started) / 1000000))

    started=$(date +%s%N)
    if ((RANDOM % 100 < kill_percent)); then
        delay_ms=$((RANDOM % (usual_down_ms * 12 / 10 + 1)))
        recorded=$(supervisor)
        "$shaketable" down "$name" >"$home/down.log" 2>&1 &
        command_pid=$!
        pause_ms "$delay_ms"
        if ((RANDOM % 2)); then
            what_down="command killed, ${delay_ms} ms"
            kill -KILL "$command_pid" 2>/dev/null || true
        elif kill_supervisor $recorded; then
            what_down="supervisor killed, ${delay_ms} ms"
        else
            what_down="nothing to kill, ${delay_ms} ms"
        fi
        wait "$command_pid" 2>/dev/null || true
        # A `down` that was killed before it asked leaves the system up, and one after it is gone is
        # an error: only what is left afterwards counts.
        take_down || true
    else
        what_down=down
        take_down || add_finding "down failed: $(last_words "$home/down.log")"
        usual_down_ms=$((($(date +%s%N) - started) / 1000000))
    fi
    down_ms=$((($(date +%s%N) - started) / 1000000))
    add_finding "$(await_nothing)"
    # A supervisor that was killed leaves its data to the next start.
    [[ $what_down == supervisor* || ! -e $folder/data ]] || add_finding 'data folder'
    if ((RANDOM % 100 >= keep_percent)); then
        what_down+=', volumes'
        if [[ -e $SHAKETABLE_HOME/volumes/$name ]]; then
            timeout "$DOWN_LIMIT" "$shaketable" down "$name" --volumes >"$home/down.log" 2>&1 ||
                add_finding "down --volumes failed: $(last_words "$home/down.log")"
        fi
    fi
    [[ -z $finding ]] || findings=$((findings + 1))
    row "$round" "$what_up" "$what_down" "$up_ms" "$down_ms" "${finding:-none}"
done
echo "$findings findings in $rounds rounds (seed $seed)"
((findings == 0))
