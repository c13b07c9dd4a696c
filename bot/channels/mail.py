"""The Sender of e-mail: one message, one connection to the operator's SMTP server, every failure a value."""

import hashlib
import re
import smtplib
import ssl
import unicodedata
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from bot.core.rendering import clean
from bot.errors import SettingsError
from bot.ports import Clock, Failed, Outcome, Parcel, Sent

DELAYS = (60.0, 300.0, 1800.0, 7200.0)
"""Seconds before each further try of a mail that was not taken this time."""

PAUSE = 300.0
"""Seconds for which all mails wait when the server takes none of them."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@)(?=.{{3,254}}\Z){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)*{_LABEL}")
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, line and paragraph ends
# RFC 4954: the account, not the message; some servers say so only when a sender or recipient is named.
_LOGIN_CODES = frozenset({530, 534, 535, 538})
_TOO_LARGE = 552
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed over and in whose name; the values of the `smtp_…` and `mail_from` settings."""

    host: str
    port: int
    security: str  # starttls | tls | none
    sender: str  # an address, or 名称 <address>
    user: str = ""  # empty: no login
    password: str = field(default="", repr=False)
    timeout: float = 15.0  # seconds for each answer of the server


class MailSender:
    """Fulfils bot.ports.Sender for e-mail; threads may share it."""

    def __init__(self, server: MailServer, clock: Clock, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for a private authority; the default trusts the system's and always checks certificates.

        Raises SettingsError for a sender that is no address or an unknown kind of security.
        """
        name, address = parseaddr(server.sender)
        if not (is_address(address) and _is_line(server.sender)):
            raise SettingsError("settings", f"发件邮箱“{server.sender}”不是可用的邮箱地址。")
        if server.security not in ("starttls", "tls", "none"):
            raise SettingsError("settings", f"不认识的邮件加密方式“{server.security}”。")
        self._server = server
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._from = Address(display_name=name, addr_spec=address)

    def send(self, parcel: Parcel) -> Outcome:
        """Hand one mail over to the server.

        A mail that can never be written is `mail-address`; what the server refuses is `smtp-` and its reply.
        A try that ends without a reply (`timeout`, `network`) is repeated after DELAYS. It may be that the mail was
        taken all the same: the repeated one bears the same Message-ID.
        """
        fault = _fault(parcel)
        if fault:
            return Failed(code="mail-address", detail=fault, is_permanent=True)
        mail = self._write(parcel)
        written = mail.as_bytes()
        try:
            with closing(self._connect()) as smtp:
                smtp.sendmail(self._from.addr_spec, [parcel.address], written)
                # Taken is taken: what goes wrong while parting must not send the mail again.
                with suppress(OSError):
                    smtp.quit()
        except UnicodeError:
            # smtplib speaks ASCII: the host's name or the password does not.
            return _out_of_order("smtp-settings", "the host's name, the user or the password is not ASCII")
        # Also all that smtplib raises. A connection lost during DATA leaves open whether the mail was taken:
        # it counts as one try, and the next bears the same Message-ID.
        except OSError as error:
            return _outcome(error)
        return Sent(str(mail["Message-ID"]))

    def _connect(self) -> smtplib.SMTP:
        """A connection that is encrypted and logged in as far as the settings say."""
        server = self._server
        smtp: smtplib.SMTP
        if server.security == "tls":
            smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=self._tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        try:
            if server.security == "starttls":
                smtp.starttls(context=self._tls)
            if server.user:
                smtp.login(server.user, server.password)
        except (OSError, UnicodeError):
            smtp.close()
            raise
        return smtp

    def _write(self, parcel: Parcel) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._from
        mail["To"] = Address(addr_spec=parcel.address)
        mail["Subject"] = parcel.extras["subject"]
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{_digest(parcel.key)}@{self._from.domain}>"
        # RFC 3834: out-of-office answers and other robots keep quiet.
        mail["Auto-Submitted"] = "auto-generated"
        # Base64 passes every server, whatever it thinks of eight bits and long lines.
        mail.set_content(clean(parcel.text), cte="base64")
        return mail


def is_address(text: str) -> bool:
    """Is this an address that we write to: ASCII, no quotes, no comments, no display name (a part of RFC 5321)?"""
    return _ADDRESS.fullmatch(text) is not None


def _fault(parcel: Parcel) -> str:
    """Why this mail can never be written, or nothing."""
    if not is_address(parcel.address):
        return "not an address that we write to"
    subject = parcel.extras.get("subject")
    if not isinstance(subject, str) or not subject.strip():
        return "no subject"
    return "" if _is_line(subject) else "a subject with line breaks, control characters or encoded words"


def _is_line(text: str) -> bool:
    """May it stand in a header as it is?"""
    # The email package decodes an encoded word that it is given, and with it the line break that hides inside;
    # before Python 3.11.10 it wrote that line break out (CVE-2024-6923).
    if "=?" in text and "?=" in text:
        return False
    return not any(unicodedata.category(char) in _BREAKS for char in text)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:40]


def _outcome(error: OSError) -> Failed:
    """What a failed try means: for this mail, or for all of them."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            [(code, words)] = error.recipients.values()
            return _refused(code, words)
        case smtplib.SMTPResponseException():
            return _answered(error)
        case smtplib.SMTPServerDisconnected():
            # smtplib turns a silence into this, with the cause behind it.
            is_silence = isinstance(error.__context__, TimeoutError)
            return _again("timeout" if is_silence else "network", "the server fell silent or hung up")
        case smtplib.SMTPException():
            return _out_of_order("smtp-settings", "the server offers no STARTTLS or no way to log in")
        case ssl.SSLError():
            return _out_of_order("smtp-tls", error.reason or type(error).__name__)
        case TimeoutError():
            return _again("timeout", "no connection to the server")
    return _again("network", type(error).__name__)


def _answered(error: smtplib.SMTPResponseException) -> Failed:
    """A reply that ends the try, before the recipient was named or after."""
    code, words = error.smtp_code, error.smtp_error
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # The server's words may repeat what it was given; they are not kept.
        return _out_of_order("smtp-auth", f"login refused with {code}")
    if isinstance(error, smtplib.SMTPDataError) or code == _TOO_LARGE:
        return _refused(code, words, alarm=True)
    return (
        _again(f"smtp-{code}", _words(words))
        if _is_passing(code)
        else _out_of_order(f"smtp-{code}", _words(words))
    )


def _refused(code: int, words: bytes | str, *, alarm: bool = False) -> Failed:
    """A reply about one mail (RFC 5321, 4.2.1): 4xx passes, 5xx stays."""
    if code in _LOGIN_CODES:
        return _out_of_order(f"smtp-{code}", _words(words))
    if _is_passing(code):
        return _again(f"smtp-{code}", _words(words))
    return Failed(code=f"smtp-{code}", detail=_words(words), is_permanent=True, alarm=alarm)


def _is_passing(code: int) -> bool:
    # Less than 400 is an answer to another question (-1: none that can be read); it says nothing final.
    return code < 500


def _again(code: str, detail: str) -> Failed:
    return Failed(code=code, detail=detail, is_permanent=False, delays=DELAYS)


def _out_of_order(code: str, detail: str) -> Failed:
    return Failed(code=code, detail=detail, is_permanent=False, delays=DELAYS, alarm=True, pause=PAUSE)


def _words(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join(clean(text).split())[:_LONGEST_DETAIL]
