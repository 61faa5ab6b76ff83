#!/bin/bash
# poll.sh [MAILS [POLLS]]
#
# What a look into a large mailbox costs: a running service with one mailbox of MAILS (200,000) messages, `start = now`, no push and an interval of 2 s;
# POLLS (20) times one mail arrives. Prints the processor time of the service per look that delivered one mail, and its memory. Needs: dovecot-imapd,
# nodejs, a release build; about 1 GB of /dev/shm.
set -euo pipefail
mails=${1:-200000} polls=${2:-20}
. "$(dirname "$0")/server.sh"
need "$postern" dovecot node
machine
serve bench@example.test
maildir=$base/server/mail/bench@example.test
node -e '
const { mkdirSync, writeFileSync } = require("node:fs");
const [directory, count] = [process.argv[1], Number(process.argv[2])];
for (const part of ["cur", "new", "tmp"]) mkdirSync(`${directory}/${part}`, { recursive: true });
for (let i = 0; i < count; i++) writeFileSync(`${directory}/cur/${1700000000 + i}.M${i}P1.bench:2,`, `Subject: ${i}\r\n\r\n`);
' "$maildir" "$mails"
chown -R mail:mail "$base/server/mail"
doveadm -c "$base/server/dovecot.conf" index -u bench@example.test INBOX
configuration "$base/postern.properties" "$base"
mailbox "$base/postern.properties" bench bench@example.test "$imaps"
printf '%s\n' 'mailbox.bench.interval = 2s' 'mailbox.bench.push = false' 'log.level = notice' >>"$base/postern.properties"
sed -i '/^log.level = warning/d' "$base/postern.properties"
"$postern" run --config "$base/postern.properties" 2>"$base/log" &
service=$!
started+=("$service")
for _ in $(seq 600); do grep -q 'folder begins' "$base/log" && break; sleep 0.1; done
sleep 3

ticks() { awk '{print $14 + $15}' "/proc/$service/stat"; }
delivered() { find "$base/spool" -name '*.eml' 2>/dev/null | wc -l; }
before=$(ticks)
for i in $(seq "$polls"); do
    printf 'Subject: new %s\r\n\r\n' "$i" | doveadm -c "$base/server/dovecot.conf" save -u bench@example.test -
    for _ in $(seq 200); do [ "$(delivered)" -ge "$i" ] && break; sleep 0.05; done
done
after=$(ticks)
[ "$(delivered)" = "$polls" ]
awk -v ticks=$((after - before)) -v polls="$polls" -v mails="$mails" -v hertz="$(getconf CLK_TCK)" \
    'BEGIN { printf "%d mails in the folder, %d arrivals: %.1f ms of processor time each\n", mails, polls, 1000 * ticks / hertz / polls }'
grep -E 'VmRSS|Threads' "/proc/$service/status"
