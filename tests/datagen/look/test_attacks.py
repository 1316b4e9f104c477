"""Attacks on the local server: other sites, other users of the machine, and hostile content of a run."""

import asyncio
import json
import re

import pytest

from datagen.look.guard import POLICY
from datagen.look.server import HOST, Browser
from datagen.run.folder import open_run
from datagen.stages.confidence.labels import file
from tests.datagen.look.test_server import status, with_client
from tests.support import finished

FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(finished.write(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """The file of labels of `served`, which no attack creates."""
    return tmp_path_factory.mktemp("labels") / "labels.jsonl"


@pytest.fixture(scope="module")
def served(run, labels):
    served = Browser(run, labels, 12)
    yield served
    served.close()


@pytest.fixture
def editable(run, tmp_path):
    editable = Browser(run, tmp_path / "labels.jsonl", 12)
    yield editable
    editable.close()


def attack(served, work):
    """Run `work` with a client that has the cookie of a user who opened the page."""

    async def opened(client, guard, address):
        await status(client, f"/?token={guard.token}")
        return await work(client, guard, address)

    return with_client(served, opened)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",  # DNS rebinding: a foreign name that resolves to this machine
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "127.0.0.1@evil.example:{port}",
        "127.0.0.1",  # another port of this machine
        "127.0.0.1:1",
        "0.0.0.0:{port}",
        "[::1]:{port}",
        "LOCALHOST.:{port}",
        "",
    ],
)
def test_a_request_for_another_host_is_rejected_with_a_valid_cookie(served, host):
    async def work(client, _, address):
        name = host.replace("{port}", address.rpartition(":")[2])
        for path in ("/", "/api/rows", "/api/queue", f"/api/row/{finished.row(3)['id']}"):
            async with client.get(path, headers={"Host": name}) as response:
                assert response.status in (400, 421)
                assert finished.row(3)["id"] not in await response.text()

    attack(served, work)


@pytest.mark.parametrize("origin", [FOREIGN, "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://"])
def test_a_request_from_another_origin_is_rejected_with_a_valid_cookie(served, origin, labels):
    async def work(client, _, address):
        for path in ("/", "/api/rows", "/api/label", "/api/edit"):
            for method in ("get", "post", "put", "delete", "options", "patch", "head"):
                async with client.request(method, path, headers={"Origin": origin}) as response:
                    assert response.status == 403
                    assert "Access-Control-Allow-Origin" not in response.headers

    attack(served, work)
    assert not labels.exists()


def test_a_form_of_another_site_writes_nothing(served, labels):
    """A form sends simple requests without preflight, and browsers add its origin."""

    async def work(client, _, address):
        body = json.dumps({"id": finished.row(3)["id"], "verdict": "right"})
        for headers in (
            {"Content-Type": "text/plain", "Origin": FOREIGN},
            {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"},
            {"Content-Type": "application/json"},  # no origin at all
            {"Content-Type": "application/json", "Referer": address},
        ):
            for path in ("/api/label", "/api/edit"):
                async with client.post(path, data=body, headers=headers) as response:
                    assert response.status == 403

    attack(served, work)
    assert not labels.exists()


@pytest.mark.parametrize("path", ["/api/label", "/api/edit", "/api/rows", "/api/nothing", "/"])
def test_nothing_is_answered_without_the_token(served, path):
    async def work(client, guard, address):
        for value in ("", "x", guard.token[:-1], guard.token + "x", guard.token.swapcase(), "é"):
            for cookies in ({}, {guard._cookie: value}):
                client.session.cookie_jar.clear()
                headers = {"Origin": address} | (
                    {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())} if cookies else {}
                )
                for method in ("get", "post"):
                    async with client.request(method, path, headers=headers) as response:
                        assert response.status == 403 and guard.token not in await response.text()

    with_client(served, work)


def test_the_cookie_of_another_server_of_this_machine_is_no_key(served):
    async def work(client, guard, _):
        client.session.cookie_jar.clear()
        assert await status(client, "/api/rows", Cookie=f"datagen-1={guard.token}") == 403

    with_client(served, work)


def test_the_token_does_not_stay_in_the_address_or_leave_the_page(served):
    async def work(client, guard, _):
        async with client.get(f"/?token={guard.token}", allow_redirects=False) as response:
            assert response.status == 303 and guard.token not in response.headers["Location"]
            assert response.headers["Referrer-Policy"] == "no-referrer"
        for path in ("/", "/api/rows", "/api/queue"):
            async with client.get(path) as response:
                assert guard.token not in await response.text()
        async with client.get(f"/api/rows?token={guard.token}", allow_redirects=False) as response:
            assert response.headers["Location"] == "/"  # no redirection to an address of the attacker

    with_client(served, work)


def test_every_answer_forbids_framing_sniffing_and_foreign_content(served):
    async def work(client, guard, address):
        for path in ("/", "/api/rows", "/api/row/nothing", "/nothing", "/api/label", "/..%2f..%2fetc/passwd"):
            async with client.get(path) as response:
                policy = response.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert response.headers["Cache-Control"] == "no-store"

    attack(served, work)
    assert "unsafe" not in POLICY and "connect-src 'self'" in POLICY


def test_hostile_content_is_not_markup_in_the_page_or_the_answers(served):
    async def work(client, _, __):
        async with client.get("/") as response:
            page = await response.text()
        assert "<img" not in page and "<script>" not in re.sub(
            r'<script type="application/json".*?</script>', "", page, flags=re.S
        )
        data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)[1]
        assert "<" not in data and finished.EVIL in json.loads(data)["recipe"]
        for path in ("/api/rows", f"/api/row/{finished.row(0)['id']}", "/api/rows?score=<script>"):
            async with client.get(path) as response:
                assert response.content_type == "application/json"

    attack(served, work)


@pytest.mark.parametrize(
    "query",
    [
        "text=' or 1=1 --",
        "text=%25",
        "stage=' union select * from groups --",
        "reason='; drop table rows; --",
        "source=\\'",
        "verdict=right' or '1'='1",
        "edit=edited' or '1'='1",
    ],
)
def test_a_query_cannot_inject_sql(served, query):
    async def work(client, _, __):
        async with client.get("/api/rows?" + query) as response:
            assert response.status == 200 and (await response.json())["total"] == 0
        async with client.get("/api/rows") as response:
            assert (await response.json())["total"] == finished.ROWS + 3

    attack(served, work)


@pytest.mark.parametrize(
    "query", ["score=s0", "score=words&min=nan", "score=words)--", "order=low;drop", "page=-1", "page=1e30"]
)
def test_an_odd_query_is_refused_or_harmless(served, query):
    async def work(client, _, __):
        async with client.get("/api/rows?" + query) as response:
            assert response.status in (200, 400)
            assert response.status == 200 or (await response.json())["error"]

    attack(served, work)


def test_the_database_reads_no_file_of_the_machine(served, tmp_path):
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    for sql in (
        f"select * from '{tmp_path}/secret.csv'",
        f"attach '{tmp_path}/x.duckdb' as other",
        "install httpfs",
    ):
        with pytest.raises(Exception, match=r"disabled|permission|not allowed"):
            served._index.cursor().execute(sql)


@pytest.mark.parametrize("name", ["..%2F..%2Fetc%2Fpasswd", "%00", "' or true --", "%ff", "*", "x" * 3000])
def test_the_name_of_a_row_is_no_path_and_no_pattern(served, name):
    async def work(client, _, __):
        async with client.get(f"/api/row/{name}") as response:
            assert response.status in (400, 404, 414)

    attack(served, work)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"id"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"id": "x", "verdict": "right"',
        json.dumps({"id": {"$ne": ""}, "verdict": "right", "edit": {"answer": "x"}}).encode(),
        json.dumps({"id": "../../labels", "verdict": "right", "edit": {"answer": "x"}}).encode(),
        json.dumps({"id": "x", "verdict": ["right"], "edit": ["x"]}).encode(),
        json.dumps({"id": "x" * 10**5, "verdict": "r" * 10**5, "edit": {"y": "x"}}).encode(),
    ],
)
def test_an_odd_body_is_refused_and_changes_no_file(served, body, labels):
    async def work(client, _, address):
        for path in ("/api/label", "/api/edit"):
            async with client.post(path, data=body, headers={"Origin": address}) as response:
                assert response.status == 400 and (await response.json())["error"]

    attack(served, work)
    assert not labels.exists()


def test_a_huge_body_is_refused(served, labels):
    async def work(client, _, address):
        async with client.post("/api/edit", data=b"x" * 3_000_000, headers={"Origin": address}) as response:
            assert response.status == 413 and "Content-Security-Policy" in response.headers

    attack(served, work)
    assert not labels.exists()


def test_hostile_text_of_an_edit_is_stored_and_returned_as_text(editable, tmp_path):
    text = finished.EVIL + '\u2028\n{"id": "forged", "verdict": "right"}\n'

    async def work(client, _, address):
        name = finished.row(3)["id"]
        body = {"id": name, "edit": {"answer": text}}
        async with client.post("/api/edit", json=body, headers={"Origin": address}) as response:
            assert response.status == 200
        async with client.get(f"/api/row/{name}") as response:
            assert (await response.json())["edit"] == {"answer": text}

    attack(editable, work)
    [label] = file.read(tmp_path / "labels.jsonl")  # one line: a line end cannot forge a second label
    assert label["edit"] == {"answer": text}


@pytest.mark.slow
def test_simultaneous_verdicts_and_edits_lose_nothing(editable, tmp_path):
    names = [finished.row(n)["id"] for n in range(2, 40)]

    async def work(client, _, address):
        async def edit(name):
            body = {"id": name, "edit": {"answer": f"at {name[:4]}"}}
            async with client.post("/api/edit", json=body, headers={"Origin": address}) as response:
                assert response.status == 200

        await asyncio.gather(*map(edit, names))

    attack(editable, work)
    assert {label["id"] for label in file.read(tmp_path / "labels.jsonl")} == set(names)


def test_the_server_listens_on_the_loopback_interface_only():
    assert HOST == "127.0.0.1"
