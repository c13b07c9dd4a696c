"""The providers' side of webhooks in the demonstration: an https server on loopback that checks every signature."""

import hmac
import ipaddress
import json
import os
import queue
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.channels.webhook import signature

_HOST = "127.0.0.1"
_TRUST = "SSL_CERT_FILE"  # of OpenSSL: whose certificates this process trusts


@dataclass(slots=True)
class Inbox:
    """What one provider's interface has taken; `secret` is what signs for it, as it was told when it joined."""

    secret: bytes = b""
    messages: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def takes(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Take a message whose signature fits, as Standard Webhooks has it; False refuses it."""
        if not self.secret:
            return False
        seconds = int(headers["webhook-timestamp"])
        right = signature(self.secret, id=headers["webhook-id"], timestamp=seconds, body=body)
        if not hmac.compare_digest(right, headers["webhook-signature"]):
            return False
        self.messages.put(json.loads(body))
        return True


@contextmanager
def receiving(inboxes: Mapping[str, Inbox], folder: Path) -> Iterator[str]:
    """Serve these inboxes by number; gives the address, to which a number is added.

    As long as it lasts, this process trusts the server's own certificate, which is made in the folder, and no other.
    """

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            inbox = inboxes.get(self.path.strip("/"))
            is_taken = inbox is not None and inbox.takes(dict(self.headers.items()), body)
            self.send_response(204 if is_taken else 403)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The narrator speaks."""

    path = _certificate(folder)
    server = ThreadingHTTPServer((_HOST, 0), Receiver)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="webhooks", daemon=True)
    thread.start()
    try:
        with _trusting(path):
            yield f"https://{_HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _trusting(path: Path) -> Iterator[None]:
    before = os.environ.get(_TRUST)
    os.environ[_TRUST] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TRUST]
        else:
            os.environ[_TRUST] = before


def _certificate(folder: Path) -> Path:
    """A certificate for loopback that signs itself, with its key, for a day or two."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nqi demo")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(_HOST))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "loopback.pem"
    path.touch(mode=0o600)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
