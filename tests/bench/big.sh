#!/bin/bash
# big.sh [MEGABYTES=2048]
#
# How much memory one large mail costs: a service with three sinks (a directory, a webhook, a program) takes small mails first, then one of MEGABYTES,
# which goes to all three at once from one staged file. Prints the resident memory before, its peak afterwards, the difference, and the time from the
# arrival to the last sink. Server, staging and spool are on tmpfs: it needs three times the size there. Needs: dovecot-imapd, nodejs, a release build.
set -euo pipefail
megabytes=${1:-2048}
. "$(dirname "$0")/server.sh"
need "$postern" dovecot node sha256sum
machine
serve bench@example.test
mails bench@example.test small 200

cat >"$base/receiver.mjs" <<'END'
// Takes what is posted, hashes it, and says so on standard output.
import { createServer } from 'node:http';
import { createHash } from 'node:crypto';
createServer((request, response) => {
    const hash = createHash('sha256');
    let size = 0;
    request.on('data', (piece) => { hash.update(piece); size += piece.length; });
    request.on('end', () => {
        const right = hash.digest('hex') === request.headers['x-postern-sha256'];
        console.log(`${size} ${right ? 'right' : 'WRONG'}`);
        response.writeHead(right ? 200 : 400).end();
    });
}).listen(0, '127.0.0.1', function () { console.log(`port ${this.address().port}`); });
END
node "$base/receiver.mjs" >"$base/received" &
started+=($!)
wait_for 10 grep -q ^port "$base/received"
port=$(sed -n 's/^port //p' "$base/received")

configuration "$base/postern.properties" "$base/ground"
mailbox "$base/postern.properties" bench bench@example.test "$imaps"
sed -i 's/^mailbox.bench.deliver = .*/mailbox.bench.deliver = spool,hook,run/' "$base/postern.properties"
cat >>"$base/postern.properties" <<END
mailbox.bench.start = all
sink.hook.type = http
sink.hook.url = http://127.0.0.1:$port/
sink.hook.timeout = 10m
sink.run.type = exec
sink.run.command = /usr/bin/sha256sum
sink.run.timeout = 10m
sink.spool.timeout = 10m
END
"$postern" run --config "$base/postern.properties" >"$base/postern.log" 2>&1 &
service=$!
started+=("$service")
files() { [ "$(find "$base/ground/spool" -name '*.eml' 2>/dev/null | wc -l)" -ge "$1" ] && [ "$(grep -c right "$base/received")" -ge "$1" ]; }
wait_for 120 files 200 || { cat "$base/postern.log"; exit 1; }
sleep 2
memory() { sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$service/status"; }
before=$(memory VmRSS)
echo 5 >"/proc/$service/clear_refs"  # the peak begins anew

directory=$base/server/mail/bench@example.test/cur
[ -d "$directory" ] || directory=$(find "$base/server/mail" -type d -name cur | head -1)
new=$base/big.eml
{ printf 'Message-ID: <big@example.test>\r\nFrom: a@example.test\r\nSubject: big\r\n\r\n'; head -c "$((megabytes * 1048576))" /dev/zero | tr '\0' 'x' | fold -w 998 | sed 's/$/\r/'; } >"$new"
chown mail:mail "$new"
from=$(date +%s.%N)
mv "$new" "$directory/1799999999.big.localhost:2,"
doveadm -c "$base/server/dovecot.conf" index -u bench@example.test INBOX
wait_for 900 files 201 || { cat "$base/postern.log"; exit 1; }
empty() { [ -z "$(ls "$base/ground/data/outbox" 2>/dev/null)" ]; }
wait_for 300 empty || true
to=$(date +%s.%N)
peak=$(memory VmHWM)
size=$(find "$base/ground/spool" -size +1M -printf '%s\n')
echo "one mail of $size bytes to three sinks: resident before $before kB, peak $peak kB, growth $((peak - before)) kB; $(echo "$to - $from" | bc 2>/dev/null || awk "BEGIN{print $to - $from}") s; $(grep -c WRONG "$base/received" || true) wrong"
