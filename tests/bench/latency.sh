#!/bin/bash
# latency.sh [MAILS [GROUND]]
#
# How long after the server tells of a mail it is in the spool: one mailbox in IDLE, MAILS (200) mails of 2 kB appended one at a time by another
# connection, at random moments 1.2 to 1.6 s apart (Dovecot tells half a second after a change, and what one session does to the maildir is a
# change to the other: only after a second both are told at the same moment). Beside each program raw_watcher waits in IDLE on the same mailbox, and
# sees names appear in the spool, by the same clock: printed is the time from its own EXISTS to the file's name, as p50, p95, p99 in ms. The server
# tells two sessions apart by a little, so single figures may be negative. postern and npm's imapflow (which writes, syncs and renames each file, and
# syncs the directory) take turns. GROUND: tmpfs or ext4 (a loop-mounted one, needs root); without it both. 200 mails take 20 minutes.
# Needs: dovecot-imapd, node, npm, a release build.
set -euo pipefail
mails=${1:-200} grounds=${2:-tmpfs ext4} turns=4
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/raw_watcher" dovecot
machine
install_imapflow
serve bench@example.test
echo bench@example.test >"$base/users"
[[ $grounds != *ext4* ]] || mount_ext4
declare -A places=([tmpfs]=$base/tmpfs [ext4]=$base/ground)

body=$(printf 'Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy.\r\n%.0s' $(seq 25))
append() {
    local mail line
    mail=$(printf 'From: a@example.test\r\nSubject: %s\r\nMessage-ID: <%s@bench>\r\n\r\n%s' "$1" "$1" "$body")
    printf 'a APPEND INBOX {%d+}\r\n%s\r\n' "${#mail}" "$mail" >&7
    while read -r -u 7 line; do [[ $line != a\ * ]] || break; done
    [[ $line == a\ OK* ]] || { echo "APPEND: $line" >&2; return 1; }
}
idling_are() { [ "$(idling)" -ge "$1" ]; }
files_are() { [ "$(grep -c '^file' "$directory/seen")" -ge "$1" ]; }

# turn PROGRAM GROUND COUNT
turn() {
    local program=$1 ground=$2 count=$3 holder watcher i
    directory=$(mktemp -d "${places[$ground]}/$program.XXXX")
    mkdir "$directory/spool"
    case $program in
        postern)
            configuration "$directory/postern.properties" "$directory"
            mailbox "$directory/postern.properties" bench bench@example.test "$imaps"
            "$postern" run --config "$directory/postern.properties" >"$directory/log" 2>&1 &
            ;;
        imapflow) $imapflow arrivals "$imaps" "$authority" "$directory/spool" "$base/users" >"$directory/log" 2>&1 & ;;
    esac
    holder=$!
    started+=("$holder")
    wait_for 30 idling_are 1
    "$tools/raw_watcher" localhost "$imaps" "$authority" reader-password "$base/users" "$directory/spool" >"$directory/seen" 2>&1 &
    watcher=$!
    started+=("$watcher")
    wait_for 30 idling_are 2
    sleep 4
    for i in $(seq "$count"); do
        append "$program-$ground-$RANDOM-$i"
        sleep "1.$((200 + RANDOM % 400))"
        wait_for 20 files_are "$i" || { tail -5 "$directory/log" "$directory/seen"; return 1; }
    done
    awk '$1 == "exists" && !($3 in seen) { seen[$3] = 1; told[++n] = $4 } $1 == "file" { came[++f] = $3 }
        END { for (i = 1; i <= f; ++i) printf "%.3f\n", (came[i] - told[i]) / 1e6 }' "$directory/seen" >>"$base/$program.$ground"
    end "$holder"
    end "$watcher"
}
exec 7<>"/dev/tcp/127.0.0.1/$imap"
read -r -u 7 _
printf 'l LOGIN bench@example.test reader-password\r\n' >&7
while read -r -u 7 line && [[ $line != l\ * ]]; do :; done

mkdir "$base/tmpfs"
for _ in $(seq $turns); do
    for ground in $grounds; do
        for program in postern imapflow; do turn "$program" "$ground" $(((mails + turns - 1) / turns)); done
    done
done
for ground in $grounds; do
    for program in postern imapflow; do
        sort -n "$base/$program.$ground" | awk -v program="$program" -v ground="$ground" '{ v[NR] = $1 }
            function p(q) { i = int(q * NR + 0.999999); return v[i < 1 ? 1 : i] }
            END { printf "%s, %s, %d mails: p50 %.2f, p95 %.2f, p99 %.2f ms after the raw watcher'"'"'s EXISTS\n", program, ground, NR, p(0.5), p(0.95), p(0.99) }'
    done
done
