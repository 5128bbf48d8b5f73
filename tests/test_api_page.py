import gzip
import hashlib
import json
import re
from html import unescape

import pytest

from endpoint.api.page import FOLDER
from tests.api_support import StandIn, assert_error, client_of
from tests.jobs_memory import memory_jobs

HTML = {"accept": "text/html,*/*"}
SCRIPTS = sorted(path for path in FOLDER.rglob("*.js") if "vendor" not in path.parts)


def about(page: str) -> dict[str, object]:
    found = re.search(r'<meta name="server" content="([^"]*)">', page)
    assert found
    return json.loads(unescape(found[1]))


async def test_every_document_has_a_nonce_of_its_own_and_runs_nothing_else():
    async with client_of(StandIn()) as client:
        pages = [await client.get("/", headers=HTML) for _ in range(2)]
    nonces = [re.findall(r'nonce="([^"]*)"', page.text) for page in pages]
    assert all(len(set(found)) == 1 for found in nonces)
    assert nonces[0][0] != nonces[1][0]
    policy = dict(part.strip().split(" ", 1) for part in pages[0].headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'nonce-{nonces[0][0]}' 'strict-dynamic'"
    assert policy["style-src"] == f"'nonce-{nonces[0][0]}'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert pages[0].headers["cache-control"] == "no-store"
    assert pages[0].headers["x-content-type-options"] == "nosniff"
    assert pages[0].headers["referrer-policy"] == "no-referrer"


async def test_scripts_and_styles_of_the_document_carry_the_nonce_and_are_files_of_this_server():
    async with client_of(StandIn()) as client:
        page = (await client.get("/", headers=HTML)).text
        tags = re.findall(r"<(?:script|link)[^>]*>", page)
        for tag in tags:
            address = re.search(r'(?:src|href)="([^"]*)"', tag)
            assert address, tag
            assert address[1].startswith("/page/")
            assert (await client.get(address[1])).status_code == 200, tag
            assert 'rel="icon"' in tag or 'nonce="' in tag
    assert "<script>" not in page
    assert not re.search(r"\son\w+=|style=", page)


async def test_the_document_knows_the_server():
    async with client_of(StandIn(), jobs=memory_jobs(), max_upload_mb=7, api_key="k" * 20) as client:
        found = about((await client.get("/", headers=HTML)).text)
    assert found["keys"] is True
    assert found["jobs"] is True
    assert found["managesKeys"] is False
    assert found["maxUploadMb"] == 7
    assert found["languages"]["cy"] == "welsh"


async def test_settings_are_text_in_the_document():
    words = {'"><script>alert(1)</script>': {"words": ["a"]}}
    async with client_of(StandIn(), vocabularies=words) as client:
        page = (await client.get("/", headers=HTML)).text
    assert "<script>" not in page
    assert about(page)["vocabularies"] == ['"><script>alert(1)</script>']


async def test_files_are_kept_until_they_change():
    async with client_of(StandIn()) as client:
        first = await client.get("/page/main.js", headers={"accept-encoding": "identity"})
        assert first.content == (FOLDER / "main.js").read_bytes()
        assert first.headers["content-type"].startswith("text/javascript")
        assert first.headers["cache-control"] == "no-cache"
        again = await client.get(
            "/page/main.js", headers={"accept-encoding": "", "if-none-match": first.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        small = await client.get("/page/main.js", headers={"accept-encoding": "gzip"})
        assert small.headers["content-encoding"] == "gzip"
        assert small.content == first.content
        assert small.headers["etag"] != first.headers["etag"]
        assert len(gzip.compress(first.content)) < len(first.content)


@pytest.mark.parametrize(
    "path", ["/page/", "/page/none.js", "/page/../config.py", "/page/%2e%2e/config.py", "/page/index.html"]
)
async def test_there_are_no_other_files(path: str):
    async with client_of(StandIn()) as client:
        assert (await client.get(path)).status_code == 404


async def test_files_are_only_read():
    async with client_of(StandIn()) as client:
        assert (await client.post("/page/main.js")).status_code == 405
        assert (await client.head("/page/main.js")).status_code == 200


async def test_without_the_page_its_files_are_not_there():
    async with client_of(StandIn(), page=False) as client:
        assert (await client.get("/page/main.js")).status_code == 404
        assert "/page/" not in (await client.get("/", headers=HTML)).text


async def test_programs_get_json_at_the_root():
    async with client_of(StandIn()) as client:
        assert (await client.get("/")).json()["docs"] == "/docs"


async def test_the_caller_and_its_scopes():
    async with client_of(StandIn()) as client:
        found = (await client.get("/v1/caller")).json()
    assert found == {
        "object": "caller", "id": "anonymous", "name": "", "scopes": ["admin", "jobs", "realtime", "transcribe"],
    }  # fmt: skip
    async with client_of(StandIn(), api_key="k" * 20) as client:
        assert_error(await client.get("/v1/caller"), 401, "invalid_api_key")
        found = (await client.get("/v1/caller", headers={"authorization": f"Bearer {'k' * 20}"})).json()
    assert found["scopes"] == ["jobs", "realtime", "transcribe"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_text_becomes_markup_or_code(path):
    """`dom.js` makes elements of text nodes; whatever parses markup or code is not used."""
    source = path.read_text(encoding="utf-8")
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b"
    assert not re.search(rf"{ways}|new Function|setTimeout\(\s*[\"'`]|javascript:", source)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.*")), ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_files_are_short_and_name_no_other_host(path):
    if "vendor" in path.parts:
        return
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 350
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg|example\.org/)", source)


def test_scripts_of_others_are_what_their_authors_published():
    sources = json.loads((FOLDER / "vendor" / "sources.json").read_text())
    assert {path.name for path in (FOLDER / "vendor").glob("*.js")} == set(sources)
    for name, source in sources.items():
        assert hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == source["sha256"], name
        assert "Copyright" in (FOLDER / "vendor" / source["licence_file"]).read_text()


def test_the_page_weighs_less_than_400_kb():
    """All of it, also what most people never open; without audio."""
    files = [path for path in FOLDER.rglob("*.*") if path.suffix in (".js", ".css", ".svg", ".html")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 400_000
