#!/bin/bash
# exchange-idle.sh ews|graph [MAILBOXES=500]
#
# What a mailbox that waits costs: 1, 10, 100 and MAILBOXES of them over TLS on one server of the tests, held by postern (EWS: a streaming subscription
# each; Graph: looked into every ten seconds) and, for EWS, by ews-javascript-api with a streaming subscription each. Prints resident, proportional and
# private kB and threads of each, and what a mailbox costs, as (memory of all - memory of one) / (MAILBOXES - 1). Needs: curl, nodejs, `npm ci` in
# tests/servers/ews, a release build.
set -euo pipefail
kind=${1:?ews or graph} count=${2:-500}
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/exchange_server" curl node
machine
programs=postern
[ "$kind" != ews ] || programs='postern javascript'

start() {
    local directory=$base/ground/$1-$2
    mkdir -p "$directory"
    case $1 in
        postern)
            exchange_configuration "$kind" "$directory/postern.properties" "$directory" "$2"
            [ "$kind" = ews ] || seq "$2" | sed 's/.*/mailbox.bench&.interval = 10s/' >>"$directory/postern.properties"
            "$postern" run --config "$directory/postern.properties" >"$directory/log" 2>&1 &
            ;;
        javascript)
            seq -f 'bench%g@example.test' "$2" >"$directory/users"
            node --expose-gc "$root/tests/bench/exchange.cjs" idle "$exchange" "$authority" "$directory" "$directory/users" >"$directory/log" 2>&1 &
            ;;
    esac
    holder=$!
    started+=("$holder")
}
waiting() { [ "$(ask_exchange waiting)" = "$1" ]; }
figures() {
    awk '/^Rss/ { rss = $2 } /^Pss:/ { pss = $2 } /^Private/ { private += $2 } END { printf "%d %d %d ", rss, pss, private }' "/proc/$1/smaps_rollup"
    awk '/^Threads/ { print $2 }' "/proc/$1/status"
}
for program in $programs; do
    for n in 1 10 100 "$count"; do
        serve_exchange "$kind" 1x4096 "$n"
        start "$program" "$n"
        wait_for 180 waiting "$n" || { ask_exchange waiting; tail -5 "$base/ground/$program-$n/log"; exit 1; }
        sleep "$([ "$program" = postern ] && echo 90 || echo 15)"  # connections that are no longer needed are given up after a minute
        [ "$kind" = graph ] || waiting "$n" || echo "$program: only $(ask_exchange waiting) of $n still wait" >&2
        figures "$holder" >"$base/$program.$n"
        echo "$program, $n waiting: resident, proportional, private kB; threads: $(cat "$base/$program.$n")"
        [ ! -s "$base/ground/$program-$n/log" ] || head -3 "$base/ground/$program-$n/log" | cut -c1-300
        end "$holder"
        end "$server"
        server=
    done
done
for program in $programs; do
    paste -d' ' "$base/$program.1" "$base/$program.$count" | awk -v program="$program" -v n="$count" \
        '{ printf "%s: %.1f kB resident, %.1f kB proportional, %.1f kB private a mailbox; %d threads\n", program, ($5 - $1) / (n - 1), ($6 - $2) / (n - 1), ($7 - $3) / (n - 1), $8 }'
done
