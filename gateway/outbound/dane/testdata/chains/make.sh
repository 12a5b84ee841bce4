#!/bin/sh
# Makes the chains of the tests again: make.sh, in this folder. Keys are only
# kept for chains that a server shows.
set -eu
D=36500
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
root() { key "$1"; openssl req -new -x509 -key "$1.key" -subj "/CN=$1" -days $D -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out "$1.crt" 2>/dev/null; }
# sign NAME ISSUER SUBJECT EXTENSIONS [START END]
sign() {
	key "$1"; openssl req -new -key "$1.key" -subj "$3" -out "$1.csr" 2>/dev/null
	printf '%b' "$4" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -set_serial "0x$(openssl rand -hex 8)" -days ${5:-$D} -extfile "$1.ext" -out "$1.crt" 2>/dev/null
	rm "$1.csr" "$1.ext"
}
CA='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n'
EE='basicConstraints=CA:FALSE\n'
root root; root stranger
sign inter root /CN=inter "$CA"
sign leaf inter /CN=ignored "${EE}subjectAltName=DNS:mx.example.com,DNS:*.wild.example.com\nextendedKeyUsage=serverAuth\n"
sign direct root /CN=direct "${EE}subjectAltName=DNS:mx.example.com\n"
sign cn inter /CN=mx.example.com "$EE"
sign client inter /CN=x "${EE}subjectAltName=DNS:mx.example.com\nextendedKeyUsage=clientAuth\n"
sign notca root /CN=notca "$EE"
sign undernotca notca /CN=x "${EE}subjectAltName=DNS:mx.example.com\n"
key self; openssl req -new -x509 -key self.key -subj /CN=self -days $D -addext subjectAltName=DNS:mx.example.com -out self.crt 2>/dev/null
# A certificate that ended in 2001: by a CA database, the only way to set dates.
key old; openssl req -new -key old.key -subj /CN=old -out old.csr 2>/dev/null
printf "${EE}subjectAltName=DNS:mx.example.com\n" >old.ext
: >index.txt; echo 01 >serial
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >ca.cnf
openssl ca -batch -config ca.cnf -cert inter.crt -keyfile inter.key -in old.csr -out old.crt -notext -startdate 20000101000000Z -enddate 20010101000000Z -extfile old.ext 2>/dev/null
rm -f old.csr old.ext index.txt* serial* ca.cnf 01.pem
chain() { out=$1; shift; for c in "$@"; do cat "$c.crt"; done >"$out.pem"; }
chain leaf leaf inter root
chain leaf-short leaf inter
chain leaf-alone leaf
chain leaf-jumbled leaf root stranger inter
chain direct direct root
chain direct-alone direct
chain cn cn inter root
chain client client inter root
chain undernotca undernotca notca root
chain self self
chain old old inter root
chain stranger leaf stranger
for c in leaf direct cn client undernotca self old; do mv $c.key $c.keep; done
rm -f *.key
for c in *.keep; do mv $c ${c%.keep}.key; done
rm -f leaf.crt direct.crt cn.crt client.crt notca.crt undernotca.crt self.crt old.crt
