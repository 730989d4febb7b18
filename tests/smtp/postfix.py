"""A Postfix of one's own, beside any other: own ports, own folder, mail kept in a Maildir."""

import grp
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trustme

from tests.parts import missing
from tests.procnodes import free_port

HOST = "mx.example.test"
PASSWORD = "opensesame"
SIZE_LIMIT = 100_000

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
myhostname = {host}
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
default_transport = error:off
local_transport = error:off
virtual_mailbox_domains = example.test xn--bcher-kva.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:box/
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
message_size_limit = {size}
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_relay_restrictions = permit_auth_destination, reject
smtpd_recipient_limit = 50
smtpd_delay_reject = no
smtpd_sender_restrictions = check_sender_access inline:{{{{spam@example.test = 553 5.7.1 no}}}}
smtpd_recipient_restrictions = check_recipient_access inline:{{{{temp@example.test =
    451 4.3.0 later}} {{temp2@example.test = 450 4.2.0 later}}
    {{nobody@example.test = 550 5.1.1 no}}
    {{bye@example.test = 421 4.3.2 bye}}}}
    permit_auth_destination, reject
"""
MASTER = """
127.0.0.1:{plain} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{bare} inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=pipelining,chunking
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
showq unix n - n - - showq
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
postlog unix-dgram n - n - 1 postlogd
"""
SASL = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {folder}/sasldb2\n"


class Postfix:
    """Where it listens, and what it has delivered."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder = folder
        self.plain, self.tls, self.bare = ports["plain"], ports["tls"], ports["bare"]

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def mails(self, subject: str, number: int) -> list[bytes]:
        """Wait for so many delivered copies with this subject."""
        wanted = f"\nSubject: {subject}\n".encode()
        until = time.monotonic() + 60
        while True:
            found = [text for text in self._delivered() if wanted in text]
            if len(found) >= number or time.monotonic() > until:
                return found
            time.sleep(0.05)  # another process moves them; nothing tells when

    def _delivered(self) -> Iterator[bytes]:
        for path in (self.folder / "mail" / "box" / "new").glob("*"):
            yield path.read_bytes()


@contextmanager
def running() -> Iterator[Postfix]:
    if not shutil.which("postfix") or not shutil.which("saslpasswd2"):
        missing("Postfix")
    if os.geteuid() != 0:
        missing("Postfix", "it starts as root only")
    # Not in pytest's own folder: the daemons are not root, and it is closed to others.
    with TemporaryDirectory(prefix="mailqueue-postfix-", ignore_cleanup_errors=True) as folder:
        yield from run(Path(folder))


def run(folder: Path) -> Iterator[Postfix]:
    postfix = Postfix(folder, {name: free_port() for name in ("plain", "tls", "bare")})
    write(postfix)
    command = ["postfix", "-c", str(folder / "conf")]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([*command, "start-fg"], stdout=out, stderr=out)
        try:
            answer(postfix.plain, process)
            yield postfix
        finally:
            subprocess.run([*command, "stop"], stdout=out, stderr=out, check=False)
            process.wait(30)


def answer(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                assert client.recv(100).startswith(b"220")
                return
        except ConnectionError:
            time.sleep(0.05)
    pytest.fail("Postfix did not start")


def write(postfix: Postfix) -> None:
    folder, user = postfix.folder, pwd.getpwnam("postfix")
    folder.chmod(0o755)
    for name in ("conf/sasl", "queue", "data", "mail"):
        (folder / name).mkdir(parents=True)
    values = {
        "folder": folder, "host": HOST, "size": SIZE_LIMIT,
        "uid": user.pw_uid, "gid": grp.getgrnam("postfix").gr_gid,
        "plain": postfix.plain, "tls": postfix.tls, "bare": postfix.bare,
    }  # fmt: skip
    (folder / "conf/main.cf").write_text(MAIN.format(**values))
    (folder / "conf/master.cf").write_text(MASTER.format(**values))
    (folder / "conf/sasl/smtpd.conf").write_text(SASL.format(**values))
    certify(folder)
    subprocess.run(
        ["saslpasswd2", "-c", "-p", "-f", folder / "sasldb2", "-u", HOST, "alice"],
        input=PASSWORD.encode(), check=True,
    )  # fmt: skip
    for name in ("data", "mail", "sasldb2"):
        shutil.chown(folder / name, "postfix", "postfix")


def certify(folder: Path) -> None:
    """Make an authority, and a certificate of it for 127.0.0.1 and localhost."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
