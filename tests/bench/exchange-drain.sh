#!/bin/bash
# exchange-drain.sh ews|graph tmpfs|ext4 [MAILS=20000x4096 [ROUNDS=5 [ROUNDS_OF_EXCHANGELIB=1]]]
#
# Drains one mailbox of MAILS (COUNTxSIZE, several with commas) over TLS, by EWS or Microsoft Graph, from the tests' own server, with postern (run --once),
# raw_exchange and what others have: ews-javascript-api and exchangelib for EWS, Node's fetch for Graph. Interleaved, ROUNDS times, each into an empty
# directory on tmpfs or ext4. Prints each run with the server's processor time, and the medians: wall seconds, user and system seconds of the client, peak
# memory in kB, user and system seconds of the server. Needs: time, curl, nodejs, `npm ci` in tests/servers/ews, python3-exchangelib, a release build.
set -euo pipefail
kind=${1:?ews or graph} ground=${2:?tmpfs or ext4} mails=${3:-20000x4096} rounds=${4:-5} slow_rounds=${5:-1}
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/exchange_server" "$tools/raw_exchange" /usr/bin/time curl node
machine
serve_exchange "$kind" "$mails"
[ "$ground" != ext4 ] || ext4_ground
exchange_configuration "$kind" "$base/postern.properties" "$base/ground/postern"
user=bench1@example.test
echo "$user" >"$base/users"
export NODE_EXTRA_CA_CERTS=$authority REQUESTS_CA_BUNDLE=$authority
wanted=$(tr , '\n' <<<"$mails" | awk -Fx '{ n += $1 } END { print n }')
programs='raw postern fetch'
[ "$kind" != ews ] || programs='raw postern javascript exchangelib'

ticks() { awk -v hertz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hertz }' "/proc/$server/stat"; }
one() {
    local name=$1 before files
    rm -rf "$base/ground/${name:?}"
    mkdir -p "$base/ground/$name"
    sync -f "$base/ground"
    case $name in
        postern) set -- "$postern" run --once --config "$base/postern.properties" ;;
        raw) set -- "$tools/raw_exchange" "$kind" "$exchange" "$authority" "$base/ground/raw" ;;
        javascript) set -- node "$root/tests/bench/exchange.cjs" drain "$exchange" "$authority" "$base/ground/javascript" "$base/users" ;;
        exchangelib) set -- /usr/bin/python3 "$root/tests/bench/exchange.py" "$exchange" "$base/ground/exchangelib" "$user" ;;
        fetch) set -- node "$root/tests/bench/graph.mjs" "$exchange" "$base/ground/fetch" "$user" ;;
    esac
    before=$(ticks)
    /usr/bin/time -a -o "$base/$name.one" -f '%e %U %S %M' "$@" >"$base/$name.out" 2>&1 || { cat "$base/$name.out"; exit 1; }
    echo "$(tail -1 "$base/$name.one") $(ticks | awk -v before="$before" '{ printf "%.2f", $1 - before }')" >>"$base/$name.times"
    files=$(find "$base/ground/$name/" -type f -size +200c | grep -vc /data/)
    echo "$name $(tail -1 "$base/$name.times") $files files"
    [ "$files" = "$wanted" ]
}
for round in $(seq "$rounds"); do
    for name in $programs; do
        [ "$name" = exchangelib ] && [ "$round" -gt "$slow_rounds" ] || one "$name"
    done
done
echo "medians ($kind, $mails, $ground, $rounds rounds): wall s, user s, system s, peak kB, s of the server's processor; messages a second"
for name in $programs; do
    [ ! -e "$base/$name.times" ] || echo "$name $(for column in 1 2 3 4 5; do median "$base/$name.times" "$column"; done | paste -sd' ');" \
        "$(awk -v wanted="$wanted" -v wall="$(median "$base/$name.times" 1)" 'BEGIN { printf "%.0f", wanted / wall }')"
done
