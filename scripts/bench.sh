#!/usr/bin/env bash
# bench.sh: the gateway beside the direct line, haproxy and Postfix, in one
# sitting, as ratios. The load generator, the sink and the peers' set-up are
# those of BENCH (../shared/bench); without it only the Go benchmarks run.
#   bench.sh [ROUNDS=3] [CASE-PATTERN]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD rounds=${1:-3} only=${2:-.}
[ -n "${SKIP_GO:-}" ] || go test -run "^$" -bench . -benchtime 0.3s ./gateway/... ./filters/... ./policy 2>&1 | grep -E "^(Benchmark|pkg:)" || true
BENCH=${BENCH:-$root/../shared/bench}
[ -d "$BENCH" ] || { echo "no $BENCH: only the Go benchmarks ran"; exit 0; }
export LAB=${LAB:-/tmp/mail-lab} BENCH_DATA=${BENCH_DATA:-/tmp/gapura-bench}
mkdir -p "$BENCH_DATA"
[ -x "$LAB/mailload" ] && [ -d "$LAB/postfix-clamav" ] || WITH_HARAKA=0 "$BENCH/setup.sh" >"$BENCH_DATA/setup.log" 2>&1 || true
scripts/bench/prepare.py "$BENCH_DATA" "$root/bin/gapura"
go build -o "$BENCH_DATA/clamdload" ./scripts/bench/clamdload
go build -o "$BENCH_DATA/bare" ./scripts/bench/bare
export MORE_PEERS=$root/scripts/bench/peers.sh GAPURA=$root
results=$BENCH_DATA/results.jsonl
: >"$results"
stop() { "$BENCH/peers.sh" stopall >/dev/null 2>&1 || true; }
trap stop EXIT
run() { # CASE TARGET [FLAGS...]: a JSON line with the case named $name
  [[ "$name $2" =~ $only ]] || return 0
  SECS=${SECS:-3} "$BENCH/run.sh" "$@" | sed "s/\"case\":\"[^\"]*\"/\"case\":\"$name\"/" >>"$results" || echo "failed: $*" >&2
  for p in haproxy postfix-proxy postfix-rspamd postfix-clamav gateway-plain gateway-full gateway-clamd gateway-clamd-local postfix-clamav-local postfix-queue bare-queue gateway-queue gateway-signed; do
    [ "$p" = "$2" ] && "$BENCH/peers.sh" stop "$p"
  done
  [ "$2" != postfix-clamav ] || "$BENCH/peers.sh" stop clamilter
  [ "$2" != postfix-clamav-local ] || "$BENCH/peers.sh" stop clamilter-local
  return 0
}
# clamd alone, fed the same messages without mail server.
clamd() { # SIZE
  local at
  [[ "$name clamd" =~ $only ]] || return 0
  "$BENCH/peers.sh" start clamd
  for at in 127.0.0.1:12310 "$LAB/run/clamd.socket"; do
    "$BENCH_DATA/clamdload" -case "$name" -addr "$at" -pid "$(cat "$LAB/run/clamd.pid")" -limit "${SECS:-3}s" -file "$BENCH_DATA/msg-$1.eml" |
      if [ -S "$at" ]; then sed 's/clamd-alone/clamd-alone-local/'; else cat; fi >>"$results"
  done
}
# Mailboxes: what LMTP takes in with 20 sessions, then 50 sessions of IMAP and
# of POP3 over what is there.
mailboxes() { # TARGET LMTP IMAP POP3 USER
  local t=$1 rcpt=u%d@example.com pids
  [[ "mailbox-$t" =~ $only ]] || return 0
  "$BENCH/peers.sh" start "$t" || return 0
  pids=$(sed -n 's/^PIDS=//p' "$LAB/run/$t.env")
  line() { sed "s/^{/{\"case\":\"$1\",\"target\":\"$t\",/" >>"$results"; }
  "$LAB/mailload" load -lmtp -addr "127.0.0.1:$2" -pid "$pids" -sessions 20 -size 4096 -users 50 -rcpt "$rcpt" -n 100000000 -limit 700ms >/dev/null
  "$LAB/mailload" load -lmtp -addr "127.0.0.1:$2" -pid "$pids" -sessions 20 -size 4096 -users 50 -rcpt "$rcpt" -n 100000000 -limit "${SECS:-3}s" | line mailbox-lmtp-s20-4k
  "$LAB/mailload" pop -addr "127.0.0.1:$4" -pid "$pids" -user "$5" -sessions 50 -dur 1s >/dev/null # the first logins
  "$LAB/mailload" pop -addr "127.0.0.1:$4" -pid "$pids" -user "$5" -sessions 50 -dur "${SECS:-3}s" | line mailbox-pop3-50
  "$LAB/mailload" imap -addr "127.0.0.1:$3" -pid "$pids" -user "$5" -sessions 50 -dur 1s >/dev/null
  "$LAB/mailload" imap -addr "127.0.0.1:$3" -pid "$pids" -user "$5" -sessions 50 -dur "${SECS:-3}s" | line mailbox-imap-50
  if [ -n "${6:-}" ]; then # of a process that has done nothing else
    "$BENCH/peers.sh" stop "$t"
    "$BENCH/peers.sh" start "$t" || return 0
    pids=$(sed -n 's/^PIDS=//p' "$LAB/run/$t.env")
    sleep 2
    "$LAB/mailload" idle -addr "127.0.0.1:$3" -pid "$pids" -n 5000 -hold 5s -imap "${5//%d/1}:pass" | line mailbox-idle-5000
  fi
  "$BENCH/peers.sh" stop "$t"
}
for ((i = 1; i <= rounds; i++)); do
  echo "round $i of $rounds" >&2
  for c in s20-4k s20-4k-keep s20-50k s20-1m s1-4k; do
    name=$c
    for t in direct haproxy postfix-proxy gateway-plain; do run "$c" "$t"; done
  done
  for s in 4k 50k 1m; do
    name=full-$s
    for t in postfix-rspamd gateway-full; do run "s20-$s" "$t" -file "$BENCH_DATA/msg-$s.eml"; done
    name=clamd-$s
    clamd "$s"
    for t in postfix-clamav postfix-clamav-local gateway-clamd gateway-clamd-local; do run "s20-$s" "$t" -file "$BENCH_DATA/msg-$s.eml"; done
  done
  for c in s20-4k s20-50k s20-1m s200-4k s1-4k; do
    name=queue-$c
    for t in postfix-queue bare-queue gateway-queue; do run "$c" "$t"; done
  done
  name=queue-signed
  for t in postfix-queue gateway-signed; do run s20-4k "$t"; done
  name=queue-slow-sync
  for t in postfix-queue gateway-queue; do SLOWSYNC_US=2000 run s200-4k "$t"; done
  name=queue-10000-destinations
  run s20-4k gateway-queue -rcpt user@d%d.example.com -users 10000
  rm -rf "$LAB"/dovecot/mail/u* "$BENCH_DATA/mailbox"
  mailboxes dovecot-lmtp 12402 12403 12404 u%d
  mailboxes dovecot-sdbox 12412 12413 12414 u%d
  mailboxes gateway-mailbox 12752 12753 12754 u%d@example.com idle
  name=full-1-4k
  for t in direct gateway-full; do run s1-4k "$t" -file "$BENCH_DATA/msg-4k.eml"; done
  name=idle-9000
  run idle-9000 gateway-plain
  name=idle-9000-mail
  run idle-9000-mail gateway-plain
done
scripts/bench/table.py "$results"
