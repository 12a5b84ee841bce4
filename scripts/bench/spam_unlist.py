"""Copies of messages without what mailing lists and patches leave in them: of
corpora whose ham is list mail, a filter could learn that instead of ham."""
import os, re

FIELDS = re.compile(rb'(list-[a-z-]+|precedence|x-mailman[a-z-]*|x-beenthere|errors-to|sender|x-loop|x?-?mailing-list|delivered-to|in-reply-to'
                    rb'|references|thread-[a-z]+|x-list[a-z-]*|return-path|x-patchwork[a-z-]*|user-agent|x-mailer|cc|x-original-to|x-google-[a-z-]+'
                    rb'|x-spam[a-z-]*)[ \t]*:', re.I)
TAGS = re.compile(rb'(\[[^\]\r\n]{1,60}\]|\b(re|aw|fwd?)\s*:)\s*', re.I)
PATCH = re.compile(rb'diff -|index [0-9a-f]{6,}\.\.|(---|\+\+\+) ([ab]/|/dev|\S+\s+\d)|@@ |Index: |=====+$'
                   rb'|(Signed-off|Reviewed|Acked|Tested|Reported|Suggested|Co-developed)-by:|Fixes: |Link: |Cc: |Changes (in|since) |base-commit:'
                   rb'| [\w./-]+ +\| +\d+ [+-]*$|(create|delete) mode| \d+ files? changed|From [0-9a-f]{40}')
QUOTE = re.compile(rb'(on .* wrote:|.* (wrote|writes|schrieb):)\s*$', re.I)
FOOTER = re.compile(rb'(_{20,}|-{5,} ?(this|sponsor)|-- ?$|.*(mailing list|unsubscribe|listinfo|listmaster|majordomo|yahoogroups|googlegroups|list archive))', re.I)


def head(text):
    out, skip = [], False
    for line in text.splitlines(True):
        if line[:1] in b' \t' and out:
            if not skip:
                out.append(line)
            continue
        skip = bool(FIELDS.match(line))
        if not skip:
            out.append(b'Subject: ' + TAGS.sub(b'', line[8:].lstrip()) if line[:8].lower() == b'subject:' else line)
    return b''.join(out)


def body(text):
    out, hunk = [], False
    for line in text.splitlines(True):
        bare = re.sub(rb'^(> ?)+', b'', line).rstrip(b'\r\n')
        if PATCH.match(bare):
            hunk = hunk or bare.startswith(b'@@ ')
            continue
        hunk = hunk and bare[:1] in (b'+', b'-', b' ')
        footer = len(bare) <= 100 and b'<' not in bare and FOOTER.match(bare) # of HTML a line may be all of it
        if not (hunk or line.startswith(b'>') or QUOTE.match(bare) or footer):
            out.append(line)
    return b''.join(out)


def unlisted(rows, folder):
    """Copies of [(label, path, epoch, origin)] in folder, as such a list."""
    os.makedirs(folder, exist_ok=True)
    out = []
    for label, path, epoch, origin in rows:
        with open(path, 'rb') as f:
            message = f.read()
        end = re.search(rb'\r?\n\r?\n', message)
        cut = end.end() if end else len(message)
        copy = os.path.join(folder, os.path.basename(path))
        with open(copy, 'wb') as f:
            f.write(head(message[:cut]) + body(message[cut:]))
        out.append((label, copy, epoch, origin))
    return out
