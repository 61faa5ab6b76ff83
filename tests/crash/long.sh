#!/bin/bash
# tests/crash/long.sh [KILLS=10000] [AT_ONCE=1] [PROTOCOL=imap|ews|graph] [BUILD=build/release] [RESULTS=tests/crash/RESULTS.md]
#
# Kills the built program that many times with SIGKILL while it works on mailboxes of that protocol (imap), AT_ONCE test programs side by side, and
# adds a line with the figures to RESULTS. Ends with 0 only if nothing was lost and nothing was delivered under a second id. About 200 ms a kill;
# runs at low priority.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
KILLS=10000 AT_ONCE=1 PROTOCOL=imap BUILD=$root/build/release RESULTS=$root/tests/crash/RESULTS.md
for word in "$@"; do
    case $word in
    KILLS=[1-9]* | AT_ONCE=[1-9]* | PROTOCOL=imap | PROTOCOL=ews | PROTOCOL=graph | BUILD=?* | RESULTS=?*) declare "$word" ;;
    *)
        sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 64
        ;;
    esac
done

program=$BUILD/tests/crash/kill_test
[ -x "$program" ] || { echo "missing: $program (tests/run builds it)" >&2; exit 69; }
version=$("$BUILD/postern" version | head -1)
notes=$(mktemp -d)
trap 'rm -rf "$notes"' EXIT
children=()
for ((number = 1; number <= AT_ONCE; ++number)); do
    POSTERN_KILLS_PROTOCOL=$PROTOCOL POSTERN_KILLS=$(((KILLS + AT_ONCE - 1) / AT_ONCE)) nice -n 19 "$program" >"$notes/$number" 2>&1 &
    children+=($!)
done
status=0
for child in "${children[@]}"; do wait "$child" || status=$?; done
cat "$notes"/*

sum() { sed -n "s/^[0-9].* $1=\([0-9]*\).*/\1/p" "$notes"/* | awk '{ all += $1 } END { print all + 0 }'; }
printf '| %s | `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$(date -u +%F)" "tests/crash/long.sh $*" "$version" "$(nproc) cores, Linux $(uname -r)" \
    "$(sum kills)" "$(sum mails)" "$(sum lost)" "$(sum twice)" "$(sum misplaced)" "$(sum repeats)" "$(sum copies)" >>"$RESULTS"
tail -1 "$RESULTS"
exit $status
