# Sourced by the bench lab's peers.sh: the gateway in its configurations.
# The gateway's syncs are io_submit(2)s, which a slower disk slows too.
[ -z "${SLOWSYNC_US:-}" ] || slow=(strace -D -f --seccomp-bpf -q -o /dev/null -e trace=fsync,fdatasync,io_submit
  -e "inject=fsync,fdatasync:delay_exit=$SLOWSYNC_US" -e "inject=io_submit:delay_enter=$SLOWSYNC_US")
gateway_up() { # NAME PORT [FURTHER-PIDS]
  local conf=${1#gateway-}
  daemon "$1" env BENCH_DATA="$BENCH_DATA" CLAMD="${CLAMD:-127.0.0.1:12310}" "$GAPURA/bin/gapura" -c "$GAPURA/scripts/bench/${conf%-local}.yaml" serve && ready "$1" "127.0.0.1:$2" "$(pid "$1")${3:+,$3}"
}
up_benchdns() { daemon benchdns "$GAPURA/scripts/bench/dns.py" 12709 "$BENCH_DATA/zone.json" && ready benchdns 127.0.0.1:12709; }
up_gateway-plain() { gateway_up gateway-plain 12700; }
up_gateway-full() { need benchdns; gateway_up gateway-full 12710; }
up_gateway-clamd() { need clamd; need benchdns; gateway_up gateway-clamd 12720 "$(pid clamd)"; }
# The lab's clamd listens on a socket besides; -local are those who ask it there.
up_clamd() {
  { cat "$LAB/clamav/clamd.conf"; echo "LocalSocket $LAB/run/clamd.socket"; } >"$LAB/run/clamd.conf"
  rm -f "$LAB/run/clamd.socket"
  daemon clamd clamd --foreground -c "$LAB/run/clamd.conf" && ready clamd 127.0.0.1:12310
}
up_gateway-clamd-local() { need clamd; need benchdns; CLAMD=$LAB/run/clamd.socket gateway_up gateway-clamd-local 12720 "$(pid clamd)"; }
up_postfix-clamav-local() {
  need clamd
  sed "s#^ClamdSocket .*#ClamdSocket unix:$LAB/run/clamd.socket#" "$LAB/clamav/milter.conf" >"$LAB/run/milter.conf"
  daemon clamilter-local clamav-milter -c "$LAB/run/milter.conf" && ready clamilter-local 127.0.0.1:12311
  postfix_up postfix-clamav 12160 "$(pid clamd),$(pid clamilter-local)"
  for f in pid env; do mv "$LAB/run/postfix-clamav.$f" "$LAB/run/postfix-clamav-local.$f"; done
}
up_gateway-queue() { gateway_up gateway-queue 12730; }
up_bare-queue() { daemon bare-queue "$BENCH_DATA/bare" 127.0.0.1:12799 "127.0.0.1:$SINK_PORT" "$BENCH_DATA/bare.queue" && ready bare-queue 127.0.0.1:12799; }
up_gateway-signed() {
  [ -d "$BENCH_DATA/signed" ] || BENCH_DATA="$BENCH_DATA" "$GAPURA/bin/gapura" -c "$GAPURA/scripts/bench/signed.yaml" dkim generate example.org >/dev/null
  gateway_up gateway-signed 12740
}
# The mailboxes of u0 to u49, whose password is pass.
up_gateway-mailbox() {
  [ -d "$BENCH_DATA/mailbox" ] || for i in $(seq 0 49); do
    echo pass | BENCH_DATA="$BENCH_DATA" "$GAPURA/bin/gapura" -c "$GAPURA/scripts/bench/mailbox.yaml" user add "u$i@example.com" --password-stdin --force >/dev/null
  done
  gateway_up gateway-mailbox 12753
}
