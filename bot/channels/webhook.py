"""The Senders of webhooks and SMS: signed POSTs after the Standard Webhooks specification, to checked addresses."""

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from typing import Any

import httpx

from bot.core.reach import Channel
from bot.core.rendering import clean
from bot.ports import Clock, Failed, Outcome, Parcel, Sent

DELAYS = (30.0, 120.0, 600.0, 3600.0, 14400.0)
"""Seconds before each further try of a webhook that was not taken this time."""

ANSWER_BYTES = 65_536
"""The most of an answer that is read."""

Resolve = Callable[[str], Sequence[str]]
"""The IP addresses of a host; raises OSError where it has none."""

_LONGEST_ANSWER = 10.0  # seconds from the answer's head to where we stop reading its body
_LONGEST_DETAIL = 200
_PASSING = frozenset({408, 429})
_GONE = 410
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def signature(secret: bytes, *, id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` (Standard Webhooks 1.0, symmetric): `v1,` and base64 of the HMAC-SHA256.

    `timestamp` is in seconds since 1970, `id` the value of `webhook-id`.
    """
    signed = b".".join((id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def addresses_of(host: str) -> Sequence[str]:
    """The IP addresses that the system's resolver gives for a host; raises OSError where there are none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class WebhookSender:
    """Fulfils bot.ports.Sender for webhooks; threads may share it.

    An address belongs to somebody else, so it could name a machine of our own network. Therefore only https on public
    addresses is served, every address of the host is checked, and the connection goes to the very address that was
    checked, without redirects and without a proxy. What remains: a public address that its owner forwards inward, a
    name server that is slow (the system's resolver sets its own limit), a head that drips in byte by byte.
    """

    def __init__(
        self,
        secret_for: Callable[[str], bytes],
        clock: Clock,
        *,
        is_insecure_allowed: bool,
        resolve: Resolve = addresses_of,
        timeout: httpx.Timeout | None = None,
    ) -> None:
        """`secret_for` gives the secret of whom `secret_of` names, or nothing; 5 s to connect, 10 s to read.

        `is_insecure_allowed` admits http and every address: for tests, demonstrations and networks of one's own.
        """
        self._secret_for = secret_for
        self._clock = clock
        self._is_insecure_allowed = is_insecure_allowed
        self._resolve = resolve
        self._timeout = timeout or httpx.Timeout(10.0, connect=5.0)
        self._tls = httpx.create_ssl_context()

    def send(self, parcel: Parcel) -> Outcome:
        """Post {"type", "timestamp", "data"}, where the time is that of this try.

        `webhook-id` is the parcel's key: the receiver knows a repetition by it. Codes: `webhook-address`,
        `webhook-secret`, `webhook-content` for what is never sent; `http-…`, `timeout`, `network`.
        """
        secret = self._secret_for(str(parcel.extras.get("secret_of", "")))
        if not secret:
            return _never("webhook-secret", "no secret to sign with")
        try:
            url = _url(parcel.address, is_http_allowed=self._is_insecure_allowed)
            body, headers = self._signed(parcel, secret)
        except _UnfitError as error:
            return _never(error.code, error.detail)
        try:
            hosts = self._resolve(_name(url))
        except UnicodeError:
            return _never("webhook-address", "not a host's name")
        except OSError:
            return _again("network", "the host's name is unknown")
        if not (self._is_insecure_allowed or all(is_public(host) for host in hosts)):
            return _never("webhook-address", "the host is not on the public network")
        return self._post_to_any(url, hosts, body=body, headers=headers)

    def _signed(self, parcel: Parcel, secret: bytes) -> tuple[bytes, dict[str, str]]:
        now = self._clock.now().astimezone(UTC)
        if not (parcel.key.isascii() and parcel.key.isprintable() and parcel.key.strip() == parcel.key != ""):
            raise _UnfitError("webhook-content", "a key that no header can carry")
        body = _body(parcel, now.isoformat(timespec="seconds").replace("+00:00", "Z"))
        seconds = int(now.timestamp())
        return body, {
            "content-type": "application/json",
            "user-agent": "nqi-webhook",
            # A compressed answer could be far larger than what is read of it.
            "accept-encoding": "identity",
            "webhook-id": parcel.key,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(secret, id=parcel.key, timestamp=seconds, body=body),
        }

    def _post_to_any(
        self, url: httpx.URL, hosts: Sequence[str], *, body: bytes, headers: Mapping[str, str]
    ) -> Outcome:
        outcome: Outcome = _again("network", "the host has no address")
        for host in hosts:
            try:
                return self._post(url, host, body=body, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nothing was sent yet, so the host's next address may be tried at once.
                outcome = _again("network", type(error).__name__)
            except httpx.TimeoutException as error:
                return _again("timeout", type(error).__name__)
            except httpx.HTTPError as error:
                return _again("network", type(error).__name__)
            except httpx.InvalidURL:
                return _never("webhook-address", "not an address that can be called")
        return outcome

    def _post(self, url: httpx.URL, host: str, *, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Post to this IP address under the URL's name, which TLS checks and the server is told."""
        request = httpx.Request(
            "POST",
            url.copy_with(host=host),
            headers={"host": url.netloc.decode("ascii"), **headers},
            content=body,
            extensions={"timeout": self._timeout.as_dict(), "sni_hostname": _name(url)},
        )
        # A bare transport: no redirects, cookies, proxies, nor log lines with somebody's address in them. One for each
        # call, since a connection kept for one name would serve another name of the same IP address unchecked.
        with httpx.HTTPTransport(verify=self._tls) as transport:
            response = transport.handle_request(request)
            with closing(response):
                return _outcome(response)


class SmsSender:
    """Fulfils bot.ports.Sender for SMS: the operator's gateway takes a signed POST with {"phone", "text"}.

    The operator chose the gateway's address, so it may be one of the own network where that is allowed.
    """

    def __init__(self, url: str, secret: bytes, clock: Clock, *, is_insecure_allowed: bool) -> None:
        """`url` is the gateway's, `secret` signs for it."""
        self._url = url
        self._webhooks = WebhookSender(lambda _: secret, clock, is_insecure_allowed=is_insecure_allowed)

    def send(self, parcel: Parcel) -> Outcome:
        """Post event `sms.send`; codes as those of WebhookSender."""
        data = {"phone": parcel.address, "text": parcel.text}
        return self._webhooks.send(
            replace(
                parcel,
                channel=Channel.WEBHOOK,
                address=self._url,
                extras={"event": "sms.send", "data": data, "secret_of": "sms"},
            )
        )


class _UnfitError(Exception):
    """What we were given cannot be sent, ever."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def is_public(host: str) -> bool:
    """Is this IP address one of the public network: not loopback, private, link-local, multicast or reserved?"""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is None:
            return address in _GLOBAL_UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that traffic to this one ends at."""
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def _url(text: str, *, is_http_allowed: bool) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise _UnfitError("webhook-address", "not an address") from None
    if url.scheme not in (("https", "http") if is_http_allowed else ("https",)) or not url.host:
        raise _UnfitError("webhook-address", "only https is called")
    if url.userinfo:
        raise _UnfitError("webhook-address", "an address with a password; the signature stands for it")
    if url.port is not None and not 0 < url.port < 65_536:
        raise _UnfitError("webhook-address", "not a port")
    return url


def _name(url: httpx.URL) -> str:
    # As it stands in the certificate: httpx shows international names in their own letters otherwise.
    return url.raw_host.decode("ascii")


def _body(parcel: Parcel, timestamp: str) -> bytes:
    content: dict[str, Any] = {
        "type": parcel.extras.get("event"),
        "timestamp": timestamp,
        "data": parcel.extras.get("data"),
    }
    if not (isinstance(content["type"], str) and content["type"] and isinstance(content["data"], Mapping)):
        raise _UnfitError("webhook-content", "no event or no data")
    try:
        # Escapes keep lone surrogates sendable; what is not JSON (NaN) is refused.
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        raise _UnfitError("webhook-content", "the data is not JSON") from None


def _outcome(response: httpx.Response) -> Outcome:
    status = response.status_code
    code = f"http-{status}"
    if 200 <= status < 300:
        return Sent(code)
    detail = _beginning(response)
    if status in _PASSING or status >= 500:
        return _again(code, detail)
    # Gone is an answer; any other refusal, or a redirect, is a mistake that somebody must mend.
    return Failed(code=code, detail=detail, is_permanent=True, alarm=status != _GONE)


def _beginning(response: httpx.Response) -> str:
    """The first words of an answer; however it goes on, the status has decided."""
    read = bytearray()
    try:
        for chunk in _chunks(response):
            read += chunk
    except httpx.HTTPError:
        pass
    return " ".join(clean(read[:ANSWER_BYTES].decode(errors="replace")).split())[:_LONGEST_DETAIL]


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    until, size = time.monotonic() + _LONGEST_ANSWER, 0
    for chunk in response.iter_raw():
        size += len(chunk)
        yield chunk
        if size >= ANSWER_BYTES or time.monotonic() > until:
            return


def _again(code: str, detail: str) -> Failed:
    return Failed(code=code, detail=detail, is_permanent=False, delays=DELAYS)


def _never(code: str, detail: str) -> Failed:
    return Failed(code=code, detail=detail, is_permanent=True, alarm=True)
