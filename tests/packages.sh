# Sourced by ./run and tests/run: what has to be installed, and how.

say() { printf '%s\n' "$*" >&2; }

# What shows that a Debian package's content is there, wherever it came from.
have() {
    case $1 in
    g++ | cmake | openssl | npm | curl) command -v "$1" >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    libpoco-dev) [ -e /usr/include/Poco/Poco.h ] ;;
    libssl-dev) [ -e /usr/include/openssl/ssl.h ] ;;
    libsqlite3-dev) [ -e /usr/include/sqlite3.h ] ;;
    libexpat1-dev) [ -e /usr/include/expat.h ] ;;
    libxml2-utils) command -v xmllint >/dev/null ;;
    catch2) [ -e /usr/include/catch2/catch.hpp ] ;;
    dovecot-imapd) [ -x /usr/lib/dovecot/imap ] && [ -x /usr/sbin/dovecot ] ;;
    squid) [ -x /usr/sbin/squid ] && [ -x /usr/lib/squid/basic_ncsa_auth ] ;;
    dante-server) [ -x /usr/sbin/danted ] ;;
    davmail-server) [ -x /usr/bin/davmail-server ] ;;
    chromium) [ -x /usr/bin/chromium ] ;;
    ca-certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] ;;
    *) dpkg -s "$1" >/dev/null 2>&1 ;;
    esac
}

# Installs the Debian packages named, as far as they are missing.
# Debian starts a server when it installs one and at every boot from then on. Nobody asked for a mail server or a proxy, so they are switched off for what
# we install.
need() {
    local missing=() package new_services='' as_root=()
    for package in "$@"; do have "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || { say "Missing: ${missing[*]} (Debian's names). Please install them; there is no apt-get here."; return 1; }
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { say "Missing: ${missing[*]}. Please run as root: apt-get install ${missing[*]}"; return 1; }
        as_root=(sudo)
    fi
    say "Installing with apt-get: ${missing[*]}"
    case " ${missing[*]} " in *" dovecot-imapd "*) [ -x /usr/sbin/dovecot ] || new_services+=' dovecot' ;; esac
    case " ${missing[*]} " in *" squid "*) [ -x /usr/sbin/squid ] || new_services+=' squid' ;; esac
    case " ${missing[*]} " in *" dante-server "*) [ -x /usr/sbin/danted ] || new_services+=' danted' ;; esac
    case " ${missing[*]} " in *" davmail-server "*) [ -x /usr/bin/davmail-server ] || new_services+=' davmail-server' ;; esac
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEW_SERVICES="$new_services" bash -euc '
        # The documented way to keep package scripts from starting services; ours only where nobody has set one.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap "rm -f $policy" EXIT
            printf "#!/bin/sh\nexit 101\n" >"$policy"
            chmod 755 "$policy"
        fi
        log=$(mktemp)
        { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; } >"$log" 2>&1 || { tail -n 40 "$log" >&2; rm -f "$log"; exit 1; }
        rm -f "$log"
        for service in $NEW_SERVICES; do
            update-rc.d "$service" disable >/dev/null 2>&1 || true
            command -v systemctl >/dev/null || continue
            for unit in "$service.service" "$service.socket"; do systemctl disable "$unit" >/dev/null 2>&1 || true; done
        done
    ' need "${missing[@]}"
    [ -z "$new_services" ] || say "Installed, but not as services, neither started now nor at boot:$new_services."
    for package in "${missing[@]}"; do have "$package" || { say "$package is installed but not usable"; return 1; }; done
}

packages_to_build=(g++ cmake ninja-build libpoco-dev libssl-dev libsqlite3-dev libexpat1-dev)
packages_of_servers=(dovecot-imapd nodejs npm openssl ca-certificates)

# install_modules DIRECTORY WHOSE: exactly those of its lock file.
install_modules() {
    [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] && return 0
    say "Installing the modules of $2 with npm"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error >&2 && touch node_modules/.package-lock.json)
}
install_identity_provider() { install_modules "$1/tests/servers/idp" "the identity provider"; }
install_description_checker() { install_modules "$1/tests/servers/prism" "the checker of Graph's description"; }
install_ews_client() { install_modules "$1/tests/servers/ews" "a client of Exchange"; }
install_browser_driver() { install_modules "$1/tests/browser" "the browser's driver"; }

# configure ROOT PRESET OPTIONS...
configure() {
    local root=$1 preset=$2 launcher=()
    shift 2
    ! command -v ccache >/dev/null || launcher=('-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_SLOPPINESS=pch_defines,time_macros;ccache')  # or it caches nothing that uses a precompiled header
    (cd "$root" && cmake --preset "$preset" "${launcher[@]}" "$@" --log-level=WARNING >/dev/null)
}
