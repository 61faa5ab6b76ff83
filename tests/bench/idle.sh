#!/bin/bash
# idle.sh [MAILBOXES]
#
# What a mailbox that waits in IDLE costs: MAILBOXES (1000) of them over TLS on one Dovecot, held by postern (the service), raw_watcher and npm's
# imapflow, one after the other, each also with a single mailbox. Prints for each: kB a mailbox, as (memory of all - memory of one) / (MAILBOXES - 1),
# of the resident set, of the proportional set and of private memory; and the threads. Needs: dovecot-imapd, node, npm (installs imapflow by
# name into a directory of its own), a release build; 3 GB of memory for the server; as root it raises fs.inotify.max_user_instances meanwhile.
set -euo pipefail
count=${1:-1000}
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/raw_watcher" dovecot
allowed=$(sysctl -n fs.inotify.max_user_instances)
if [ "$(id -u)" = 0 ] && [ "$allowed" -lt $((2 * count + 200)) ]; then
    sysctl -q -w fs.inotify.max_user_instances=$((2 * count + 200))
    trap 'finish; sysctl -q -w fs.inotify.max_user_instances=$allowed' EXIT
fi
machine
install_imapflow
# shellcheck disable=SC2046
serve $(seq -f 'user%g@example.test' "$count")

# start PROGRAM N: begins to hold the first N mailboxes; its process id in $holder
start() {
    local directory=$base/ground/$1-$2 i
    mkdir -p "$directory"
    head -n "$2" "$base/server/users" >"$directory/users"
    case $1 in
        postern)
            configuration "$directory/postern.properties" "$directory"
            for i in $(seq "$2"); do mailbox "$directory/postern.properties" "box$i" "user$i@example.test" "$imaps"; done
            "$postern" run --config "$directory/postern.properties" >"$directory/log" 2>&1 &
            ;;
        raw) "$tools/raw_watcher" localhost "$imaps" "$authority" reader-password "$directory/users" >"$directory/log" 2>&1 & ;;
        imapflow) $imapflow idle "$imaps" "$authority" "$directory" "$directory/users" >"$directory/log" 2>&1 & ;;
    esac
    holder=$!
    started+=("$holder")
}
all_idle() { [ "$(idling)" = "$1" ]; }

# figures PID: resident, proportional, private kB; threads
figures() {
    awk '/^Rss/ { rss = $2 } /^Pss:/ { pss = $2 } /^Private/ { private += $2 } END { printf "%d %d %d ", rss, pss, private }' "/proc/$1/smaps_rollup"
    awk '/^Threads/ { print $2 }' "/proc/$1/status"
}
for program in raw postern imapflow; do
    for n in 1 "$count"; do
        start "$program" "$n"
        wait_for 180 all_idle "$n" || { tail -5 "$base/ground/$program-$n/log"; exit 1; }
        sleep 10
        [ "$(idling)" = "$n" ] || echo "$program: only $(idling) of $n still wait" >&2
        figures "$holder" >"$base/$program.$n"
        echo "$program, $n waiting: resident, proportional, private kB; threads: $(cat "$base/$program.$n")"
        end "$holder"
        wait_for 60 all_idle 0
    done
done
for program in raw postern imapflow; do
    paste -d' ' "$base/$program.1" "$base/$program.$count" | awk -v program="$program" -v n="$count" \
        '{ printf "%s: %.1f kB resident, %.1f kB proportional, %.1f kB private a mailbox; %d threads\n", program, ($5 - $1) / (n - 1), ($6 - $2) / (n - 1), ($7 - $3) / (n - 1), $8 }'
done
