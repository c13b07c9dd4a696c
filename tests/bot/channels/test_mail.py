"""Our mails against a real SMTP server on loopback: taken, refused, cut off, and never forged."""

import asyncio
import email
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from aiosmtpd import smtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.mail import DELAYS, PAUSE, MailSender, MailServer, is_address
from bot.core.reach import Channel
from bot.errors import SettingsError
from bot.ports import Failed, Parcel, Sent
from tests.make import NOON, SetClock

PASSWORD = "correct-horse"
PARCEL = Parcel(
    key="notice:17",
    channel=Channel.EMAIL,
    address="jigou@example.com",
    text="您好，有一条新的需求待您确认。\n.\n请在两个工作日内答复。",
    extras={"subject": "新的转介：检测一批矿泉水"},
)


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself: what a server shows, and what a client that knows it trusts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def self_signed(folder: Path, name: str) -> Certificate:
    """A certificate for this DNS name, valid around now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - timedelta(days=3650))
        .not_valid_after(NOON + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Certificate(server, ssl.create_default_context(cafile=str(path)))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


@dataclass
class Box:
    """What the server does with a mail, and the mails that it took."""

    at_sender: str = ""
    at_recipient: str = ""
    at_end: str = ""
    hangs_up: str = ""  # "before" or "after" the mail is taken
    silent_for: float = 0.0
    taken: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def handle_MAIL(self, server, session, envelope, address, options) -> str:
        envelope.mail_from = address
        return self.at_sender or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        await asyncio.sleep(self.silent_for)
        if not self.at_recipient:
            envelope.rcpt_tos.append(address)
        return self.at_recipient or "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        if not self.at_end and self.hangs_up != "before":
            self.taken.append(envelope.original_content)
            self.recipients += envelope.rcpt_tos
        if self.hangs_up:
            server.transport.abort()
        return self.at_end or "250 taken"

    def mail(self) -> EmailMessage:
        (content,) = self.taken
        return email.message_from_bytes(content, policy=SMTP)


@contextmanager
def served(box: Box, *, tls: ssl.SSLContext | None = None, **options) -> Iterator[MailServer]:
    """A server on a free port of this machine, in a thread; `tls` speaks from the first byte."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> asyncio.Server:
        return await loop.create_server(lambda: smtp.SMTP(box, loop=loop, **options), "127.0.0.1", 0, ssl=tls)

    async def end() -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(5)
    try:
        port = server.sockets[0].getsockname()[1]
        yield MailServer(
            "localhost", port, security="none", sender="示例平台 <fuwu@platform.example>", timeout=5.0
        )
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def sent(server: MailServer, parcel: Parcel = PARCEL, tls: ssl.SSLContext | None = None):
    return MailSender(server, SetClock(), tls=tls).send(parcel)


def test_a_mail_arrives_as_it_was_written():
    box = Box()
    with served(box) as server:
        outcome = sent(server)
    mail = box.mail()
    assert outcome == Sent(mail["Message-ID"])
    assert box.recipients == [PARCEL.address]
    assert mail["Subject"] == PARCEL.extras["subject"]
    assert mail["From"] == "示例平台 <fuwu@platform.example>"
    assert mail["To"] == PARCEL.address
    assert mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(mail["Date"]) == NOON
    assert mail.get_content().splitlines() == PARCEL.text.splitlines()
    assert box.taken[0].isascii()
    assert b"\n" not in box.taken[0].replace(b"\r\n", b"")


def test_a_repeated_mail_is_recognised_and_another_is_not():
    names = []
    for key in ("notice:17", "notice:17", "notice:18"):
        box = Box()
        with served(box) as server:
            sent(server, replace(PARCEL, key=key))
        names.append(box.mail()["Message-ID"])
    assert names[0] == names[1] != names[2]
    assert all(name.endswith("@platform.example>") for name in names)


@pytest.mark.parametrize(
    ("box", "code", "is_permanent", "alarm", "pause"),
    [
        (Box(at_recipient="550 5.1.1 no such user"), "smtp-550", True, False, 0.0),
        (Box(at_recipient="451 4.7.1 greylisted"), "smtp-451", False, False, 0.0),
        (Box(at_recipient="421 4.3.2 closing"), "smtp-421", False, False, 0.0),
        (Box(at_recipient="530 5.7.0 log in first"), "smtp-530", False, True, PAUSE),
        (Box(at_sender="553 5.7.1 not your address"), "smtp-553", False, True, PAUSE),
        (Box(at_sender="452 4.3.1 disk full"), "smtp-452", False, False, 0.0),
        (Box(at_sender="552 5.3.4 too large"), "smtp-552", True, True, 0.0),
        (Box(at_end="554 5.7.1 looks like spam"), "smtp-554", True, True, 0.0),
        (Box(at_end="451 4.3.0 try later"), "smtp-451", False, False, 0.0),
    ],
)
def test_replies_become_outcomes(box, code, is_permanent, alarm, pause):
    with served(box) as server:
        outcome = sent(server)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.pause) == (
        code,
        is_permanent,
        alarm,
        pause,
    )
    assert outcome.delays == (() if is_permanent else DELAYS)
    assert outcome.detail in (box.at_recipient + box.at_sender + box.at_end)
    assert len(outcome.detail) > 5
    assert box.taken == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lost_connection_counts_as_one_try(moment):
    box = Box(hangs_up=moment)
    with served(box) as server:
        outcome = sent(server)
    assert outcome.code == "network"
    assert (outcome.is_permanent, outcome.delays, outcome.pause) == (False, DELAYS, 0.0)
    assert len(box.taken) == (moment == "after")


def test_a_silent_server_is_given_up():
    box = Box(silent_for=0.6)
    with served(box) as server:
        outcome = sent(replace(server, timeout=0.2))
    assert (outcome.code, outcome.is_permanent, outcome.delays) == ("timeout", False, DELAYS)


def test_a_server_that_is_not_there_is_tried_again():
    with served(Box()) as server:
        pass
    outcome = sent(server)
    assert (outcome.code, outcome.detail, outcome.delays) == ("network", "ConnectionRefusedError", DELAYS)


def test_what_goes_wrong_while_parting_does_not_send_the_mail_again():
    class Rude(Box):
        async def handle_QUIT(self, server, session, envelope) -> str:
            server.transport.abort()
            return "221 bye"

    box = Rude()
    with served(box) as server:
        assert isinstance(sent(server), Sent)
    assert len(box.taken) == 1


def authenticate(server, session, envelope, mechanism, data) -> smtp.AuthResult:
    return smtp.AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.mark.parametrize("password", [PASSWORD, "wrong-password"])
def test_the_login_goes_over_tls(certificate, password):
    box = Box()
    with served(
        box,
        tls_context=certificate.server,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    ) as server:
        ours = replace(server, security="starttls", user="fuwu", password=password)
        outcome = sent(ours, tls=certificate.client)
    if password == PASSWORD:
        assert outcome == Sent(box.mail()["Message-ID"])
    else:
        assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.pause) == (
            "smtp-auth",
            False,
            True,
            PAUSE,
        )
        assert box.taken == []
    assert password not in repr(outcome)
    assert password not in repr(ours)


def test_tls_from_the_first_byte(certificate):
    box = Box()
    with served(box, tls=certificate.server) as server:
        ours = replace(server, security="tls")
        distrusted, outcome = sent(ours), sent(ours, tls=certificate.client)
    assert (distrusted.code, distrusted.pause) == ("smtp-tls", PAUSE)
    assert outcome == Sent(box.mail()["Message-ID"])


@pytest.mark.parametrize("user", ["", "fuwu"])
def test_a_certificate_that_nobody_vouches_for_stops_the_channel(certificate, user):
    box = Box()
    with served(box, tls_context=certificate.server) as server:
        outcome = sent(replace(server, security="starttls", user=user, password=PASSWORD))
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.pause) == (
        "smtp-tls",
        False,
        True,
        PAUSE,
    )
    assert box.taken == []


def test_a_certificate_of_another_name_stops_the_channel(certificate):
    box = Box()
    with served(box, tls_context=certificate.server) as server:
        outcome = sent(replace(server, host="127.0.0.1", security="starttls"), tls=certificate.client)
    assert (outcome.code, box.taken) == ("smtp-tls", [])


@pytest.mark.parametrize(
    "change", [{"security": "starttls"}, {"user": "fuwu", "password": PASSWORD}, {"host": "邮" * 80}]
)
def test_a_server_unlike_the_settings_stops_the_channel_and_takes_nothing(change):
    box = Box()
    with served(box) as server:
        outcome = sent(replace(server, **change))
    assert (outcome.code, outcome.alarm, outcome.pause) == ("smtp-settings", True, PAUSE)
    assert (box.taken, PASSWORD in repr(outcome)) == ([], False)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [("sender", "platform"), ("sender", "a@b.example\r\nBcc: c@d.example"), ("security", "ssl")],
)
def test_settings_that_cannot_work_are_refused_at_once(field_name, value):
    server = MailServer("localhost", 25, security="none", sender="fuwu@platform.example")
    with pytest.raises(SettingsError):
        MailSender(replace(server, **{field_name: value}), SetClock())


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("a@b.example", True),
        ("li.si+tag@mail.jigou.example", True),
        ("a@localhost", True),
        ("a@b.example\n", False),
        ("a@b.example, c@d.example", False),
        ("A <a@b.example>", False),
        ('"a b"@c.example', False),
        ("a@b@c.example", False),
        ("a..b@c.example", False),
        ("邮箱@b.example", False),
        ("@b.example", False),
        ("a@", False),
        ("a" * 65 + "@b.example", False),
        ("a@" + "b" * 64 + ".example", False),
        ("a@" + ".".join(["b" * 60] * 5), False),
        ("", False),
    ],
)
def test_addresses(address, is_good):
    assert is_address(address) is is_good


@pytest.mark.parametrize(
    "extras", [{}, {"subject": ""}, {"subject": 7}, {"subject": "a\r\nBcc: c@d.example"}, {"subject": "a\n"}]
)
def test_a_mail_that_cannot_be_written_is_not_tried(extras):
    box = Box()
    with served(box) as server:
        outcome = sent(server, replace(PARCEL, extras=extras))
    assert (outcome.code, outcome.is_permanent, outcome.alarm) == ("mail-address", True, False)
    assert box.taken == []


HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
]
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "\r\n",
                "\n",
                "\r",
                "\x0b",
                "\x85",
                "\u2028",
                "Bcc: c@d.example",
                "=?utf-8?q?a=0D=0ABcc:x?=",
                "=?",
            ]
        ),
        st.sampled_from(["?=", ",", "<", ">", '"', "\\", ";", ":", "@", " ", "矿泉水" * 30, "x" * 200]),
        st.text(max_size=20),
    ),
    min_size=1,
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def open_box() -> Iterator[tuple[Box, MailServer]]:
    box = Box()
    with served(box) as server:
        yield box, server


@settings(deadline=None, max_examples=60)
@given(subject=HOSTILE)
def test_no_subject_can_add_a_header(open_box, subject):
    box, server = open_box
    box.taken.clear()
    outcome = sent(server, replace(PARCEL, extras={"subject": subject}))
    if isinstance(outcome, Failed):
        assert (outcome.code, box.taken) == ("mail-address", [])
        return
    mail = box.mail()
    assert sorted(mail.keys()) == sorted(HEADERS)
    # Folding may turn one kind of blank into another, never a letter.
    assert "".join(str(mail["Subject"]).split()) == "".join(subject.split())


@settings(deadline=None, max_examples=60)
@given(address=st.one_of(HOSTILE, HOSTILE.map(lambda text: f"{text}@b.example"), st.emails()))
def test_no_address_reaches_another_recipient(open_box, address):
    box, server = open_box
    box.taken.clear()
    box.recipients.clear()
    outcome = sent(server, replace(PARCEL, address=address))
    if isinstance(outcome, Failed):
        assert (outcome.code, box.taken) == ("mail-address", [])
        return
    assert box.recipients == [address]
    assert [str(item) for item in box.mail()["To"].addresses] == [address]
    assert sorted(box.mail().keys()) == sorted(HEADERS)


@settings(deadline=None, max_examples=60)
@given(key=st.text(), text=st.text())
def test_any_key_and_any_text_can_be_sent(open_box, key, text):
    box, server = open_box
    box.taken.clear()
    assert isinstance(sent(server, replace(PARCEL, key=key, text=text)), Sent)
    assert sorted(box.mail().keys()) == sorted(HEADERS)
