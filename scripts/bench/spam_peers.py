"""The spam filters that spam.py compares: each learns an index, scores an
index and, where that makes sense, does both in turn. State is in a folder of
its own that stop() removes."""
import http.client, os, shutil, subprocess, time


class Unavailable(Exception):
    """A filter that is not here, or cannot do what is asked."""


def rows(index):
    base = os.path.dirname(os.path.abspath(index))
    with open(index) as f:
        for line in f:
            label, name = line.split()[:2]
            yield label, os.path.join(base, name)


def need(program):
    if not shutil.which(program):
        raise Unavailable(program + ' is not installed')


def parse(text, labels=None):
    """'label score path' lines."""
    out = []
    for line in text.splitlines():
        if line and line[0] != '#':
            label, score, path = line.split(None, 2)
            out.append((label, float(score), path.strip()))
    return out


class Peer:
    name, threshold, step, can_online = '', 0, 1, False

    def __init__(self, work):
        self.work = work
        self.dir = os.path.join(work, self.name + '-state')

    def start(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)

    def stop(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def online(self, index, delay, warm):
        """The plain way: one message at a time."""
        out, waiting = [], []
        for label, path in rows(index):
            out.append((label, self.score_one(path), path))
            waiting.append((label, path))
            if len(waiting) > delay:
                self.learn_one(*waiting.pop(0))
        return out


class Gapura(Peer):
    name, can_online = 'gapura', True
    threshold = float(os.environ.get('GAPURA_THRESHOLD', '5'))

    def command(self, *args):
        r = subprocess.run([self.work + '/gapura', 'spam', *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if r.returncode != 0:
            raise Unavailable('gapura spam %s: %s' % (args[0], (r.stderr.strip().splitlines() or ['failed'])[-1][:90]))
        return r.stdout

    def learn(self, index):
        self.command('train', '--index', index, '--out', self.dir + '/model')

    def score(self, index):
        base = os.path.dirname(os.path.abspath(index))
        got = parse(self.command('score', '--index', index, '--model', self.dir + '/model'))
        return [(l, s, os.path.join(base, p)) for l, s, p in got]

    def online(self, index, delay, warm):
        args = ['online', index]
        if delay:
            args += ['--delay', str(delay)]
        if warm:
            args += ['--model', self.dir + '/model']
        base = os.path.dirname(os.path.abspath(index))
        return [(l, s, os.path.join(base, p)) for l, s, p in parse(self.command(*args))]


class Bogofilter(Peer):
    name, threshold, can_online = 'bogofilter', 0.99, True

    def start(self):
        need('bogofilter')
        super().start()
        # No system or user configuration: the defaults of the program.
        self.base = ['bogofilter', '-C', '-d', self.dir]

    def learn(self, index):
        for label, flag in (('ham', '-n'), ('spam', '-s')):
            names = '\n'.join(p for l, p in rows(index) if l == label)
            subprocess.run(self.base + [flag, '-b'], input=names + '\n', text=True, check=True)

    def score(self, index):
        labels = dict((p, l) for l, p in rows(index))
        r = subprocess.run(self.base + ['-TT', '-v', '-b'], input='\n'.join(labels) + '\n', text=True, stdout=subprocess.PIPE)
        out = []
        for line in r.stdout.splitlines():
            col = line.split()
            if len(col) >= 2 and col[0] in labels:
                out.append((labels[col[0]], float(col[-1]), col[0]))
        if len(out) != len(labels):
            raise Unavailable('bogofilter answered %d of %d' % (len(out), len(labels)))
        return out

    def score_one(self, path):
        with open(path, 'rb') as f:
            r = subprocess.run(self.base + ['-TT'], stdin=f, stdout=subprocess.PIPE, text=True)
        if not r.stdout.split():  # it has learned nothing yet
            return 0.5
        return float(r.stdout.split()[-1])

    def learn_one(self, label, path):
        with open(path, 'rb') as f:
            subprocess.run(self.base + ['-s' if label == 'spam' else '-n'], stdin=f, check=True)


SCORER = r'''
use strict; use Mail::SpamAssassin;
my $d = $ARGV[0];
my $sa = Mail::SpamAssassin->new({local_tests_only => 1, userstate_dir => $d, userprefs_filename => "$d/user_prefs", dont_copy_prefs => 1, home_dir_for_helpers => $d});
$sa->init(1);
while (my $name = <STDIN>) {
  chomp $name; open my $f, '<:raw', $name or die "$name: $!"; my @lines = <$f>; close $f;
  my $m = $sa->parse(\@lines); my $s = $sa->check($m);
  print $s->get_score(), " $name\n"; $s->finish(); $m->finish();
}
'''


class SpamAssassin(Peer):
    name, threshold, step = 'spamassassin', 5.0, int(os.environ.get('SA_STEP', '3'))

    def start(self):
        need('sa-learn')
        super().start()
        with open(self.dir + '/user_prefs', 'w') as f:
            f.write('use_bayes 1\nbayes_path %s/bayes\nbayes_auto_learn 0\nbayes_auto_expire 0\nuse_razor2 0\nuse_pyzor 0\ndns_available no\n' % self.dir)
        with open(self.dir + '/score.pl', 'w') as f:
            f.write(SCORER)

    def learn(self, index):
        for label in ('ham', 'spam'):
            names = self.dir + '/names'
            with open(names, 'w') as f:
                f.writelines(p + '\n' for l, p in rows(index) if l == label)
            subprocess.run(['sa-learn', '-L', '-p', self.dir + '/user_prefs', '--no-sync', '--' + label, '-f', names],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        subprocess.run(['sa-learn', '-L', '-p', self.dir + '/user_prefs', '--sync'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def score(self, index):
        labels = dict((p, l) for l, p in rows(index))
        r = subprocess.run(['perl', self.dir + '/score.pl', self.dir], input='\n'.join(labels) + '\n', text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out = []
        for line in r.stdout.splitlines():
            score, path = line.split(None, 1)
            out.append((labels[path], float(score), path))
        if len(out) != len(labels):
            raise Unavailable('spamassassin answered %d of %d' % (len(out), len(labels)))
        return out


RSPAMD = {
    # No resolver, no update, no cache: what it says depends on the message.
    'options.inc': 'hs_cache_dir = "%(cache)s";\ndns { nameserver = ["127.0.0.1:9"]; timeout = 0.01s; retransmits = 1; }\nfilters = "chartable,regexp";\nallow_raw_input = true;\nhs_cache_dir = "%(cache)s";\nlocal_addrs = [];\n',
    'worker-normal.inc': 'bind_socket = "127.0.0.1:%(scan)d";\ncount = 1;\n',
    'worker-controller.inc': 'bind_socket = "127.0.0.1:%(learn)d";\nsecure_ip = "127.0.0.1";\ncount = 1;\n',
    'worker-proxy.inc': 'enabled = false;\n',
    'worker-fuzzy.inc': 'enabled = false;\n',
    'logging.inc': 'type = "file"; filename = "%(dir)s/log"; level = "error";\n',
    'classifier-bayes.conf': 'backend = "sqlite3";\nautolearn = false;\nmin_learns = 10;\nlearn_condition = "return function() return true end";\nstatfile { symbol = "BAYES_HAM"; path = "%(dir)s/ham.sqlite"; spam = false; }\n'
                             'statfile { symbol = "BAYES_SPAM"; path = "%(dir)s/spam.sqlite"; spam = true; }\n',
}
OFF = ('rbl', 'surbl', 'fuzzy_check', 'dkim', 'dkim_signing', 'arc', 'spf', 'dmarc', 'asn', 'mx_check', 'mid', 'greylist', 'ratelimit', 'reputation', 'history_redis', 'neural', 'replies',
       'url_redirector', 'metadata_exporter', 'milter_headers', 'spamassassin', 'antivirus', 'elastic', 'clickhouse', 'p0f', 'hfilter', 'bayes_expiry', 'rspamd_update', 'external_services')


class Rspamd(Peer):
    name, step = 'rspamd', int(os.environ.get('RSPAMD_STEP', '2'))
    threshold = 6.0  # "add header": below it, the message is delivered as wanted
    daemon = None

    def start(self):
        need('rspamd')
        super().start()
        port = 20000 + os.getpid() % 20000
        cache = os.path.join(self.work, 'rspamd-cache')  # compiled patterns, kept from start to start
        os.makedirs(cache, exist_ok=True)
        os.chmod(cache, 0o777)
        self.values = {'cache': cache, 'dir': self.dir, 'scan': port, 'learn': port + 1}
        for sub in ('local.d', 'override.d'):
            os.makedirs(os.path.join(self.dir, sub))
        for name, text in RSPAMD.items():
            self.write('override.d' if name == 'classifier-bayes.conf' else 'local.d', name, text % self.values)
        self.write('override.d', 'options.inc', RSPAMD['options.inc'] % self.values)
        for module in OFF:
            self.write('override.d', module + '.conf', 'enabled = false;\n')
        for path in (self.dir, self.work):
            os.chmod(path, 0o755)
        args = ['rspamd', '-f', '-i', '-c', '/etc/rspamd/rspamd.conf']
        for var, sub in (('LOCAL_CONFDIR', ''), ('DBDIR', ''), ('RUNDIR', ''), ('LOGDIR', '')):
            args.append('--var=%s=%s' % (var, os.path.join(self.dir, sub).rstrip('/')))
        self.daemon = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):  # it compiles its patterns first
            try:
                c = http.client.HTTPConnection('127.0.0.1', self.values['scan'], timeout=2)
                c.request('GET', '/ping')
                if c.getresponse().status == 200:
                    return
            except OSError:
                pass
            if self.daemon.poll() is not None:
                break
            time.sleep(.2)
        raise Unavailable('rspamd does not start (see its log)')

    def write(self, sub, name, text):
        with open(os.path.join(self.dir, sub, name), 'w') as f:
            f.write(text)

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        self.daemon = None
        super().stop()

    def ask(self, port, url, path):
        """One request; the connection is opened anew when the server closed it."""
        with open(path, 'rb') as f:
            data = f.read()
        c = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
        c.request('POST', url, data, {'Settings': '{"symbols_disabled": ["DATE_IN_PAST"]}'})
        r = c.getresponse()
        body = r.read()
        c.close()
        return r.status, body

    def learn(self, index):
        for label, path in rows(index):
            self.learn_one(label, path)

    def learn_one(self, label, path):
        self.ask(self.values['learn'], '/learn' + label, path)  # 208: it has it already

    def score(self, index):
        return [(l, self.score_one(p), p) for l, p in rows(index)]

    def score_one(self, path):
        import json
        status, body = self.ask(self.values['scan'], '/checkv2', path)
        if status != 200:
            raise Unavailable('rspamd: HTTP %d' % status)
        return float(json.loads(body)['score'])


def all_peers(work):
    return [Gapura(work), Bogofilter(work), SpamAssassin(work), Rspamd(work)]
