#!/usr/bin/env python3
"""spam_left_out.py WORK left-out PATTERN: what gapura's spam filter makes of sources, people
and years that it has not learned. Called by `bench-spam.sh left-out`, which
built WORK/gapura. Each row is learned by `gapura spam train` from all that it
does not score.

left out: one source, with every fifth message of the other class (from the
first to the fifth on: five rows).
fold: all ham of a source with the spam of some months, or a set; scored are all
authors, and each half of them. Received fields are taken off old mail.

Calibration is the mean distance between spam.probability and what was spam, in
points: ten classes, each counting by its messages. Square is that of each message."""
import email, email.utils, json, os, re, subprocess, sys, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spam import load, measure, protocols_wanted as pattern, spam_dir, work, write_index

SPAM = {'pot', 'spam-1', 'spam-2'}
SOURCES = ['usrp-users', 'kasan-dev', 'easy-ham-1', 'easy-ham-2', 'hard-ham-1', 'pot', 'spam-1', 'spam-2']
OCT23, Y2024 = 1696118400, 1704067200
FOLDS = [('usrp-users', '2024'), ('kasan-dev', 'to sep 23'), ('easy-ham-1', 'spam-2'), ('easy-ham-2', 'spam-1'),
         ('usrp-users', 'to sep 23'), ('kasan-dev', '2024'), ('easy-ham-1', 'spam-1'), ('easy-ham-2', 'spam-2')]


def source(row):
    return row[3].rsplit('/', 1)[0]


def command(*args):
    return subprocess.run([work + '/gapura', 'spam', *args], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def learn_and_score(learned, scored):
    """[(spam, score, probability)] of scored."""
    model = work + '/left-out.model'
    command('train', '--index', write_index('left-out-learn', learned), '--out', model, '--held-out', '0')
    out = command('score', '--json', '--model', model, '--index', write_index('left-out-score', scored))
    answers = [json.loads(line) for line in out.splitlines()]
    return [(a['label'] == 'spam', a['score'], a['probability']) for a in answers]


def calibration(answers):
    said, was = [0.] * 10, [0] * 10
    for spam, _, p in answers:
        k = min(9, int(p * 10))
        said[k] += p
        was[k] += spam
    return 100 * sum(abs(a - b) for a, b in zip(said, was)) / len(answers)


def show(name, answers):
    spam = sum(a[0] for a in answers)
    area, missed, lost, through = measure([('spam' if s else 'ham', x, '') for s, x, _ in answers], 5)
    square = sum((p - s) ** 2 for s, _, p in answers) / len(answers)
    print('%-36s %6d %6d %9.4f %7.2f %7.2f %7.2f %8.2f %8.4f' % (name, len(answers) - spam, spam, area, missed, lost, through, calibration(answers), square), flush=True)


def left_out(rows):
    for name in SOURCES:
        for fifth in range(5):
            title = 'left out %s, fifth %d' % (name, fifth + 1)
            if not re.search(pattern, title):
                continue
            learned, scored, n = [], [], 0
            for r in rows:
                if (r[0] == 'spam') == (name in SPAM):
                    (scored if source(r) == name else learned).append(r)
                    continue
                (scored if n % 5 == fifth else learned).append(r)
                n += 1
            show(title, learn_and_score(learned, scored))


def unreceived(rows):
    """Copies without Received fields."""
    folder = work + '/unreceived'
    os.makedirs(folder, exist_ok=True)
    out = []
    for label, path, epoch, origin in rows:
        with open(path, 'rb') as f:
            raw = f.read()
        head, blank, body = re.match(rb'(?s)(.*?\n)(\r?\n|\Z)(.*)', raw).groups()
        copy = os.path.join(folder, os.path.basename(path))
        with open(copy, 'wb') as f:
            f.write(re.sub(rb'(?mi)^received:.*\n(?:[ \t].*\n)*', b'', head) + blank + body)
        out.append((label, copy, epoch, origin))
    return out


def half(path):
    """Which half of the authors wrote a message."""
    with open(path, 'rb') as f:
        author = email.message_from_binary_file(f)['From'] or ''
    return zlib.crc32(email.utils.parseaddr(str(author))[1].lower().encode('utf-8', 'replace')) & 1


def fold(rows, ham, spam):
    def tested(r):
        s = source(r)
        return s == ham or s == spam or s == 'pot' and (spam == '2024' and r[2] >= Y2024 or spam == 'to sep 23' and r[2] < OCT23)

    title = 'fold %s, %s' % (ham, spam)
    if not re.search(pattern, title):
        return
    scored = [r for r in rows if tested(r)]
    answers = learn_and_score([r for r in rows if not tested(r)], scored)
    show(title, answers)
    halves = [None if r[0] == 'spam' else half(r[1]) for r in scored]
    for k in range(2):
        show('  authors %d' % (k + 1), [a for a, h in zip(answers, halves) if h in (None, k)])


def main():
    sa, modern = load(os.path.join(spam_dir, 'sa')), load(os.path.join(spam_dir, 'modern-2022-2024'))
    print('%-36s %6s %6s %9s %7s %7s %7s %8s %8s' % ('', 'ham', 'spam', '1-ROCA %', 'sm@0.1', 'own hm%', 'own sm%', 'calibr.', 'square'))
    left_out(sa + modern)
    rows = unreceived(sa) + modern
    for ham, spam in FOLDS:
        fold(rows, ham, spam)


main()
