"""A client's media_url can never point the server at its own network (trust K1, K2, K6, K7)."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import InvalidRequest
from open311.domain.media_url import MAX_LENGTH, check_media_url, is_public_address

ACCEPTED = [
    "http://www.exemple.fr/photo.jpg",
    "https://www.exemple.fr/photo.jpg?taille=grande&n=1#haut",
    "HTTPS://WWW.EXEMPLE.FR/PHOTO.JPG",
    "https://exemple.fr",
    "https://exemple.fr:443/p.jpg",
    "http://exemple.fr:80/p.jpg",
    "http://exemple.fr:/p.jpg",
    "http://exemple.fr./p.jpg",
    "http://farm3.static.flickr.com/2002/2212426634_5ed477a060.jpg",
    "https://ma_ville.exemple.fr/p.jpg",
    "https://mairie-évreux.fr/dépôt.jpg",
    "https://xn--mairie-vreux-heb.fr/p.jpg",
    "https://3.exemple.fr/p.jpg",
    "https://127.0.0.1.exemple.fr/p.jpg",
    "https://localhost.exemple.fr/p.jpg",
    "https://93.184.215.14/p.jpg",
    "https://[2001:4860:4860::8888]/p.jpg",
    "https://exemple.fr/10.0.0.1/user@host/127.0.0.1.jpg",
]

PRIVATE_ADDRESSES = [
    # K1: private and special addresses in their usual spelling
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1/",
    "http://127.8.9.10/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.254/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.7/",
    "http://203.0.113.7/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[100::1]/",
]

STRANGE_SPELLINGS = [
    # K2: what a resolver reads as 127.0.0.1 or 169.254.169.254
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0X7F000001/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.0x1/",
    "http://00000127.0.0.1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://169.254.43518/",
    "http://①②⑦.0.0.1/",
    "http://⑯⑨.254.169.254/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://127｡0｡0｡1/",
    "http://⒈⒉⒊4/",
    "http://١٢٧.0.0.1/",
    "http://১২৭.০.০.১/",
    "http://0/",
    "http://0x/",
    "http://127.0.0.1%20/",
    "http://%31%32%37.0.0.1/",
    "http://999.999.999.999/",
    "http://1.2.3.4.5/",
    "http://8.8.2056/",  # public, but in a spelling nobody needs
]

LOCAL_NAMES = [
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://ⓛocalhost/",
    "http://loc\u00adalhost/",
    "http://local\u200bhost/",
    "http://local\ufe0fhost/",
    "http://api.localhost/",
    "http://localhost.localdomain/",
    "http://imprimante.local/",
    "http://metadata.google.internal/",
    "http://routeur.lan/",
    "http://box.home/",
    "http://box.home.arpa/",
    "http://serveur.intranet/",
    "http://serveur.corp/",
    "http://serveur.private/",
    "http://base-interne/",
    "http://a..fr/",
    "http://.fr/",
    "http://-a.fr/",
    "http://" + "a" * 64 + ".fr/",
]

NOT_WEB = [
    # K6 and K7: schemes and ports
    "file:///etc/passwd",
    "gopher://exemple.fr/_",
    "ftp://exemple.fr/p.jpg",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    "jar:http://exemple.fr!/p.jpg",
    "view-source:http://exemple.fr/",
    "ws://exemple.fr/",
    "//exemple.fr/p.jpg",
    "/p.jpg",
    "p.jpg",
    "exemple.fr/p.jpg",
    "http:exemple.fr/p.jpg",
    "http:/exemple.fr/p.jpg",
    "http:///p.jpg",
    "http://",
    "",
    "http://exemple.fr:22/",
    "http://exemple.fr:25/",
    "http://exemple.fr:6379/",
    "http://exemple.fr:8080/",
    "https://exemple.fr:8443/",
    "http://exemple.fr:0/",
    "http://exemple.fr:65616/",  # 80 modulo 65,536
    "http://exemple.fr:８０/",
    "http://exemple.fr:80:22/",
    "http://exemple.fr:-80/",
]

DISGUISED = [
    "http://agent@exemple.fr/",
    "http://agent:secret@exemple.fr/",
    "http://@exemple.fr/",
    "http://exemple.fr@127.0.0.1/",
    "http://exemple.fr\\@127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http://127.0.0.1\t/",
    "ht\ntp://exemple.fr/",
    "http://exemple.fr/\r\nHost: interne",
    "http://exemple.fr/\x00.jpg",
    "http://exemple.fr/\x7f.jpg",
    "http://exemple.fr/\x85.jpg",
    "\x01http://exemple.fr/",
    "http://exemple.fr/une photo.jpg",
    "http://exemple.fr/\u2028p.jpg",
    "http://exemple.fr/\u202egpj.exe",
    "http://exemple.fr/\ud800",
    'http://exemple.fr/"onload="alert(1)',
    "http://exemple.fr/<script>",
    "http://[::1/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[v1.a]/",
    "http://[fe80::1%25eth0]/",
    "http://[2001:4860:4860::8888%25eth0]/",
    "http://interne[2001:4860:4860::8888]/",
    "http://[2001:4860:4860::8888]interne/",
    "http://[2001:4860:4860::8888].interne/",
    "http://[[2001:4860:4860::8888]]/",
    "http://exemple.fr℀/",
    "http://exemple.fr／@127.0.0.1/",
]


@pytest.mark.parametrize("url", ACCEPTED)
def test_a_public_web_address_is_kept_as_the_client_wrote_it(url: str) -> None:
    assert check_media_url(url) == url


def test_surrounding_spaces_are_forgiven() -> None:
    assert check_media_url("  https://exemple.fr/p.jpg ") == "https://exemple.fr/p.jpg"


@pytest.mark.parametrize(
    "url", PRIVATE_ADDRESSES + STRANGE_SPELLINGS + LOCAL_NAMES + NOT_WEB + DISGUISED
)
def test_a_hostile_address_is_refused_by_a_sentence_that_names_the_field(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        pytest.fail("a name was looked up or a connection opened")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket, "socket", no_network)
    with pytest.raises(InvalidRequest) as refusal:
        check_media_url(url)
    assert refusal.value.field == "media_url"
    assert refusal.value.message.startswith("Le champ media_url ")


def test_an_address_of_the_longest_length_is_kept_and_one_more_character_refused() -> None:
    url = "https://exemple.fr/".ljust(MAX_LENGTH, "a")
    assert check_media_url(url) == url
    with pytest.raises(InvalidRequest, match="2000 caractères"):
        check_media_url(url + "a")


def test_private_addresses_are_told_as_such() -> None:
    for url in PRIVATE_ADDRESSES:
        with pytest.raises(InvalidRequest, match="privée ou réservée"):
            check_media_url(url)


# --- laws ---

PRIVATE_V4 = st.sampled_from(
    ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
).flatmap(lambda network: st.ip_addresses(network=network))
DIGIT_SETS = ["0123456789", "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "٠١٢٣٤٥٦٧٨٩", "⓪①②③④⑤⑥⑦⑧⑨"]


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A private IPv4 address as 1 to 4 numbers in any base, digits and dots."""
    address = int(draw(PRIVATE_V4))
    heads = draw(st.integers(0, 3))
    numbers = [address >> (24 - 8 * i) & 0xFF for i in range(heads)]
    numbers.append(address & (1 << (32 - 8 * heads)) - 1)
    bases = st.sampled_from(["{}", "0{:o}", "000{:o}", "{:#x}", "{:#X}", "0x00{:x}"])
    dots = st.sampled_from(".。．｡")
    host = str(numbers[0]) if draw(st.booleans()) else draw(bases).format(numbers[0])
    for number in numbers[1:]:
        host += draw(dots) + draw(bases).format(number)
    return host.translate(dict(zip(b"0123456789", draw(st.sampled_from(DIGIT_SETS)), strict=True)))


@given(spellings())
def test_no_spelling_of_a_private_address_passes(host: str) -> None:
    with pytest.raises(InvalidRequest):
        check_media_url(f"http://{host}/p.jpg")


@given(
    st.text(alphabet="0123456789abcdefxX.。．①⑦２:[]%-_ %\u00ad١", max_size=24)
    | st.from_regex(r"\[?[0-9a-f:.]{1,30}\]?", fullmatch=True)
    | st.text(max_size=12)
)
def test_whatever_the_system_reads_as_an_address_passes_only_if_it_is_public(host: str) -> None:
    try:
        check_media_url(f"http://{host}/")
    except InvalidRequest:
        return
    try:
        # No look-up: the C library only reads the text.
        found = socket.getaddrinfo(host.strip("[]"), 80, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    for *_, sockaddr in found:
        assert is_public_address(ipaddress.ip_address(sockaddr[0]))


@given(st.text())
def test_any_text_is_either_kept_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        assert check_media_url(text) == text.strip(" ")


@given(st.ip_addresses(v=4))
def test_an_ipv6_address_that_carries_an_ipv4_one_is_never_public(
    ip: ipaddress.IPv4Address,
) -> None:
    carriers = ["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"]
    carried = [int(ipaddress.IPv6Address(prefix)) | int(ip) for prefix in carriers]
    carried.append(0x2002 << 112 | int(ip) << 80)
    carried.append(0x20010000 << 96 | int(ip))
    assert not any(is_public_address(ipaddress.IPv6Address(number)) for number in carried)


@given(st.ip_addresses())
def test_what_python_calls_special_is_never_public(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = ip.is_private or ip.is_multicast or ip.is_loopback or ip.is_link_local
    assert not (special and is_public_address(ip))


@pytest.mark.parametrize("ip", ["8.8.8.8", "93.184.215.14", "2001:4860:4860::8888", "2a01:e0a::1"])
def test_ordinary_addresses_of_the_internet_are_public(ip: str) -> None:
    assert is_public_address(ipaddress.ip_address(ip))
