"""The catalogue of hostile inputs: id, how it is sent, what the right answer is.

Cases of framing (B10, B11, G7, H7, H8, H11 to H14) are shown through the shipped nginx;
inbound XML (J), consoles and what a worker fetches have tests of their own.
"""

from __future__ import annotations

from pathlib import Path

from tests.http.hostile_images import IMAGES
from tests.http.hostile_senders import (
    Send,
    body,
    bytes_in_path,
    chunked,
    form,
    header,
    listed,
    many_parts,
    nested_multipart,
    other_key,
    parts,
    path,
    raw_multipart,
    too_large,
    whole,
)

OK = 200
PHOTO = (Path(__file__).parents[2] / "fixtures/photos/nid-de-poule.jpg").read_bytes()
MUTE = {"lat": None, "long": None}
SQL = "x'; DROP TABLE service_request; -- \" OR 1=1 \\"
MARKUP = "<script>alert(1)</script><svg onload=x> javascript:x ]]> &x; <!-- {{7*7}} ${7*7} %s%n"
REDOS = "a" * 4000 + "!"
VOLUME = {"service_code": "encombrants-rdv"}

#: id, how it is sent, the right status (0 = 404 or 400), words of the first error.
CASES: list[tuple[str, Send, int, str]] = [
    ("A1 NUL in a text", body("&description=a%00b"), 400, "description"),
    ("A1 NUL in a code", body("&zipcode=%00"), 400, "zipcode"),
    ("A1 NUL in a name of field", body("&a%00b=c"), 400, ""),
    ("A1 NUL in an attribute", body("&attribute[A]=%00"), 400, "attribute[A]"),
    ("A1 NUL in the query", listed("q=%00"), 400, "q"),
    ("A2 VT and ESC", form(description="a\x0b\x1b[31mb"), OK, ""),
    ("A3 U+FFFE, U+FFFF", form(description="a\ufffe\uffff"), OK, ""),
    ("A3 a lone surrogate in UTF-8", body(b"&description=%ED%A0%80"), OK, ""),
    ("A4 undefined in both", body("&description=%81%8D"), 400, "description"),
    ("A4 %E9 alone", body("&description=%E9t%E9"), OK, ""),
    ("A4 %FF in the query", listed("q=%FF"), 400, "q"),
    ("A6 overlong, in the query", listed("q=%C0%AF"), 400, "q"),
    ("A6 overlong, in a body", body("&description=%C0%AF"), OK, ""),
    (
        "A7 labelled ISO-8859-1",
        body(
            "&description=%C3%A9",
            content_type="application/x-www-form-urlencoded; charset=ISO-8859-1",
        ),
        OK,
        "",
    ),
    ("A7 a UTF-16 mark", body("&description=%FF%FEa%00"), 400, "description"),
    (
        "A7 a UTF-16 body",
        whole("service_code=proprete".encode("utf-16"), "application/x-www-form-urlencoded"),
        400,
        "",
    ),
    ("A9 a broken escape", body("&description=100%zz%"), OK, ""),
    ("A11 4,000 emoji", form(description="😀" * 4000), OK, ""),
    ("A11 4,001 emoji", form(description="😀" * 4001), 400, "description"),
    ("A12 bidi in a name", form(last_name="\u202eabc\u200b", address_string="\u202ex"), OK, ""),
    ("A13 full width code", form(service_code="ｐｒｏｐｒｅｔｅ"), 404, "service_code"),
    ("A13 Cyrillic code", form(service_code="pr\u043eprete"), 404, "service_code"),
    ("A13 full width id", path("/requests/%EF%BC%91"), 404, "service_request_id"),
    ("A15 Turkish I", form(email="İı@exemple.fr", first_name="İ"), OK, ""),
    ("B1 4,000 characters", form(description="a" * 4000), OK, ""),
    ("B1 4,001 characters", form(description="a" * 4001), 400, "description"),
    ("B2 600 kB", form(description="a" * 600_000), 400, "description"),
    ("B3 over the limit", too_large, 413, ""),
    ("B4 60,000 fields", body("&a=b" * 60_000), 400, "500"),
    ("B4 60,000 parameters", listed("a=b&" * 15_000), 400, "1000"),
    ("B6 e-mail", form(email="a" * 10_000), 400, "email"),
    ("B6 phone", form(phone="1" * 1000), 400, "phone"),
    ("B6 names", form(first_name="a" * 5000), 400, "first_name"),
    ("B6 address", form(address_string="a" * 100_000), 400, "address_string"),
    ("B6 device", form(device_id="a" * 10_000), 400, "device_id"),
    (
        "B8 the server's fields",
        form(status="closed", service_request_id="1", is_public="0"),
        OK,
        "",
    ),
    ("B12 a long Idempotency-Key", header(HTTP_IDEMPOTENCY_KEY="a" * 7000), 400, "Idempotency-Key"),
    ("B12 control characters", header(HTTP_IDEMPOTENCY_KEY="a\x01b"), 400, "Idempotency-Key"),
    ("B12 a space", header(HTTP_IDEMPOTENCY_KEY="a b"), 400, "Idempotency-Key"),
    ("B12 not ASCII", header(HTTP_IDEMPOTENCY_KEY="\xe9"), 400, "Idempotency-Key"),
    ("B12 an empty one", header(HTTP_IDEMPOTENCY_KEY=""), 400, "Idempotency-Key"),
    ("B14 an empty body", lambda end, suffix: end.post_raw(b"", suffix), 0, ""),
    ("C1 two codes", body("&service_code=animal"), 400, "service_code"),
    ("C2 two lat", body("&lat=48.9"), 400, "lat"),
    ("C2 two jurisdictions", body("&jurisdiction_id=a&jurisdiction_id=b"), 400, "jurisdiction_id"),
    ("C4 two keys, the first right", other_key("wrong"), 403, "api_key"),
    *(
        (f"D1 {value}", form(lat=value), 400, "lat")
        for value in ("NaN", "inf", "-inf", "1e400", "Infinity", "1e5")
    ),
    *(
        (f"D2 {value}", form(lat=value), 400, "lat")
        for value in ("0x30", "1_0", "٤٨", "4 8", "48°")
    ),
    ("D4 lat=91", form(lat="91"), 400, "lat"),
    ("D4 long=181", form(long="181"), 400, "long"),
    ("D6 Lambert-93", form(lat="6863000", long="652000"), 400, "Lambert-93"),
    ("D7 0,0", form(lat="0", long="0"), 400, "hors du territoire"),
    ("D8 half a place", form(long=None), 400, "long"),
    ("D9 an address alone", form(lat="", long="", address_string="ici"), OK, ""),
    ("D11 a neighbour's place", form(lat="48.8370", long="2.4830"), 400, "Nogent-sur-Marne"),
    ("D13 a long address_id", form(address_id="9" * 30), OK, ""),
    ("D14 1e999", form(**VOLUME, **{"attribute[VOLUME_M3]": "1e999"}), 400, "VOLUME_M3"),
    ("D14 --5", form(**VOLUME, **{"attribute[VOLUME_M3]": "--5"}), 400, "VOLUME_M3"),
    *(
        (f"E {value}", listed(f"start_date={value}"), 400, "start_date")
        for value in (
            *("hier", "0000-00-00", "2026-13-01", "2026-02-30", "10000-01-01", "-0001-01-01"),
            *("2026-06-30T23:59:60Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00%2B99:99"),
        )
    ),
    ("E2 no zone", listed("start_date=2026-11-01T08:00:00"), OK, ""),
    ("E3 a lost plus", listed("start_date=2026-11-01T08:00:00+01:00"), OK, ""),
    ("E5 the first year", listed("end_date=0001-01-01"), OK, ""),
    ("E5 the last year", listed("start_date=9999-12-31"), OK, ""),
    ("E5 before the first year", listed("start_date=0001-01-01T00:00:00%2B14:00"), 400, ""),
    ("E5 both ends of time", listed("updated_after=0001-01-02&updated_before=9999-12-31"), OK, ""),
    (
        "E5 updates",
        listed("start_date=0001-01-02&end_date=9999-12-31", "/servicerequestupdates"),
        OK,
        "",
    ),
    ("E5 updates to year 1", listed("end_date=0001-01-01", "/servicerequestupdates"), OK, ""),
    ("E9 reversed", listed("start_date=2026-11-02&end_date=2026-11-01"), 400, "start_date"),
    (
        "E9 updates reversed",
        listed("start_date=2026-11-02&end_date=2026-11-01", "/servicerequestupdates"),
        400,
        "start_date",
    ),
    ("E10 91 days", listed("start_date=2026-01-01&end_date=2026-04-02"), 400, "start_date"),
    ("E10 100 years", listed("start_date=1926-01-01&end_date=2026-01-01"), 400, "start_date"),
    ("F1 page=0", listed("page=0"), OK, ""),
    ("F1 page=-1", listed("page=-1"), 400, "page"),
    ("F2 a page of 20 digits", listed("page=99999999999999999999"), 400, "page"),
    ("F3 beyond the end", listed("page=1000&page_size=10"), OK, ""),
    ("F4 page_size=-1", listed("page_size=-1"), 400, "page_size"),
    ("F6 Arabic page", listed("page=%D9%A3"), 400, "page"),
    ("F7 800 ids", listed("service_request_id=" + ",".join(map(str, range(800)))), OK, ""),
    ("F7 20,000 ids", listed("service_request_id=" + "1,2," * 10_000), OK, ""),
    ("F10 odd ids", listed("service_request_id=1,x,-1,99999999999999999999,%27"), OK, ""),
    (
        "F11 5,000 statuses",
        listed("status=" + ",".join(f"s{n}" for n in range(5000))),
        400,
        "status",
    ),
    ("F11 5,000 times status", listed("status=open&" * 5000), 400, ""),
    ("F11 SQL in status", listed("status=open;drop"), 400, "status"),
    ("F a cursor beyond", listed("cursor=9.999999999999999999.999999999999999999"), OK, ""),
    ("F an odd cursor", listed("cursor=-1"), 400, "cursor"),
    ("F a box of NaN", listed("bbox=NaN,NaN,NaN,NaN"), 400, "bbox"),
    ("F the whole world", listed("bbox=-180,-90,180,90"), OK, ""),
    ("F the pole", listed("lat=90&long=180&radius=50000"), OK, ""),
    ("F a thousand words", listed("q=" + "a%20" * 49), OK, ""),
    ("F wildcards", listed("q=%25_%5C%27"), OK, ""),
    ("G2 no suffix", lambda end, suffix: end.world.client.get(f"{end.base}/requests"), 404, ""),
    ("G4 climbing", path("/requests.%2e%2e%2fetc%2fpasswd"), 404, ""),
    ("G4 climbing out", path("/../../etc/passwd"), 404, ""),
    ("G4 climbing in an id", path("/requests/..%2f..%2fetc%2fpasswd"), 404, ""),
    ("G6 a header in an id", path("/requests/1%0d%0aSet-Cookie:%20a=b"), 404, ""),
    ("G6 a header in a token", path("/tokens/%0d%0aSet-Cookie:%20a=b"), 404, ""),
    ("G NUL in an id", path("/requests/%00"), 404, ""),
    ("G NUL in a token", path("/tokens/%00"), 404, ""),
    ("G NUL in a code", path("/services/%00"), 404, ""),
    ("G controls in a code", path("/services/%0b%1b%EF%BF%BE"), 404, ""),
    ("G not UTF-8 in a code", path("/services/%FF%FE"), 404, ""),
    ("G not UTF-8 in a jurisdiction", bytes_in_path(b"/open311/\xff\xfe/v2"), 404, ""),
    ("G NUL in a jurisdiction", bytes_in_path(b"/open311/\x00\x0b/v2"), 404, ""),
    ("G a code of 5 kB", path("/services/" + "a" * 5000), 404, ""),
    ("G an SQL token", path("/tokens/'%20OR%201=1--"), 404, ""),
    ("H1 JSON", whole(b'{"service_code": "proprete"}', "application/json"), 415, "Content-Type"),
    ("H1 XML", whole(b"<request/>", "text/xml"), 415, "Content-Type"),
    ("H2 no Content-Type", whole(b"service_code=proprete", None), 400, "Content-Type"),
    ("H3 no boundary", raw_multipart(b"--b--", "multipart/form-data"), 400, "boundary"),
    (
        "H3 truncated",
        raw_multipart(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'),
        400,
        "",
    ),
    ("H3 another boundary", raw_multipart(b"--c\r\n\r\n--c--"), 400, ""),
    ("H4 5,000 parts", raw_multipart(many_parts(5000)), 413, ""),
    ("H4 nested", raw_multipart(nested_multipart()), 413, ""),
    ("H5 a climbing file name", parts(PHOTO, name="../../x.jpg"), OK, ""),
    ("H5 NUL in a file name", parts(PHOTO, name="a\x00b.jpg"), OK, ""),
    ("H5 a file name of 10 kB", parts(PHOTO, name="a" * 10_000), OK, ""),
    ("H5 a command as file name", parts(PHOTO, name="$(id)`id`;-oProxyCommand=x.jpg"), OK, ""),
    ("H9 chunked", chunked, OK, ""),
    (
        "H16 TRACE",
        lambda end, suffix: end.world.client.open(f"{end.base}/requests.{suffix}", method="TRACE"),
        405,
        "",
    ),
    ("H17 another method in a header", header(HTTP_X_HTTP_METHOD_OVERRIDE="DELETE"), OK, ""),
    ("H17 another address in a header", header(HTTP_X_ORIGINAL_URL="/admin"), OK, ""),
    (
        "H an odd If-None-Match",
        lambda end, suffix: end.get("/services", suffix, headers={"If-None-Match": '"é,,W/'}),
        OK,
        "",
    ),
    (
        "H odd Accept headers",
        lambda end, suffix: end.get(
            "/services",
            suffix,
            headers={"Accept-Language": ";q=x,,*;q=9", "Accept-Encoding": ";;,q=1"},
        ),
        OK,
        "",
    ),
    (
        "I1 SQL in every text",
        form(
            description=SQL,
            title=SQL,
            address_string=SQL,
            first_name=SQL,
            device_id=SQL,
            **{"attribute[X]": SQL},
        ),
        OK,
        "",
    ),
    ("I1 SQL in a code", form(service_code=SQL), 404, "service_code"),
    (
        "I1 SQL in filters",
        listed("service_code=%27%20OR%201=1--&q=%27;--&agency_responsible=%27"),
        OK,
        "",
    ),
    ("I1 SQL in a key", form(api_key=SQL), 403, "api_key"),
    ("I3 LDAP, XPath", form(description="*)(uid=*))(|(uid=* ' or '1'='1"), OK, ""),
    ("I4 to I6 markup and templates", form(description=MARKUP, title=MARKUP), OK, ""),
    ("I7 formulas", form(description="=HYPERLINK(1)", title="@SUM(1)"), OK, ""),
    ("I8 line ends in a key", form(api_key="a\r\nb\x1b[0m"), 403, "api_key"),
    ("I8 escapes in a user agent", header(HTTP_USER_AGENT="a\x1b[31m\r\nb"), OK, ""),
    *(
        (f"I11 {name}", form(**{name: REDOS}), status, named)
        for name, status, named in (
            ("lat", 400, "lat"),
            ("email", 400, "email"),
            ("attribute[X]", OK, ""),
            ("media_url", 400, "media_url"),
        )
    ),
    ("I11 a date", listed("start_date=" + "2026-" * 1000), 400, "start_date"),
    ("I11 brackets", body("&" + "attribute[" * 400 + "=x"), OK, ""),
    *(
        (f"K {url}", form(media_url=url), 400, "media_url")
        for url in (
            *("http://169.254.169.254/latest/meta-data", "http://127.0.0.1/x", "http://10.1.2.3/"),
            *("http://100.64.0.1/", "http://[::1]/", "http://[fe80::1]/", "http://localhost/"),
            *("http://[::ffff:127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/"),
            *("http://[2002:7f00:1::]/", "http://2130706433/", "http://0x7f000001/"),
            *("http://0177.0.0.1/", "http://127.1/", "http://①②⑦.0.0.1/", "http://127。0。0。1/"),
            *("file:///etc/passwd", "gopher://a/", "ftp://a.fr/x", "data:image/png;base64,AA=="),
            *("javascript:alert(1)", "http://a.example:22/", "http://a.example:6379/", "http://"),
        )
    ),
    *((f"K {name}", parts(image), status, "media") for name, image, status in IMAGES),
    ("K14 a fifth photo", parts(*[PHOTO] * 5), 400, "media"),
    ("K14 a photo of 11 MB", parts(b"\xff\xd8" + b"a" * (11 * 2**20)), 413, "media"),
    ("L1 no key", form(api_key=None), 403, "api_key"),
    ("L3 an unknown jurisdiction", form(jurisdiction_id="atlantis"), 404, "jurisdiction_id"),
    ("L5 a wrong key and code", form(api_key="x", service_code="x"), 403, "api_key"),
]
