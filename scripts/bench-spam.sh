#!/usr/bin/env bash
# bench-spam.sh: the spam filter beside bogofilter, SpamAssassin and Rspamd, on
# the same files, by the protocols of the corpora's README. Peers come from
# Debian packages and keep their state in a private folder; no network.
#   SPAM=FOLDER scripts/bench-spam.sh [PEER-PATTERN] [PROTOCOL-PATTERN]
#   SPAM=FOLDER scripts/bench-spam.sh left-out [ROW-PATTERN]
# The second measures this filter alone on sources, people and years left out.
# FOLDER has sa/ and modern-2022-2024/, each with an index (default: /tmp/spam,
# unpacked from ../shared/spam when it is not there). EVAL is eval.py. Slow
# peers see every n-th message (spam.py says which); FULL=1 gives them all.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
packs=${PACKS:-$root/../shared/spam}
export SPAM=${SPAM:-/tmp/spam} EVAL=${EVAL:-$packs/eval.py}
if [ ! -d "$SPAM" ]; then
  mkdir -p "$SPAM"
  for p in "$packs"/*.tar.xz "$packs"/*.tar.zst; do [ -e "$p" ] && tar -C "$SPAM" -xf "$p"; done
fi
[ -f "$EVAL" ] || { echo "no $EVAL (set EVAL)" >&2; exit 1; }
[ "${1:-}" = left-out ] || PACKAGES="bogofilter-bdb spamassassin rspamd python3" scripts/test-deps.sh || echo "bench-spam: some peers are missing and are left out" >&2
work=${WORK:-$(mktemp -d /tmp/gapura-spam.XXXXXX)}
mkdir -p "$work"
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
go build -trimpath -o "$work/gapura" ./cmd/gapura
go build -trimpath -o "$work/generate" ./filters/spam/specimen/generate
export PYTHONDONTWRITEBYTECODE=1
[ "${1:-}" != left-out ] || { python3 scripts/bench/spam_left_out.py "$work" "$1" "${2:-.}"; exit; }
python3 scripts/bench/spam.py "$work" "${1:-.}" "${2:-.}"
