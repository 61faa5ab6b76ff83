#!/bin/bash
# drain.sh small|mixed tmpfs|ext4 [ROUNDS [ROUNDS_OF_MBSYNC]]
#
# Drains one mailbox over TLS with postern (run --once), mbsync and raw_reader, interleaved, ROUNDS (5) times, each into an empty directory
# on tmpfs or on a loop-mounted ext4 with a journal (needs root). Prints each run and the medians: wall seconds, user and system seconds
# of the client, peak memory in kB. The server and its mails are on tmpfs. Needs: isync, time, dovecot-imapd, nodejs, a release build.
set -euo pipefail
kind=${1:?small or mixed} ground=${2:?tmpfs or ext4} rounds=${3:-5} slow_rounds=${4:-${3:-5}}
root=$(realpath "$(dirname "$0")/../..")
postern=$root/build/release/postern
raw=$root/build/release/tests/bench/raw_reader
for program in "$postern" "$raw" /usr/bin/time /usr/bin/mbsync /usr/sbin/dovecot; do
    [ -x "$program" ] || { echo "missing: $program" >&2; exit 69; }
done

base=$(mktemp -d /dev/shm/postern-bench.XXXX)
image=
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    if [ -n "$image" ]; then umount "$base/ground" || true; rm -f "$image"; fi
    rm -rf "$base"
}
trap finish EXIT

chmod 755 "$base"
mkdir "$base/server" "$base/ground"
"$root/tests/servers/certificates" "$base/server/certificates" >/dev/null 2>&1
echo bench@example.test >"$base/server/users"
"$root/tests/servers/dovecot" "$base/server" 1 >"$base/server/start.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    [ -s "$base/server/ports" ] && . "$base/server/ports" && (: <"/dev/tcp/127.0.0.1/$imaps") 2>/dev/null && break
    sleep 0.1
done
node "$root/tests/bench/make-mails.mjs" "$kind" "$base/server/mail/bench@example.test"
chown -R mail:mail "$base/server/mail"
doveadm -c "$base/server/dovecot.conf" index -u bench@example.test INBOX

if [ "$ground" = ext4 ]; then
    image=$(mktemp /var/tmp/postern-bench.XXXX)
    truncate -s 4G "$image"
    mkfs.ext4 -q -F "$image"
    mount -o loop "$image" "$base/ground"
    tune2fs -l "$image" | grep -q has_journal
fi

cat >"$base/postern.properties" <<END
server.data = $base/ground/postern/data
admin.address =
truststore.bench.path = $base/server/certificates/ca.pem
credential.bench.grant = user_password
credential.bench.password = \${env:BENCH_PASSWORD}
sink.spool.type = spool
sink.spool.path = $base/ground/postern/spool
sink.spool.metadata = none
mailbox.bench.protocol = imap
mailbox.bench.host = localhost
mailbox.bench.port = $imaps
mailbox.bench.truststore = bench
mailbox.bench.user = bench@example.test
mailbox.bench.credential = bench
mailbox.bench.start = all
mailbox.bench.deliver = spool
log.level = warning
END
cat >"$base/mbsyncrc" <<END
IMAPAccount bench
Host localhost
Port $imaps
User bench@example.test
Pass reader-password
SSLType IMAPS
CertificateFile $base/server/certificates/ca.pem

IMAPStore far
Account bench

MaildirStore near
Path $base/ground/mbsync/
Inbox $base/ground/mbsync/INBOX

Channel bench
Far :far:
Near :near:
Sync Pull New
Create Near
SyncState *
END
export BENCH_PASSWORD=reader-password

one() {
    local name=$1
    rm -rf "$base/ground/${name:?}"
    mkdir -p "$base/ground/$name"
    sync -f "$base/ground"
    case $name in
        postern) set -- "$postern" run --once --config "$base/postern.properties" ;;
        mbsync) set -- mbsync -q -c "$base/mbsyncrc" bench ;;
        raw) set -- "$raw" localhost "$imaps" "$base/server/certificates/ca.pem" bench@example.test reader-password "$base/ground/raw" ;;
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
    line=
    runs=$(wc -l <"$base/$name.times")
    for column in 1 2 3 4; do line+=" $(cut -d' ' -f$column "$base/$name.times" | sort -n | sed -n "$(((runs + 1) / 2))p")"; done
    echo "$name$line"
done
