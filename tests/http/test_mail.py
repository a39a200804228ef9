"""Goal: the result of an import is mailed once to each address, over TLS or through the host's own sendmail, again later when it
fails, never more than an account may send, and nothing a client wrote reaches a header (signed-api.md 7.4, case 42)."""
import email
import email.policy
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from harness import Server, free_port, tell
from signed import FILE, ROWS as API, configure, send, signed

CSV = b"n,name\n1,a1\n2,a2\n"
AB = {"n": "integer", "name": "text"}
LOGIN, PASSWORD = "slipway", "s3cret, with blanks"


class Certificate:
    """Of localhost, and the context of a server that shows it."""
    def __init__(self, folder):
        self.path, key = os.path.join(folder, "localhost.pem"), os.path.join(folder, "localhost.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", self.path], check=True, stderr=subprocess.DEVNULL)
        os.chmod(self.path, 0o644)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.path, key)


class Inbox(Controller):
    """A mail server on a port of its own.  TLS: "starttls", "smtps" or None."""
    def __init__(self, certificate, tls, login=False, refuse=0):
        self.mails, self.refuse, self.tls, self.certificate, self.login, self.asked = [], refuse, tls, certificate, login, 0
        super().__init__(self, hostname="127.0.0.1", port=free_port(), ssl_context=certificate.context if tls == "smtps" else None)
        self.start()

    def factory(self):
        starttls = self.tls == "starttls"
        return SMTP(self.handler, hostname="localhost", enable_SMTPUTF8=True, auth_required=self.login, auth_require_tls=self.login and starttls,
                    require_starttls=starttls, tls_context=self.certificate.context if starttls else None,
                    authenticator=(lambda server, session, envelope, mechanism, data: AuthResult(
                        success=data.login.decode() == LOGIN and data.password.decode() == PASSWORD)) if self.login else None)

    def _trigger_server(self):
        if self.tls != "smtps":
            return super()._trigger_server()
        client = ssl.create_default_context(cafile=self.certificate.path)      # the base class would show it a server's
        with socket.create_connection(("127.0.0.1", self.port), 5) as s, client.wrap_socket(s, server_hostname="localhost") as t:
            t.recv(1024)

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked += 1
        if self.asked <= self.refuse:
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        m.raw, m.envelope, m.over_tls = envelope.content, (envelope.mail_from, envelope.rcpt_tos), session.ssl is not None
        self.mails.append(m)
        return "250 OK"

    def wait(self, n, seconds=15):
        end = time.monotonic() + seconds
        while len(self.mails) < n and time.monotonic() < end:
            time.sleep(0.05)
        assert len(self.mails) >= n, f"{len(self.mails)} of {n} mails"
        return self.mails


def put(server, data=CSV, name="march.csv", type_="ab", **fields):
    return send(server, signed(type_, **fields), path=FILE, files=[("file", name, data)])


def to(mail):
    return mail["To"].addresses[0].addr_spec


def waiting(server):
    return [json.loads(line)["value"] for line in server.slipway("dump", "mail").splitlines() if "subject" in json.loads(line).get("value", {})]


def quiet(inbox, seconds=3):
    """Nothing more comes."""
    n = len(inbox.mails)
    time.sleep(seconds)
    assert len(inbox.mails) == n, inbox.mails[n:]


class Site:
    """A server whose mails go to an inbox."""
    def __init__(self, folder, tls="starttls", config="", trusted=True, **kw):
        self.certificate = Certificate(tempfile.mkdtemp(dir=folder))
        os.chmod(os.path.dirname(self.certificate.path), 0o755)
        self.inbox = Inbox(self.certificate, tls, **kw)
        scheme = "smtps" if tls == "smtps" else "smtp"
        ca = f"smtp_ca_file = {self.certificate.path}\n" if trusted else ""
        self.server = Server(config=f"[mail]\nmethod = smtp\nsmtp_url = {scheme}://localhost:{self.inbox.port}\nfrom = slipway@example.org\n{ca}"
                             + config.replace("PORT", str(self.inbox.port)))
        configure(self.server, accounts={"loader": {"mailMax": 5}}, receivers={
            "ab": {"table": "t(n, name)", "columns": AB}, "库存": {"table": "t(n, name)", "columns": AB, "mailTo": ["stock@example.org", "b@example.org"]}})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.inbox.stop()


FOLDER = tempfile.mkdtemp(prefix="slipway-mail-")
os.chmod(FOLDER, 0o755)


def test_starttls_login_and_what_is_said(_):
    password = os.path.join(FOLDER, "password")
    with open(password, "w") as f:
        f.write(PASSWORD + "\n")
    os.chmod(password, 0o644)
    with Site(FOLDER, login=True, config=f"smtp_user = {LOGIN}\nsmtp_password_file = {password}\n[site]\npublic_url = https://maps.example.org\n") as site:
        a = put(site.server, type_="库存", mail="b@example.org, c@example.org,b@example.org", name='ma"rch Bcc: x@evil.example.csv')
        assert a.json["result"] == "success", a
        number = a.header("X-Slipway-Task")
        mails = site.inbox.wait(3)
        quiet(site.inbox)
        assert sorted(to(m) for m in mails) == ["b@example.org", "c@example.org", "stock@example.org"], mails
        for m in mails:
            assert m.over_tls and m["Subject"] == f"Slipway: import 库存 done (task {number})", m["Subject"]
            assert m.envelope == ("slipway@example.org", [to(m)]) and m["From"].addresses[0].addr_spec == "slipway@example.org"
            assert b"=?UTF-8?B?" in m.raw and all(c < 0x80 for c in m.raw)
            assert set(m.keys()) == {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
                                     "Content-Transfer-Encoding", "Auto-Submitted"}, m.keys()
            text = m.get_content()
            assert "Rows: 2 inserted" in text and f"https://maps.example.org/tasks/{number}" in text, text
            assert "evil" not in m.raw.decode() and not any(line.startswith("Bcc") for line in text.splitlines()), text
        bad = put(site.server, data=b"n,name\nx,1\n", mail="d@example.org")
        m = site.inbox.wait(4)[3]
        assert m["Subject"] == f"Slipway: import ab failed (task {bad.header('X-Slipway-Task')})", m["Subject"]
        assert "Row 2, column n: not an integer" in m.get_content(), m.get_content()
        assert waiting(site.server) == [] and PASSWORD not in site.server.log()


def uploads(server, since, **param):
    query = urllib.parse.urlencode(signed("uploadlog", param=json.dumps({"uptime": str(since), "filename": "late.csv", **param})))
    return server.get(f"{API}?{query}", user=None).json["data"][1:]


def test_an_import_that_outlives_its_request(_):
    """504, nothing in the log while it runs, then one mail and one row, for who waits for the one and who polls the other."""
    busy = "insert into t(n) with recursive c(n) as (select 1 union all select n + 1 from c where n < 8000000) select max(n) from c"
    with Site(FOLDER, config="[signed]\nwait = 1\n") as site:
        configure(site.server, receivers={"late": {"table": "t(n, name)", "columns": AB, "postSql": [busy]}})
        since = int(time.time())
        a = put(site.server, type_="late", name="late.csv", mail="a@example.org")
        assert a.status == 504 and a.json == {"result": "timeout", "data": "Pls wait for mail"}, a
        assert uploads(site.server, since) == [] and site.inbox.mails == []
        m = site.inbox.wait(1, 60)[0]
        number = int(a.header("X-Slipway-Task"))
        assert m["Subject"] == f"Slipway: import late done (task {number})", m["Subject"]
        assert [r[:5] for r in uploads(site.server, since)] == [[number, "late", "late.csv", "success", 2]]
        bad = put(site.server, data=b"n,name\nx,1\n", type_="late", name="late.csv")
        assert bad.json["result"] == "error", bad
        assert len(uploads(site.server, since)) == 1 and [r[3] for r in uploads(site.server, since, state="all")] == ["error", "success"]
        quiet(site.inbox, 2)


def test_addresses_that_are_none(_):
    with Site(FOLDER, config="allow_domains = example.org example.com\n") as site:
        many = ",".join(f"a{i}@example.org" for i in range(11))
        for mail in ("nobody", "a@b@example.org", "a@example.org\r\nBcc: b@example.org", "a b@example.org", "<a@example.org>", "a@evil.example",
                     "a@example.org,,b@example.org", many, "-oQ/tmp@example.org"):
            a = put(site.server, mail=mail)
            assert a.json == {"result": "error", "data": "bad request: mail"} and a.header("X-Slipway-Task") is None, (mail, a)
        assert put(site.server, mail="a@Example.COM").json["result"] == "success"
        site.inbox.wait(1)


def test_more_than_an_account_may_send(_):
    with Site(FOLDER) as site:
        for i in range(3):
            put(site.server, mail=f"a{i}@example.org,b{i}@example.org")
        site.inbox.wait(5)
        quiet(site.inbox)
        assert "1 mails over mailMax of loader dropped" in site.server.log()
        assert waiting(site.server) == []


def test_smtps(_):
    with Site(FOLDER, tls="smtps") as site:
        put(site.server, mail="a@example.org")
        assert to(site.inbox.wait(1)[0]) == "a@example.org"


def refused_for_now(site, word):
    put(site.server, mail="a@example.org")
    end = time.monotonic() + 15
    while not (m := waiting(site.server)) or m[0]["tries"] == 0 or m[0]["due"] > time.time() * 1000 + 300000:
        assert time.monotonic() < end, m
        time.sleep(0.2)
    assert m[0]["tries"] == 1 and 30 < m[0]["due"] / 1000 - time.time() <= 60, m
    assert word in site.server.log(), site.server.log()
    assert site.inbox.mails == []


def test_without_tls_nothing_is_sent(_):
    with Site(FOLDER, tls=None) as site:
        refused_for_now(site, "STARTTLS")


def test_a_certificate_nobody_vouches_for(_):
    with Site(FOLDER, trusted=False) as site:
        refused_for_now(site, "certificate")


def test_again_after_a_minute(_):
    with Site(FOLDER, refuse=1) as site:
        refused_for_now(site, "again later")
        # A new worker, too, knows what waits.
        site.server.stop()
        site.server.start()
        m = site.inbox.wait(1, 90)[0]
        assert to(m) == "a@example.org"
        quiet(site.inbox)


def test_sendmail(_):
    with Site(FOLDER) as site:
        site.server.stop()
        program, conf = os.path.join(FOLDER, "sendmail"), os.path.join(FOLDER, "msmtprc")
        with open(conf, "w") as f:
            f.write(f"account default\nhost localhost\nport {site.inbox.port}\ntls on\ntls_starttls on\ntls_trust_file {site.certificate.path}\n")
        # msmtp takes sendmail's options; only its configuration stands elsewhere.
        with open(program, "w") as f:
            f.write(f'#!/bin/sh\nexec msmtp -C {conf} --read-envelope-from "$@"\n')
        os.chmod(program, 0o755)
        os.chmod(conf, 0o644)
        with open(site.server.conf) as f:
            text = f.read().replace("method = smtp", f"method = sendmail\nsendmail = {program}")
        with open(site.server.conf, "w") as f:
            f.write(text)
        site.server.start()
        put(site.server, mail="a@example.org,b@example.org")
        mails = site.inbox.wait(2)
        assert sorted(m.envelope[1][0] for m in mails) == ["a@example.org", "b@example.org"]
        assert mails[0].envelope[0] == "slipway@example.org" and "Rows: 2 inserted" in mails[0].get_content()
        os.chmod(conf, 0)      # msmtp cannot read it any more, whoever runs it, and says so
        put(site.server, mail="c@example.org")
        end = time.monotonic() + 15
        while "sendmail: wait status" not in site.server.log():
            assert time.monotonic() < end, site.server.log()
            time.sleep(0.2)
        assert [m["to"] for m in waiting(site.server)] == ["c@example.org"]


def test_no_mails_at_all(_):
    server = Server(config="[mail]\nmethod = none\n")
    try:
        configure(server, accounts={"loader": {}}, receivers={"ab": {"table": "t(n, name)", "columns": AB}})
        assert put(server, mail="a@example.org").json["result"] == "success"
        assert waiting(server) == []
    finally:
        server.close()


if __name__ == "__main__":
    tests = [(n, f) for n, f in list(globals().items()) if n.startswith("test_")]
    try:
        failed = tell(tests, None)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    sys.exit(1 if failed else 0)
