#!/usr/bin/env python3
"""table.py RESULTS: medians of all rounds as one Markdown table with ratios to the peers."""
import json, statistics, sys
from collections import defaultdict

cells = defaultdict(lambda: defaultdict(list))
order = []
for line in open(sys.argv[1]):
    r = json.loads(line)
    k = (r["case"], r["target"])
    if k not in order:
        order.append(k)
    if "ops_s" in r:  # IMAP and POP3: operations
        r["arrive_msgs_s"], r["srv_cpu_s_per_1k"], r["errors"] = r["ops_s"], r["srv_cpu_ms_per_op"], sum(r["errors"].values())
    elif "lmtp" in r["case"]:  # what is accepted is there
        r["arrive_msgs_s"] = r["msgs_s"]
    for field in ("arrive_msgs_s", "srv_cpu_s_per_1k", "p50_ms", "p99_ms", "pss_kib_per_conn", "errors", "temp", "perm"):
        if field in r:
            cells[k][field].append(r[field])


def median(k, field):
    v = cells[k][field] if k in cells else []
    return statistics.median(v) if v else None


def cell(v, form="%.0f"):
    return "" if v is None else form % v


print("| case | target | messages/s | CPU ms/message | p50 ms | p99 ms | KiB/connection | of direct | x haproxy | x Postfix | of clamd | x Dovecot | of bare |")
print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
for case, target in order:
    k = (case, target)
    rate = median(k, "arrive_msgs_s")
    ratios = []
    for peers in (("direct",), ("haproxy",), ("postfix-proxy", "postfix-rspamd", "postfix-clamav", "postfix-queue"), ("clamd-alone",), ("dovecot-sdbox",), ("bare-queue",)):
        base = next((median((case, p), "arrive_msgs_s") for p in peers if (case, p) in cells), None)
        ratios.append(cell(rate / base if rate and base and target.startswith("gateway") else None, "%.2f"))
    print("| %s |" % " | ".join([case, target, cell(rate), cell(median(k, "srv_cpu_s_per_1k"), "%.3f"), cell(median(k, "p50_ms"), "%.2f"),
                                cell(median(k, "p99_ms"), "%.2f"), cell(median(k, "pss_kib_per_conn"), "%.1f"), *ratios]))
    bad = sum(sum(cells[k][f]) for f in ("errors", "temp", "perm"))
    if bad:
        print("| | %d messages failed | | | | | | | | | | | |" % bad)
