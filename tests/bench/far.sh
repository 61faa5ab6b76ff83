#!/bin/bash
# far.sh [MAILS [ROUNDS]]
#
# Drains a mailbox of MAILS (2000) mails of 4 kB from a server that is 20 ms away (10 ms each way, by slow_link: a delay alone, no limit of
# bandwidth, no slow start), with raw_reader, postern (run --once), mbsync and npm's imapflow, interleaved, ROUNDS (5) times, each into an empty
# directory on tmpfs; and as often without the delay. Prints each run, the medians in seconds, and the difference in round trips.
# Needs: isync, time, dovecot-imapd, node, npm, a release build.
set -euo pipefail
mails=${1:-2000} rounds=${2:-5}
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/raw_reader" "$tools/slow_link" /usr/bin/time mbsync dovecot
machine
install_imapflow
serve bench@example.test
mails bench@example.test small "$mails"
echo bench@example.test >"$base/users"
programs='raw postern mbsync imapflow'
declare -A ports
for way in far near; do
    "$tools/slow_link" "$imaps" "$([ $way = far ] && echo 10 || echo 0)" >"$base/$way.port" &
    started+=("$!")
    wait_for 5 test -s "$base/$way.port"
    . "$base/$way.port"
    ports[$way]=$port
    configuration "$base/$way.properties" "$base/ground/postern"
    mailbox "$base/$way.properties" bench bench@example.test "$port"
    echo 'mailbox.bench.start = all' >>"$base/$way.properties"
    mbsync_configuration "$base/$way.mbsyncrc" "$base/ground/mbsync" bench@example.test "$port"
done

one() {
    local name=$1 way=$2 files
    rm -rf "$base/ground/${name:?}"
    mkdir -p "$base/ground/$name"
    case $name in
        raw) set -- "$tools/raw_reader" localhost "${ports[$way]}" "$authority" bench@example.test reader-password "$base/ground/raw" ;;
        postern) set -- "$postern" run --once --config "$base/$way.properties" ;;
        mbsync) set -- mbsync -q -c "$base/$way.mbsyncrc" bench ;;
        imapflow) set -- $imapflow drain "${ports[$way]}" "$authority" "$base/ground/imapflow" "$base/users" ;;
    esac
    /usr/bin/time -a -o "$base/$name.$way" -f '%e %U %S %M' "$@" >"$base/$name.out" 2>&1 || { cat "$base/$name.out"; exit 1; }
    files=$(find "$base/ground/$name" -type f -size +2 | grep -vc /data/)
    echo "$name $way $(tail -1 "$base/$name.$way") $files files"
    [ "$files" -ge "$mails" ]
}
for _ in $(seq "$rounds"); do
    for way in far near; do
        for name in $programs; do one "$name" "$way"; done
    done
done
echo "medians ($mails mails of 4 kB, $rounds rounds): wall s far, wall s near, round trips of 20 ms between them; far, as a multiple of raw"
for name in $programs; do
    awk -v name="$name" -v far="$(median "$base/$name.far" 1)" -v near="$(median "$base/$name.near" 1)" -v raw="$(median "$base/raw.far" 1)" \
        'BEGIN { printf "%s %.2f %.2f %.1f; %.2f\n", name, far, near, (far - near) / 0.02, far / raw }'
done
