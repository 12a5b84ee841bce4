#!/usr/bin/env python3
"""spam.py WORK PEERS PROTOCOLS: runs spam filters over the protocols and prints
one table. Called by bench-spam.sh, which built WORK/gapura and WORK/generate.
Every filter answers with (label, score, path); the measures are eval.py's."""
import importlib.util, os, random, re, shutil, subprocess, sys, time

work, peers_wanted, protocols_wanted = sys.argv[1], sys.argv[2], sys.argv[3]
spam_dir = os.environ['SPAM']
full = bool(os.environ.get('FULL'))
spec = importlib.util.spec_from_file_location('evaluation', os.environ['EVAL'])
evaluation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(evaluation)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import spam_peers, spam_unlist


def load(folder):
    """[(label, absolute path, epoch, origin)] in protocol order."""
    out = []
    with open(os.path.join(folder, 'index')) as f:
        for line in f:
            label, name, epoch, origin = line.split(None, 3)
            out.append((label, os.path.normpath(os.path.join(folder, name)), int(epoch), origin.strip()))
    return out


def generated(split, count, seed):
    folder = os.path.join(work, 'generated-' + split)
    if not os.path.exists(os.path.join(folder, 'index')):
        subprocess.run([work + '/generate', '--split', split, '--count', str(count), '--seed', str(seed), '--out', folder], check=True)
    return load(folder)


def write_index(name, rows):
    path = os.path.join(work, name + '.index')
    with open(path, 'w') as f:
        for row in rows:
            f.write('%s %s %d %s\n' % row)
    return path


def measure(answers, threshold):
    """The columns of the table for [(label, score, path)]."""
    ham = [s for l, s, _ in answers if l == 'ham']
    spam = [s for l, s, _ in answers if l == 'spam']
    roca = evaluation.roca(ham, spam)
    missed, _ = evaluation.sm_at(ham, spam, .1)
    lost = 100. * sum(s >= threshold for s in ham) / len(ham)
    through = 100. * sum(s < threshold for s in spam) / len(spam)
    return roca, missed, lost, through


def show(protocol, peer, answers, seconds, threshold, note=''):
    if not answers:
        print('%-22s %-14s %s' % (protocol, peer, note or '-'), flush=True)
        return
    roca, missed, lost, through = measure(answers, threshold)
    rate = '%8.0f' % (len(answers) / seconds) if seconds else '       -'
    print('%-22s %-14s %9.4f %8.2f %8.2f %8.2f %s  %d %s' % (protocol, peer, roca, missed, lost, through, rate, len(answers), note), flush=True)


def thin(rows, step):
    return rows if full or step == 1 else rows[::step]


def frozen(protocol, train, test):
    """Learn one list, freeze, score another."""
    if not re.search(protocols_wanted, protocol):
        return
    for peer in spam_peers.all_peers(work):
        if not re.search(peers_wanted, peer.name):
            continue
        step = peer.step
        a, b = thin(train, step), thin(test, step)
        if step > 1 and not full:
            b = b[:2500]
        try:
            peer.start()
            peer.learn(write_index('learn', a))
            begin = time.time()
            answers = peer.score(write_index('score', b))
            show(protocol, peer.name, answers, time.time() - begin, peer.threshold, '(every %d.)' % step if step > 1 and not full else '')
            if protocol == 'half sa':
                attacks(peer, b, answers)
        except spam_peers.Unavailable as e:
            show(protocol, peer.name, None, 0, 0, str(e))
        finally:
            peer.stop()


def attacks(peer, rows, clean):
    """Missed spam of attacked copies, at the threshold that loses 0.1 % of the
    ham as it was."""
    if not re.search(protocols_wanted, 'attack'):
        return
    ham = [s for l, s, _ in clean if l == 'ham']
    spam = [s for l, s, _ in clean if l == 'spam']
    before, t = evaluation.sm_at(ham, spam, .1)
    base = os.path.join(work, 'attacks')
    shutil.rmtree(base, ignore_errors=True)
    subprocess.run([work + '/generate', '--attack', 'all', '--index', write_index('attack', rows), '--out', base, '--spam-only'], check=True)
    for name in sorted(os.listdir(base)):
        begin = time.time()
        answers = peer.score(os.path.join(base, name, 'index'))
        missed = 100. * sum(s <= t for _, s, _ in answers) / len(answers)
        own = 100. * sum(s < peer.threshold for _, s, _ in answers) / len(answers)
        print('%-22s %-14s %9s %8.2f %8s %8.2f %8.0f  %+.2f points' % ('  ' + name, peer.name, '', missed, '', own, len(answers) / max(time.time() - begin, 1e-9), missed - before), flush=True)


def online(protocol, rows, delay=0, noise=0.0, warm=None):
    """Score, then learn; feedback may come late, or be wrong."""
    if not re.search(protocols_wanted, protocol):
        return
    truth = {path: label for label, path, _, _ in rows}
    rnd = random.Random(17)
    other = {'ham': 'spam', 'spam': 'ham'}
    told = [(other[r[0]],) + r[1:] if rnd.random() < noise else r for r in rows]
    for peer in spam_peers.all_peers(work):
        if not re.search(peers_wanted, peer.name) or not peer.can_online:
            continue
        try:
            peer.start()
            if warm:
                peer.learn(write_index('warm', warm))
            begin = time.time()
            answers = peer.online(write_index('online', told), delay, bool(warm))
            answers = [(truth[os.path.normpath(p)], s, p) for _, s, p in answers]
            show(protocol, peer.name, answers, time.time() - begin, peer.threshold)
        except spam_peers.Unavailable as e:
            show(protocol, peer.name, None, 0, 0, str(e))
        finally:
            peer.stop()


def by_origin(protocol, train, test):
    """Generated mail template by template: which ham is lost, which lure passes."""
    if not re.search(protocols_wanted, protocol):
        return
    peer = spam_peers.Gapura(work)
    if not re.search(peers_wanted, peer.name):
        return
    origin = {r[1]: r[3] for r in test}
    try:
        peer.start()
        peer.learn(write_index('learn', train))
        wrong = {}
        for label, score, path in peer.score(write_index('score', test)):
            if (score >= peer.threshold) != (label == 'spam'):
                key = origin[os.path.normpath(path)]
                wrong[key] = wrong.get(key, 0) + 1
        total = {}
        for r in test:
            total[r[3]] = total.get(r[3], 0) + 1
        for key, n in sorted(wrong.items(), key=lambda kv: -kv[1])[:40]:
            print('  %-40s %d of %d wrong' % (key, n, total[key]))
    except spam_peers.Unavailable as e:
        print(protocol, e)
    finally:
        peer.stop()


def main():
    sa = load(os.path.join(spam_dir, 'sa'))
    modern = load(os.path.join(spam_dir, 'modern-2022-2024'))
    gen_train, gen_test = generated('train', 4000, 1), generated('test', 4000, 2)
    mid = 1719792000  # 2024-07-01
    early, late = [r for r in modern if r[2] < mid], [r for r in modern if r[2] >= mid]
    half = len(sa) // 2
    print('%-22s %-14s %9s %8s %8s %8s %8s  %s' % ('protocol', 'filter', '1-ROCA %', 'sm@0.1', 'own hm%', 'own sm%', 'msg/s', 'messages'))
    online('online sa', sa)
    frozen('half sa', sa[:half], sa[half:])
    frozen('sa+early -> late 2024', sa + early, late)
    frozen('sa -> modern', sa, modern)
    if re.search(protocols_wanted, 'sa -> modern, unlisted'):
        frozen('sa -> modern, unlisted', *(spam_unlist.unlisted(rows, os.path.join(work, name)) for name, rows in (('unlisted-sa', sa), ('unlisted-modern', modern))))
    frozen('modern -> sa', modern, sa)
    frozen('modern -> sa hard_ham', modern, [r for r in sa if r[0] == 'spam' or r[3].startswith('hard-ham')])
    frozen('sa+modern -> gen', sa + modern, gen_test)
    frozen('all -> gen test', sa + modern + gen_train, gen_test)
    frozen('gen train -> gen test', gen_train, gen_test)
    by_origin('templates', sa + modern + gen_train, gen_test)
    known, rest = sa + modern[:2000], modern[2000:]
    online('at once, warm', rest, warm=known)
    online('late 500, warm', rest, delay=500, warm=known)
    online('5% wrong, warm', rest, noise=.05, warm=known)


if __name__ == '__main__':
    main()
