#!/bin/bash
# exchange-big.sh ews|graph [MEGABYTES=150]
#
# How much memory one large mail costs: a service takes 200 mails of 4 kB by EWS or Graph, then one of MEGABYTES. Prints the resident memory before, its
# peak afterwards, the difference, and the time from the arrival to the file. Server and spool are on tmpfs. Needs: curl, a release build.
set -euo pipefail
kind=${1:?ews or graph} megabytes=${2:-150}
. "$(dirname "$0")/server.sh"
need "$postern" "$tools/exchange_server" curl
machine
serve_exchange "$kind" 200x4096
exchange_configuration "$kind" "$base/postern.properties" "$base/ground"
printf '%s\n' 'mailbox.bench1.interval = 1s' 'sink.spool.timeout = 10m' >>"$base/postern.properties"
"$postern" run --config "$base/postern.properties" >"$base/postern.log" 2>&1 &
service=$!
started+=("$service")
files() { [ "$(find "$base/ground/spool" -name '*.eml' 2>/dev/null | wc -l)" -ge "$1" ]; }
memory() { sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$service/status"; }
wait_for 120 files 200 || { cat "$base/postern.log"; exit 1; }
sleep 5
before=$(memory VmRSS)
echo 5 >"/proc/$service/clear_refs"  # the peak begins anew
ask_exchange deliver 4096 >/dev/null
wait_for 120 files 201
sleep 2
small=$(memory VmHWM)
echo 5 >"/proc/$service/clear_refs"
from=$(date +%s.%N)
ask_exchange deliver "$((megabytes * 1048576))" >/dev/null
wait_for 600 files 202 || { cat "$base/postern.log"; exit 1; }
to=$(date +%s.%N)
sleep 1
size=$(find "$base/ground/spool" -size +1M -printf '%s\n')
echo "by $kind one mail of $size bytes: resident before $before kB, peak with one of 4 kB $small kB, with this one $(memory VmHWM) kB; $(awk "BEGIN { printf \"%.1f\", $to - $from }") s"
cat "$base/postern.log"
