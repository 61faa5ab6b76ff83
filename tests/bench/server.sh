# server.sh: sourced by the scripts that measure against a mail server. One directory on tmpfs, one Dovecot in it; everything ends with the script.
#
# POSTERN_BUILD: the build tree to measure (build/release). After `serve`: $base, $imap, $imaps, $server (the process id), $authority.
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
build=${POSTERN_BUILD:-$root/build/release}
postern=$build/postern
tools=$build/tests/bench
base=$(mktemp -d /dev/shm/postern-bench.XXXX)
authority=$base/server/certificates/ca.pem
export BENCH_PASSWORD=reader-password
image=
elsewhere=  # a ground that is not below $base
server=
started=()  # processes to be ended, beside the server

finish() {
    local id
    for id in "${started[@]}" $server; do
        kill "$id" 2>/dev/null && wait "$id" 2>/dev/null || true
    done
    if [ -n "$image" ]; then umount "$base/ground" || true; rm -f "$image"; fi
    rm -rf "$base" ${elsewhere:+"$elsewhere"}
}
trap finish EXIT

need() {
    local program
    for program; do
        [ -x "$program" ] || command -v "$program" >/dev/null || { echo "missing: $program" >&2; exit 69; }
    done
}

# Ends a process that was started with `&` and noted in `started`.
end() {
    local id kept=()
    for id in "${started[@]}"; do [ "$id" = "$1" ] || kept+=("$id"); done
    started=("${kept[@]}")
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# serve USER...: an IMAP server with these mailboxes.
serve() {
    chmod 755 "$base"
    mkdir -p "$base/server" "$base/ground"
    "$root/tests/servers/certificates" "$base/server/certificates" >/dev/null 2>&1
    printf '%s\n' "$@" >"$base/server/users"
    "$root/tests/servers/dovecot" "$base/server" 1 >"$base/server/start.log" 2>&1 &
    server=$!
    for _ in $(seq 200); do
        [ -s "$base/server/ports" ] && . "$base/server/ports" && (: <"/dev/tcp/127.0.0.1/$imaps") 2>/dev/null && return
        sleep 0.1
    done
    cat "$base/server/start.log" "$base/server/dovecot.log" >&2
    exit 69
}

# mails USER small|mixed [COUNT]
mails() {
    node "$root/tests/bench/make-mails.mjs" "$2" "$base/server/mail/$1" ${3:-}
    chown -R mail:mail "$base/server/mail"
    doveadm -c "$base/server/dovecot.conf" index -u "$1" INBOX
}

# How many sessions of the server wait in IDLE.
idling() {
    ps -o args= --ppid "$server" | grep -c ' IDLE\]' || true
}

# wait_for SECONDS COMMAND...
wait_for() {
    local tries=$((10 * $1))
    shift
    for _ in $(seq "$tries"); do
        "$@" && return
        sleep 0.1
    done
    echo "waited in vain for: $*" >&2
    return 1
}

# A loop-mounted ext4 with a journal at $base/ground; needs root.
mount_ext4() {
    image=$(mktemp /var/tmp/postern-bench.XXXX)
    truncate -s 4G "$image"
    mkfs.ext4 -q -F "$image"
    mount -o loop "$image" "$base/ground"
    tune2fs -l "$image" | grep -q has_journal
}

# configuration FILE DIRECTORY: all of a configuration but the mailboxes; data and spool lie in DIRECTORY.
configuration() {
    cat >"$1" <<END
server.data = $2/data
admin.address =
truststore.bench.path = $authority
credential.bench.grant = user_password
credential.bench.password = \${env:BENCH_PASSWORD}
sink.spool.type = spool
sink.spool.path = $2/spool
sink.spool.metadata = none
log.level = warning
END
}

# mailbox FILE ALIAS USER PORT: adds one.
mailbox() {
    cat >>"$1" <<END
mailbox.$2.protocol = imap
mailbox.$2.host = localhost
mailbox.$2.port = $4
mailbox.$2.truststore = bench
mailbox.$2.user = $3
mailbox.$2.credential = bench
mailbox.$2.deliver = spool
END
}

# mbsync_configuration FILE DIRECTORY USER PORT
mbsync_configuration() {
    cat >"$1" <<END
IMAPAccount bench
Host localhost
Port $4
User $3
Pass reader-password
SSLType IMAPS
CertificateFile $authority

IMAPStore far
Account bench

MaildirStore near
Path $2/
Inbox $2/INBOX

Channel bench
Far :far:
Near :near:
Sync Pull New
Create Near
SyncState *
END
}

# npm's imapflow, into the script's own directory: $imapflow runs it.
install_imapflow() {
    need node npm
    mkdir "$base/imapflow"
    cp "$root/tests/bench/imapflow.mjs" "$base/imapflow/"
    (cd "$base/imapflow" && npm init -y && npm install --no-audit --no-fund imapflow) >"$base/imapflow/npm.log" 2>&1 || { cat "$base/imapflow/npm.log" >&2; exit 69; }
    imapflow="node --expose-gc $base/imapflow/imapflow.mjs"
    echo "imapflow $(node -p 'require(process.argv[1]).version' "$base/imapflow/node_modules/imapflow/package.json"), node $(node --version)"
}

# column FILE NUMBER: the median of a column
median() {
    local lines
    lines=$(wc -l <"$1")
    cut -d' ' -f"$2" "$1" | sort -n | sed -n "$(((lines + 1) / 2))p"
}

machine() {
    echo "# $(date -u +%F), $(uname -r), $(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)), load before: $(cut -d' ' -f1-3 /proc/loadavg)"
}

# serve_exchange ews|graph MAILS [MAILBOXES]: exchange_server instead of Dovecot; its port in $exchange.
serve_exchange() {
    mkdir -p "$base/server" "$base/ground"
    "$root/tests/servers/certificates" "$base/server/certificates" >/dev/null 2>&1
    "$tools/exchange_server" "$1" "$base/server/certificates" "$2" "${3:-1}" >"$base/server/ports" 2>"$base/server/log" &
    server=$!
    wait_for 60 grep -q ^port= "$base/server/ports" || { cat "$base/server/log" >&2; exit 69; }
    exchange=$(sed -n 's/^port=//p' "$base/server/ports")
}

# ask_exchange PATH [BODY]: what exchange_server has beside Exchange.
ask_exchange() { curl -sS --fail --cacert "$authority" --data "${2:-}" "https://localhost:$exchange/$1"; }

# exchange_configuration ews|graph FILE DIRECTORY [MAILBOXES]: what `configuration` writes, and the mailboxes.
exchange_configuration() {
    local i
    configuration "$2" "$3"
    if [ "$1" = graph ]; then
        sed -i '/^credential.bench/d' "$2"
        cat >>"$2" <<END
credential.bench.grant = client_credentials
credential.bench.client_id = bench
credential.bench.client_secret = \${env:BENCH_PASSWORD}
credential.bench.scopes = mail
credential.bench.token_endpoint = https://localhost:$exchange/token
credential.bench.truststore = bench
END
    fi
    for i in $(seq "${4:-1}"); do
        cat >>"$2" <<END
mailbox.bench$i.protocol = $1
mailbox.bench$i.url = https://localhost:$exchange$([ "$1" = graph ] || echo /EWS/Exchange.asmx)
mailbox.bench$i.truststore = bench
mailbox.bench$i.user = bench$i@example.test
mailbox.bench$i.credential = bench
mailbox.bench$i.deliver = spool
mailbox.bench$i.start = all
END
    done
}

# ext4 is the ground: a loop-mounted one, or where nothing can be mounted a directory of a disk that is ext4 itself.
ext4_ground() {
    mount_ext4 2>/dev/null && return
    rm -f "$image"
    image=
    elsewhere=$(mktemp -d "${BENCH_DISK:-/var/tmp}/postern-bench.XXXX")
    rmdir "$base/ground"
    ln -s "$elsewhere" "$base/ground"
    echo "# ext4: $elsewhere on $(stat -f -c %T "$elsewhere")"
}
