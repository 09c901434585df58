#!/usr/bin/env bash
# Measures what this version promises in numbers: how long a system takes until it is ready, how much
# memory it holds, and how true the load generator is to its schedule. Prints figures, asserts none.
#
#   scripts/bench.sh [ROUNDS]      3 rounds by default
set -euo pipefail
cd "$(dirname "$0")/.."
readonly shaketable=${CARGO_TARGET_DIR:-target}/debug/shaketable
readonly rounds=${1:-3}
home=$(mktemp -d)
export SHAKETABLE_HOME=$home
trap '"$shaketable" down --all >/dev/null 2>&1; rm -rf "$home"' EXIT

for round in $(seq 1 "$rounds"); do
    for variant in flawed fixed; do
        echo "round $round, $variant: $("$shaketable" up systems/orders/compose.yaml --variant "$variant" 2>&1 >"$home/table" | tail -n 1)"
        api=$(awk '$1 == "poke-order-api" { print $5 }' "$home/table")
        order='{"user_id":1,"pokemon":"pidgey","country":"Chile","price":20}'
        for rate in 50/s 200/s; do
            echo "  $rate for 10 s:"
            "$shaketable" load --url "http://$api/orders/" --json "$order" --rate "$rate" --duration 10s | sed 's/^/    /'
        done
        "$shaketable" down 2>/dev/null
    done
done
