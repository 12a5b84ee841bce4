#!/usr/bin/env python3
"""Drives Thunderbird, without a screen, against a gateway of its own.

    scripts/thunderbird.py [GAPURA [THUNDERBIRD]]

A mailbox is made with three messages; Thunderbird is told of the account and,
by its Marionette port, reads, flags, searches, moves and deletes; what became
of it is looked up by IMAP. It needs Thunderbird (Debian's package of that name)
and Python's library; make test does without it.
"""
import imaplib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

USER, PASSWORD = "ana@kept.test", "secret-word"
PATIENCE = 60  # seconds for anything


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, f):
    """Waits until f says something."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            got = f()
            if got:
                return got
            why = got
        except (OSError, imaplib.IMAP4.error) as e:
            why = e
        if time.monotonic() > end:
            raise SystemExit(f"{what}: {why!r} after {PATIENCE} s")
        time.sleep(0.1)


class Marionette:
    """The protocol of Firefox and Thunderbird for being driven: JSON behind its
    length."""

    def __init__(self, port):
        self.s = until("thunderbird's port", lambda: socket.create_connection(("127.0.0.1", port), PATIENCE))
        self.n = 0
        self.read()
        self.ask("WebDriver:NewSession", {})
        self.ask("WebDriver:SetTimeouts", {"script": PATIENCE * 1000})
        self.ask("Marionette:SetContext", {"value": "chrome"})

    def read(self):
        head = b""
        while not head.endswith(b":"):
            c = self.s.recv(1)
            if not c:
                raise SystemExit("thunderbird has gone")
            head += c
        left, data = int(head[:-1]), b""
        while len(data) < left:
            data += self.s.recv(left - len(data))
        return json.loads(data)

    def ask(self, name, params):
        self.n += 1
        b = json.dumps([0, self.n, name, params]).encode()
        self.s.sendall(b"%d:%s" % (len(b), b))
        _, _, error, result = self.read()
        if error:
            raise SystemExit(f"{name}: {error['error']}: {error['message']}\n{error.get('stacktrace', '')}")
        return result

    def run(self, script, *args):
        """Runs the body of an async function; what it returns is the answer."""
        body = "const [ARGS, done] = [Array.from(arguments).slice(0, -1), arguments[arguments.length - 1]];" + \
            "(async function () {" + COMMON + script + "})().then(v => done({value: v}), e => done({error: String(e) + '\\n' + e.stack}));"
        got = self.ask("WebDriver:ExecuteAsyncScript", {"script": body, "args": list(args), "newSandbox": True})["value"]
        if "error" in got:
            raise SystemExit(f"in thunderbird: {got['error']}\n{script}")
        return got.get("value")


COMMON = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { MailUtils } = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
const server = () => MailServices.accounts.allServers.find(s => s.type == "imap");
const inbox = () => server().rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const named = name => server().rootFolder.getChildNamed(name);
const listener = () => {
  const p = Promise.withResolvers();
  p.l = {
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
    OnStartRunningUrl() {}, OnStopRunningUrl(url, code) { code ? p.reject(new Error("code " + code.toString(16))) : p.resolve(); },
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; }, onStopCopy(code) { code ? p.reject(new Error("copy " + code.toString(16))) : p.resolve(); },
  };
  return p;
};
const all = folder => [...folder.messages];
const subjects = folder => all(folder).map(h => h.mime2DecodedSubject).sort();
const one = (folder, subject) => all(folder).find(h => h.mime2DecodedSubject == subject);
"""


def profile(dir, imap):
    prefs = {
        "mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1",
        "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
        "mail.identity.id1.fullName": "Ana", "mail.identity.id1.useremail": USER, "mail.identity.id1.valid": True,
        "mail.server.server1.type": "imap", "mail.server.server1.hostname": "127.0.0.1", "mail.server.server1.port": imap,
        "mail.server.server1.userName": USER, "mail.server.server1.name": USER, "mail.server.server1.socketType": 0,
        "mail.server.server1.authMethod": 3, "mail.server.server1.login_at_startup": False, "mail.server.server1.check_new_mail": False,
        "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
        "mail.shell.checkDefaultClient": False, "mailnews.start_page.enabled": False, "app.update.enabled": False, "app.update.auto": False,
        "datareporting.policy.dataSubmissionEnabled": False, "datareporting.healthreport.uploadEnabled": False, "toolkit.telemetry.enabled": False,
        "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False, "extensions.update.enabled": False,
        "app.normandy.enabled": False, "mail.inappnotifications.enabled": False, "app.donation.eoy.version.viewed": 999,
    }
    with open(os.path.join(dir, "user.js"), "w") as f:
        for name, value in prefs.items():
            f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")


def letter(subject, text):
    return f"From: Bob <bob@sender.test>\r\nTo: {USER}\r\nSubject: {subject}\r\nDate: Mon, 01 Jan 2024 10:00:00 +0000\r\nMessage-ID: <{subject}@sender.test>\r\n\r\n{text}\r\n".encode()


def serve(gapura, dir, imap):
    file = os.path.join(dir, "gapura.yaml")
    with open(file, "w") as f:
        f.write(f"hostname: mx.kept.test\ndata: {dir}/data\nlisteners:\n  - {{protocol: imap, address: \"127.0.0.1:{imap}\"}}\n"
                "imap: {plaintext_login: [127.0.0.0/8]}\ndomains: {kept.test: {deliver: mailbox}}\ndns: {resolvers: [\"127.0.0.1:9\"]}\n")
    p = subprocess.Popen([gapura, "serve", "-c", file], stderr=open(os.path.join(dir, "gapura.log"), "w"))
    until("the gateway", lambda: imaplib.IMAP4("127.0.0.1", imap))
    subprocess.run([gapura, "-c", file, "user", "add", USER, "--password-stdin"], input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    return p


def connect(imap):
    c = imaplib.IMAP4("127.0.0.1", imap)
    c.login(USER, PASSWORD)
    return c


def seen(imap, folder):
    """Subjects and flags of a folder, as another mail program has them."""
    c = connect(imap)
    try:
        c.select(folder, readonly=True)
        out = {}
        for n in c.search(None, "ALL")[1][0].split():
            data = c.fetch(n, "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            subject = data[0][1].decode().split(":", 1)[1].strip()
            line = data[0][0] + (data[1] if isinstance(data[1], bytes) else b"")
            out[subject] = {f.decode() for f in imaplib.ParseFlags(line)} - {"\\Recent"}
        return out
    finally:
        c.logout()


def check(what, got, want):
    print(("ok    " if got == want else "WRONG ") + what + ("" if got == want else f": {got!r}, want {want!r}"), flush=True)
    return got == want


def drive(m, imap):
    m.run("""
      const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
      login.init("imap://127.0.0.1", null, "imap://127.0.0.1", ARGS[0], ARGS[1], "", "");
      await Services.logins.addLoginAsync(login);
    """, USER, PASSWORD)
    # The folders come with the first connection.
    m.run("const p = listener(); server().rootFolder; MailServices.imap.discoverAllFolders(server().rootFolder, p.l, null); await p.promise;")
    until("the list", lambda: m.run("inbox().updateFolder(null); return all(inbox()).length == 3;"))
    good = check("lists the folders", m.run("return server().rootFolder.descendants.map(f => f.name.toUpperCase()).sort();"),
                 ["ARCHIVE", "DRAFTS", "INBOX", "JUNK", "SENT", "TRASH"])
    good &= check("reads the list", m.run("return subjects(inbox());"), ["one", "three", "two"])
    text = m.run("""
      const uri = inbox().getUriForMsg(one(inbox(), "two"));
      const service = MailServices.messageServiceFromURI(uri);
      const p = Promise.withResolvers(); let data = "";
      service.streamMessage(uri, {
        QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
        onStartRequest() {}, onStopRequest(r, code) { code ? p.reject(new Error("stream " + code.toString(16))) : p.resolve(); },
        onDataAvailable(r, stream, offset, count) {
          const s = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
          s.init(stream); data += s.read(count);
        },
      }, null, null, false, "");
      await p.promise; return data;
    """)
    good &= check("reads a message", "text of two" in text, True)
    m.run("""inbox().markMessagesRead([one(inbox(), "two")], true); inbox().markMessagesFlagged([one(inbox(), "one")], true);
             inbox().addKeywordsToMessages([one(inbox(), "one")], "$label1");""")
    want = {"one": {"\\Flagged", "$label1"}, "two": {"\\Seen"}, "three": set()}
    good &= check("flags", until("flags", lambda: (lambda x: x if x == want else None)(seen(imap, "INBOX"))), want)
    found = m.run("""
      const s = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
      const term = s.createTerm(); const v = term.value;
      v.attrib = Ci.nsMsgSearchAttrib.Body; v.str = "text of three"; term.attrib = Ci.nsMsgSearchAttrib.Body; term.op = Ci.nsMsgSearchOp.Contains; term.value = v;
      s.appendTerm(term); s.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox());
      const p = Promise.withResolvers(); const found = [];
      s.registerListener({ onSearchHit(h) { found.push(h.mime2DecodedSubject); }, onSearchDone() { p.resolve(); }, onNewSearch() {} });
      s.search(null); await p.promise; return found;
    """)
    good &= check("searches on the server", found, ["three"])
    m.run("""const p = listener(); MailServices.copy.copyMessages(inbox(), [one(inbox(), "two")], named("Archive"), true, p.l, null, false); await p.promise;""")
    good &= check("moves", (set(seen(imap, "INBOX")), set(seen(imap, "Archive"))), ({"one", "three"}, {"two"}))
    m.run("""const p = listener(); inbox().deleteMessages([one(inbox(), "three")], null, false, false, p.l, false); await p.promise;""")
    good &= check("deletes into Trash", (set(seen(imap, "INBOX")), set(seen(imap, "Trash"))), ({"one"}, {"three"}))
    # Thunderbird may be about to look into Trash itself, and tells nobody when it has.
    until("the message in Trash", lambda: m.run("""named("Trash").updateFolder(null); return !!one(named("Trash"), "three");"""))
    m.run("""const t = named("Trash"); t.deleteMessages([one(t, "three")], null, true, false, null, false); t.QueryInterface(Ci.nsIMsgImapMailFolder).expunge(null, null);""")
    good &= check("expunges", until("expunged", lambda: not seen(imap, "Trash")), True)
    c = connect(imap)
    c.append("INBOX", None, None, letter("four", "text of four"))
    c.logout()
    good &= check("sees what another program does",
                  until("the fourth", lambda: (lambda x: x if "four" in x else None)(m.run("inbox().updateFolder(null); return subjects(inbox());"))), ["four", "one"])
    return good


def main():
    gapura = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "bin/gapura")
    thunderbird = sys.argv[2] if len(sys.argv) > 2 else shutil.which("thunderbird")
    if not thunderbird:
        raise SystemExit("thunderbird is not there (apt-get install thunderbird)")
    dir = tempfile.mkdtemp(prefix="gapura-thunderbird-")
    imap, marionette = free_port(), free_port()
    running, good = [], False
    try:
        running.append(serve(gapura, dir, imap))
        c = connect(imap)
        for subject in ("one", "two", "three"):
            c.append("INBOX", None, None, letter(subject, f"text of {subject}"))
        c.logout()
        home = os.path.join(dir, "profile")
        os.mkdir(home)
        profile(home, imap)
        with open(os.path.join(home, "user.js"), "a") as f:
            f.write(f'user_pref("marionette.port", {marionette});\n')
        env = {**os.environ, "HOME": dir, "MOZ_HEADLESS": "1"}
        running.append(subprocess.Popen([thunderbird, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", home],
                                        env=env, stdout=open(os.path.join(dir, "thunderbird.log"), "w"), stderr=subprocess.STDOUT))
        good = drive(Marionette(marionette), imap)
    finally:
        for p in reversed(running):
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
        if good:
            shutil.rmtree(dir)
        else:
            print(f"the logs are in {dir}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
