#!/bin/bash
# drain.sh small|mixed tmpfs|ext4 [ROUNDS [ROUNDS_OF_MBSYNC]]
#
# Drains one mailbox over TLS with postern (run --once), mbsync and raw_reader, interleaved, ROUNDS (5) times (mbsync: ROUNDS_OF_MBSYNC, may be 0),
# each into an empty directory on tmpfs or on a loop-mounted ext4 with a journal (needs root). Prints each run and the medians: wall seconds, user
# and system seconds of the client, peak memory in kB. The server and its mails are on tmpfs. Needs: isync, time, dovecot-imapd, nodejs, a release
# build.
set -euo pipefail
kind=${1:?small or mixed} ground=${2:?tmpfs or ext4} rounds=${3:-5} slow_rounds=${4:-${3:-5}}
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/raw_reader" /usr/bin/time mbsync dovecot node
machine
serve bench@example.test
mails bench@example.test "$kind"
[ "$ground" != ext4 ] || mount_ext4
configuration "$base/postern.properties" "$base/ground/postern"
mailbox "$base/postern.properties" bench bench@example.test "$imaps"
echo 'mailbox.bench.start = all' >>"$base/postern.properties"
mbsync_configuration "$base/mbsyncrc" "$base/ground/mbsync" bench@example.test "$imaps"

one() {
    local name=$1
    rm -rf "$base/ground/${name:?}"
    mkdir -p "$base/ground/$name"
    sync -f "$base/ground"
    case $name in
        postern) set -- "$postern" run --once --config "$base/postern.properties" ;;
        mbsync) set -- mbsync -q -c "$base/mbsyncrc" bench ;;
        raw) set -- "$tools/raw_reader" localhost "$imaps" "$authority" bench@example.test reader-password "$base/ground/raw" ;;
    esac
    /usr/bin/time -a -o "$base/$name.times" -f '%e %U %S %M' "$@" >"$base/$name.out" 2>&1 || { cat "$base/$name.out"; exit 1; }
    echo "$name $(tail -1 "$base/$name.times") $(find "$base/ground/$name" -type f -size +200c | wc -l) files"
}
for round in $(seq "$rounds"); do
    for name in raw postern mbsync; do
        [ "$name" = mbsync ] && [ "$round" -gt "$slow_rounds" ] || one "$name"
    done
done
echo "medians ($kind, $ground, $rounds rounds): wall s, user s, system s, peak kB"
for name in raw postern mbsync; do
    [ ! -e "$base/$name.times" ] || echo "$name $(for column in 1 2 3 4; do median "$base/$name.times" "$column"; done | paste -sd' ')"
done
