"""Whether a client's media_url may ever be fetched: decided on its text alone.

The server never connects to a client's address inside a request, and looks no
name up here. The worker that later fetches the photo resolves the name once,
asks `is_public_address` about the answer, and connects to that very address.

Sources: RFC 3986 (URLs), RFC 6890 with the IANA special-purpose registries,
RFC 6761, 6762 (appendix G) and 8375 (names of local networks), WHATWG URL §3.5
(a host that ends in a number is an IPv4 address).
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from open311.domain.errors import InvalidRequest

MAX_LENGTH = 2_000
"""Characters in a media_url."""

_PORTS = {None, 80, 443}

# Listed here rather than asked of `ipaddress.is_global`, which differs between
# Python versions and calls multicast, NAT64 and 6to4 addresses global.
_SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; metadata service of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # metadata service of another cloud
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Only 2000::/3 is global unicast: mapped, compatible (::/96), NAT64 (64:ff9b::/96),
# unique local, link-local and multicast addresses all lie outside it.
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4: hides any IPv4 address
        "3fff::/20",
    )
)

_LOCAL_SUFFIXES = (
    ".corp",
    ".home",
    ".home.arpa",
    ".internal",
    ".intranet",
    ".lan",
    ".local",
    ".localdomain",
    ".localhost",
    ".private",
)

_FORBIDDEN_CHARACTER = re.compile(r'[\\"<>`]')
_FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
# A name, or an IPv6 address in brackets with nothing around it; then a port.
_AUTHORITY = re.compile(r"(?:[^\[\]:]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def check_media_url(url: str) -> str:
    """Check the address of a photo that a client has put elsewhere (clause C-129).

    The address must be absolute, http or https, on port 80 or 443, without
    credentials, at most `MAX_LENGTH` characters long, and its host must be a
    qualified name or a public IP address in its usual spelling. An IPv4 address
    in any other spelling is refused even when it is public: two readers might
    understand two addresses. A name that resolves to a private address passes
    here and is refused by the worker after its one resolution.

    Args:
        url: the parameter as received; surrounding spaces are forgiven. An empty
            parameter means "no photo": that is for the caller to say.

    Returns:
        The address, otherwise unchanged.

    Raises:
        InvalidRequest: field `media_url`, with a French sentence.
    """
    url = url.strip(" ")
    _check_text(url)
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        _refuse("doit être une adresse complète qui commence par http:// ou https://")
    if "@" in parts.netloc:
        _refuse("ne doit contenir ni nom d’utilisateur ni mot de passe")
    if not _AUTHORITY.fullmatch(parts.netloc):
        _refuse("n’est pas une adresse lisible")
    _check_host(parts.hostname)
    return url


def is_public_address(ip: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address may be connected to on behalf of a client.

    Args:
        ip: the one address that a name resolved to.

    Returns:
        True for global unicast only. False for private, shared, loopback,
        link-local, multicast, documentation and reserved addresses, and for
        every IPv6 address that carries an IPv4 one (mapped, compatible, NAT64,
        6to4, Teredo), whatever it carries.
    """
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    return ip in _GLOBAL_UNICAST_V6 and not any(ip in network for network in _SPECIAL_V6)


def _refuse(reason: str) -> NoReturn:
    raise InvalidRequest(f"Le champ media_url {reason}.", field="media_url")


def _check_text(url: str) -> None:
    if len(url) > MAX_LENGTH:
        _refuse(f"dépasse {MAX_LENGTH} caractères")
    # Invisible characters too: name resolution drops some of them silently.
    if _FORBIDDEN_CHARACTER.search(url) or any(
        unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in url
    ):
        _refuse("contient un caractère interdit dans une adresse (espace, caractère invisible…)")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse("n’est pas une adresse lisible")
    if port not in _PORTS:
        _refuse("doit utiliser le port 80 ou 443")
    return parts


def _check_host(host: str) -> None:
    if ":" in host:
        _check_address(_ipv6(host))
        return
    labels = _ascii_labels(host)
    if _NUMBER.fullmatch(labels[-1]):
        _check_address(_ipv4(host))
        return
    name = ".".join(labels)
    if len(labels) < 2 or name.endswith(_LOCAL_SUFFIXES):
        _refuse("désigne une machine locale : le serveur doit être joignable depuis Internet")


def _check_address(ip: IPv4Address | IPv6Address) -> None:
    if not is_public_address(ip):
        _refuse("désigne une adresse privée ou réservée : elle doit être publique")


def _ipv4(host: str) -> IPv4Address:
    try:
        return IPv4Address(host)
    except ValueError:
        _refuse("désigne une adresse IP écrite de façon inhabituelle ; écrivez le nom du serveur")


def _ipv6(host: str) -> IPv6Address:
    try:
        return IPv6Address(host)
    except ValueError:
        _refuse("n’est pas une adresse lisible")


def _ascii_labels(host: str) -> list[str]:
    """Return the host's labels as name resolution reads them.

    Circled digits become digits, exotic dots become dots, accents become
    punycode (RFC 3490); the root's final dot is dropped.
    """
    if any(not c.isascii() and unicodedata.category(c) == "Nd" for c in host):
        _refuse("contient des chiffres que tous les logiciels ne lisent pas de la même façon")
    try:
        name = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        _refuse("n’a pas un nom de serveur valide")
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        _refuse("n’a pas un nom de serveur valide")
    return labels
