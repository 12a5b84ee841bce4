#!/bin/sh
# test-deps.sh installs the Debian packages that the tests use as real peers:
# virus scanner, mail servers, resolver, clients, oracles and strace. It does nothing
# when all are there. No daemon is started, and no configuration of a package
# is touched: the tests run every server from a private folder.
#
#   scripts/test-deps.sh           install what is missing (as root)
#   scripts/test-deps.sh --check   only tell what is missing
#   PACKAGES="a b" scripts/test-deps.sh   these in place of the tests' own
set -eu

packages="
clamav-daemon
postfix
dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-sieve
slapd ldap-utils gsasl
unbound ldnsutils
postgresql
swaks libnet-ssleay-perl curl msmtp openssl
isync offlineimap3 getmail6 fetchmail mpop neomutt imapfilter sieve-connect
strace
python3 python3-dkim python3-authres python3-spf
"
packages=${PACKAGES:-$packages}
lock=/run/lock/gapura-test-deps.lock
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/gapura-test-deps.conf
mark="# temporary: scripts/test-deps.sh of gapura"
patience=900 # seconds to wait for another apt or another run of this script

say() { echo "test-deps: $*" >&2; }
fail() { say "$@"; exit 1; }

missing() {
	for p in $packages; do
		s=$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) || s=
		[ "$s" = installed ] || echo "$p"
	done
}

# apt runs apt-get; its own time-out covers dpkg's lock only, so another apt
# that holds the lists or the archives is waited for here.
apt() {
	end=$(($(date +%s) + patience))
	until apt-get -q -y -o DPkg::Lock::Timeout=$patience -o Acquire::Retries=3 "$@" >"$log" 2>&1; do
		if grep -q 'Could not get lock\|Unable to lock' "$log" && [ "$(date +%s)" -lt "$end" ]; then
			sleep 2
			continue
		fi
		tail -n 40 "$log" >&2
		return 1
	done
}

# deny keeps the packages from starting their daemons (invoke-rc.d and
# deb-systemd-invoke ask policy-rc.d). Another's policy is never replaced.
deny() {
	if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
		printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy.gapura"
		chmod 755 "$policy.gapura"
		mv -n "$policy.gapura" "$policy"
	fi
	for d in clamav-daemon clamav-freshclam postfix dovecot slapd unbound postgresql fetchmail; do
		rc=0
		"$policy" "$d" start >/dev/null 2>&1 || rc=$?
		[ "$rc" = 101 ] || fail "$policy is there and lets $d start: install by hand:" $need
	done
}

# clean removes what this script made, an earlier run's that was killed too.
clean() {
	rm -f "$policy.gapura" "$cluster" "${log:-}"
	if [ -f "$policy" ] && grep -qxF "$mark" "$policy"; then rm -f "$policy"; fi
}

command -v dpkg-query >/dev/null || fail "this is no Debian system; install these by your own means:" $packages
need=$(missing)
[ -n "$need" ] || exit 0
if [ "${1:-}" = --check ]; then fail "missing:" $need; fi
[ "$(id -u)" = 0 ] || fail "missing:" $need "(run as root: scripts/test-deps.sh)"

mkdir -p "${lock%/*}"
exec 9>"$lock"
if command -v flock >/dev/null; then
	flock -w $patience 9 || fail "another run of this script does not end"
fi
need=$(missing)
[ -n "$need" ] || exit 0

log=$(mktemp)
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
deny
export DEBIAN_FRONTEND=noninteractive
say "installing" $need
apt update || say "the package lists are not up to date; trying with those that are here"
case " $(echo $need) " in
*" postfix "*) echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections ;;
esac
case " $(echo $need) " in
*" slapd "*) echo "slapd slapd/no_configuration boolean true" | debconf-set-selections ;;
esac
case " $(echo $need) " in
*" postgresql "*) # no database cluster of the system's own
	mkdir -p "${cluster%/*}"
	printf '%s\ncreate_main_cluster = false\n' "$mark" >"$cluster"
	;;
esac
# --no-remove: a mail server that is already here is not thrown out for postfix.
apt install --no-install-recommends --no-remove -o Dpkg::Options::=--force-confold $need 9>&- ||
	fail "installation failed; see above"
need=$(missing)
[ -z "$need" ] || fail "still missing:" $need
if [ -d /run/systemd/system ]; then
	say "Debian enables these services at the next boot; systemctl disable those that you do not want:" \
		"clamav-daemon clamav-freshclam postfix dovecot slapd unbound postgresql fetchmail"
fi
