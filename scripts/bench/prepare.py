#!/usr/bin/env python3
"""prepare.py DIR GAPURA: a DKIM key, its zone, and signed messages of three sizes for the load
generator, which puts From, To, Subject, Date and Message-ID of its own on top of a file."""
import base64, json, os, subprocess, sys

out, gapura = sys.argv[1:3]
here = os.path.dirname(os.path.abspath(__file__))
key = os.path.join(out, "dkim.pem")


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True).stdout


if not os.path.exists(key):
    run("openssl", "genrsa", "-out", key, "2048")
public = base64.b64encode(run("openssl", "rsa", "-in", key, "-pubout", "-outform", "DER")).decode()
zone = json.load(open(os.path.join(here, "zone.json")))
zone["s._domainkey.example.org"] = [{"type": "TXT", "value": "v=DKIM1; k=rsa; p=" + public}]
json.dump(zone, open(os.path.join(out, "zone.json"), "w"))
sender = "From: <load@example.org>\r\n"
for name, size in (("4k", 4096), ("50k", 50 << 10), ("1m", 1 << 20)):
    text, i = sender + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", 0
    while len(text) < size - 900:
        text += "The quick brown fox jumps over the lazy dog and says so in plain text %d.\r\n" % i
        i += 1
    plain = os.path.join(out, "plain.eml")
    open(plain, "w", newline="").write(text)
    signed = run(gapura, "sign", "dkim", "--key", key, "--domain", "example.org", "--selector", "s",
                 "--headers", "from:mime-version:content-type", "--message", plain)
    open(os.path.join(out, "msg-%s.eml" % name), "wb").write(signed.replace(sender.encode(), b"", 1))
