"""The local server: access control, responses, and the file of labels."""

import asyncio
import json
import re
import threading
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer

from datagen.look.guard import Guard
from datagen.look.server import Browser
from datagen.run.folder import open_run
from datagen.stages.confidence.labels import file
from tests.support import finished


@pytest.fixture
def browser(tmp_path):
    browser = Browser(open_run(finished.write(tmp_path / "run")), tmp_path / "labels.jsonl", 12)
    yield browser
    browser.close()


def with_client(browser, work):
    """Run `work` with a client of the server, its guard and its address."""

    async def serve():
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            guard = Guard(port)
            server = TestServer(browser.app(guard), port=port)
            listening.close()
            async with TestClient(server) as client:
                return await work(client, guard, f"http://127.0.0.1:{port}")

    return asyncio.run(serve())


async def status(client, path, **headers):
    async with client.get(path, headers=headers, allow_redirects=False) as response:
        return response.status


def test_only_requests_with_the_token_are_answered(browser):
    async def work(client, guard, _):
        assert await status(client, "/") == 403
        assert await status(client, "/api/rows") == 403
        assert await status(client, "/api/rows?token=") == 403
        assert await status(client, f"/?token={guard.token[:-1]}") == 403
        async with client.get(f"/?token={guard.token}", allow_redirects=False) as response:
            assert response.status == 303 and response.headers["Location"] == "/"
            cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        assert await status(client, "/") == 200  # by the cookie

    with_client(browser, work)


def test_other_hosts_and_origins_are_rejected(browser):
    async def work(client, guard, address):
        await status(client, f"/?token={guard.token}")
        assert await status(client, "/api/rows", Host="evil.example") == 421
        assert await status(client, "/api/rows", Origin="http://evil.example") == 403
        assert await status(client, "/api/rows", Origin=address) == 200
        for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
            async with client.post("/api/label", json={}, headers=headers) as response:
                assert response.status == 403

    with_client(browser, work)


def test_the_page_runs_only_its_own_script(browser):
    async def work(client, guard, _):
        async with client.get(f"/?token={guard.token}") as response:
            policy, page = response.headers["Content-Security-Policy"], await response.text()
        nonce = re.search(r"script-src 'nonce-([^']+)'", policy)[1]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert set(re.findall(r'<(?:script|style)[^>]*nonce="([^"]+)"', page)) == {nonce}
        assert page.count("<script") == 2 and "<script>alert" not in page
        async with client.get("/") as response:
            assert nonce not in response.headers["Content-Security-Policy"]

    with_client(browser, work)


def test_verdicts_are_written_in_the_order_of_the_sample(browser, tmp_path):
    async def work(client, guard, address):
        await status(client, f"/?token={guard.token}")

        async def give(**body):
            async with client.post("/api/label", json=body, headers={"Origin": address}) as response:
                return response.status, await response.json()

        async def queue():
            async with client.get("/api/queue") as response:
                return await response.json()

        first = await queue()
        assert first["drawn"] == 12 and first["judged"] == 0
        assert (await give(id=first["next"][0], verdict="right"))[0] == 200
        assert (await queue())["next"][0] == first["next"][1]
        assert (await give(id=first["next"][0], verdict="wrong"))[0] == 200  # changed
        (label,) = file.read(tmp_path / "labels.jsonl")
        assert (label["id"], label["verdict"]) == (first["next"][0], "wrong") and label["question"]
        file.write([label, {"id": "other", "verdict": "skip"}], tmp_path / "labels.jsonl")
        await give(id=first["next"][1], verdict="right")
        assert [entry["id"] for entry in file.read(tmp_path / "labels.jsonl")] == [
            label["id"],
            "other",
            first["next"][1],
        ]
        async with client.get("/api/rows?verdict=wrong") as response:
            assert [row[0] for row in (await response.json())["rows"]] == [label["id"]]
        for body in (
            {"id": "nothing", "verdict": "perhaps"},
            {"id": "nothing", "verdict": "right"},
            {"id": 3},
            {},
        ):
            assert (await give(**body))[0] == 400

    with_client(browser, work)


def test_a_row_of_the_check_cannot_be_judged_before_its_turn(browser):
    judging = browser._judging
    turn = set(judging.queue()["next"])
    checks = [row for row in map(finished.row, range(2, 40)) if not judging.may_judge(row["id"])]
    assert 15 < len(checks) < 38 and not turn & {row["id"] for row in checks}
    with pytest.raises(Exception, match="cannot be judged yet"):
        judging.judge(checks[0]["id"], "right")
    assert judging.verdicts() == {}


def test_an_edit_is_written_with_what_the_next_run_needs(browser, tmp_path):
    async def work(client, guard, address):
        await status(client, f"/?token={guard.token}")

        async def edit(**body):
            async with client.post("/api/edit", json=body, headers={"Origin": address}) as response:
                return response.status, await response.json()

        async def get(path):
            async with client.get(path) as response:
                return await response.json()

        teach = next(row for n in range(2, 40) if browser._judging.may_judge((row := finished.row(n))["id"]))
        turn = set((await get("/api/queue"))["next"])
        later = next(
            row
            for n in range(2, 40)
            if not browser._judging.may_judge((row := finished.row(n))["id"]) and row["id"] not in turn
        )
        shown = await get(f"/api/row/{teach['id']}")
        assert shown["editable"] == ["question", "answer"] and shown["edit"] == {}
        code, label = await edit(id=teach["id"], edit={"question": teach["question"], "answer": "at 12"})
        assert code == 200 and label["edit"] == {"answer": "at 12"} and label["verdict"] == "wrong"
        assert label["original"] == {"answer": "at noon"} and label["answer"] == "at noon"
        assert label["document_id"] == teach["lineage"]["document_id"]
        assert {"grounding", "words", "confidence"} <= set(label["scores"])
        assert (await edit(id=later["id"], edit={"answer": "at 12"}))[0] == 200
        labels = {entry["id"]: entry for entry in file.read(tmp_path / "labels.jsonl")}
        assert "verdict" not in labels[later["id"]]  # not its turn in the sample
        edited = await get("/api/rows?edit=edited")
        assert {row[0] for row in edited["rows"]} == {teach["id"], later["id"]}
        async with client.post(
            "/api/label", json={"id": teach["id"], "verdict": "right"}, headers={"Origin": address}
        ) as response:
            assert response.status == 200
        [kept] = [entry for entry in file.read(tmp_path / "labels.jsonl") if entry["id"] == teach["id"]]
        assert (kept["verdict"], kept["edit"]) == ("right", {"answer": "at 12"})
        assert (await get(f"/api/row/{teach['id']}"))["edit"] == {"answer": "at 12"}
        assert (await edit(id=teach["id"], edit={}))[0] == 200
        assert (await get(f"/api/row/{teach['id']}"))["edit"] == {}
        made_dropped = finished.row(finished.ROWS)["id"]
        assert (await get(f"/api/row/{made_dropped}"))["editable"] == []
        before = (tmp_path / "labels.jsonl").read_bytes()
        for body in (
            {"id": made_dropped, "edit": {"answer": "x"}},
            {"id": "nothing", "edit": {"answer": "x"}},
            {"id": later["id"], "edit": {"answer": "at noon"}},
            {"id": later["id"], "edit": {"answer": " "}},
            {"id": later["id"], "edit": {"answer": 5}},
            {"id": later["id"], "edit": {"text": "x"}},
            {"id": later["id"], "edit": {"evidence": "x"}},
            {"id": later["id"], "edit": "x"},
            {"id": ["x"], "edit": {"answer": "x"}},
            {"edit": {"answer": "x"}},
        ):
            code, reply = await edit(**body)
            assert code == 400 and reply["error"], body
        assert (tmp_path / "labels.jsonl").read_bytes() == before

    with_client(browser, work)


def test_an_edit_needs_an_existing_row_and_the_edit_that_its_author_saw(browser, tmp_path):
    name, other = finished.row(5)["id"], finished.row(6)["id"]

    async def work(client, guard, address):
        await status(client, f"/?token={guard.token}")

        async def edit(**body):
            async with client.post("/api/edit", json=body, headers={"Origin": address}) as response:
                return response.status, await response.json()

        for missing in ("", "nothing", other[:-1]):
            for texts in ({}, {"answer": "x"}):
                assert (await edit(id=missing, edit=texts))[0] == 400
        assert (await edit(id=name, edit={"answer": "x"}, seen="x"))[0] == 400
        assert (await edit(id=name, edit={"answer": "x"}, seen={"answer": "y"}))[0] == 409
        assert not (tmp_path / "labels.jsonl").exists()
        assert (await edit(id=name, edit={"answer": "x"}, seen={}))[0] == 200
        written = (tmp_path / "labels.jsonl").read_bytes()
        for texts in ({"question": "y"}, {}):
            code, reply = await edit(id=name, edit=texts, seen={})
            assert code == 409 and "has changed" in reply["error"]
        assert (tmp_path / "labels.jsonl").read_bytes() == written
        assert (await edit(id=name, edit={}, seen={"answer": "x"}))[0] == 200
        assert "verdict" not in file.read(tmp_path / "labels.jsonl")[0]

    with_client(browser, work)


@pytest.mark.parametrize("pause", [0, 0.3])  # seconds from the start of the request to that of its query
def test_a_request_that_is_aborted_stops_its_query(browser, pause):
    started, ended = threading.Event(), threading.Event()

    def count_for_days(query, cursor):
        started.set()
        time.sleep(pause)
        try:
            cursor.execute("select count(*) from range(1000000000000) where range % 7 = 3").fetchall()
        finally:
            ended.set()

    browser._index.rows = count_for_days

    async def work(client, guard, _):
        await status(client, f"/?token={guard.token}")
        request = asyncio.create_task(status(client, "/api/rows"))
        await asyncio.to_thread(started.wait)
        assert not ended.is_set()
        request.cancel()
        assert await asyncio.to_thread(ended.wait, 60)

    with_client(browser, work)


def test_file_errors_and_oversized_bodies_are_answered_in_json(browser, tmp_path):
    async def work(client, guard, address):
        await status(client, f"/?token={guard.token}")

        async def post(data):
            async with client.post("/api/edit", data=data, headers={"Origin": address}) as response:
                return response.status, (await response.json())["error"]

        assert (await post(b"x" * 3_000_000))[0] == 413
        (tmp_path / ".labels.jsonl.lock").mkdir()  # cannot be opened
        code, message = await post(json.dumps({"id": finished.row(5)["id"], "edit": {}}))
        assert code == 500 and ".labels.jsonl.lock" in message

    with_client(browser, work)
