"""Runs pyspf on cases, one JSON object a line on standard input, and prints
one result a line: {"zone": {name: {"A": [...], "fail": true}}, "ip", "helo",
"from"}. No query leaves the process."""
import json
import sys

import spf

ZONE = {}


def lookup(name, qtype, strict=True, timeout=None):
    entry = ZONE.get(name.lower().rstrip("."), {})
    if entry.get("fail"):
        raise spf.TempError("DNS timeout")
    out = []
    for v in entry.get(qtype, []):
        if qtype == "TXT":
            v = [v.encode("latin-1", "replace")]
        elif qtype == "MX":
            v = (v[0], v[1])
        out.append(((name, qtype), v))
    return out


spf.DNSLookup = lookup
for line in sys.stdin:
    case = json.loads(line)
    ZONE = case["zone"]
    q = spf.query(i=case["ip"], s=case["from"], h=case["helo"], timeout=20, querytime=0)
    q.set_default_explanation("")
    try:
        result, _, explanation = q.check()
    except Exception as e:  # a crash of the oracle is no verdict
        result, explanation = "crash " + repr(e), ""
    print(json.dumps({"result": result, "explanation": explanation}), flush=True)
