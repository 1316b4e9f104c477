"""Whole runs against failing servers: which requests are dropped or retried, and which runs are released."""

import json
import re

import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.run.folder import earlier_runs, open_run
from datagen.run.runner import run
from datagen.store.parquet import parts, read_part
from tests.support import toys
from tests.support.faulty_server import answers, serving, unless

pytestmark = pytest.mark.cluster
FACT = "Fact 7 "


@pytest.fixture(autouse=True)
def on_open_workers(on_workers):
    with on_workers():
        yield


def brain(said):
    if not (fact := re.search(r"Fact (\d+) is (\d+)", said)):
        return "Yes."
    return json.dumps({"question": f"What is fact {fact[1]}? {said}", "answer": fact[2]})


def recipe_of(folder, url, stages="", **model):
    path = toys.write_recipe(folder, documents=8)
    settings = model
    if url:
        settings = {"engine": "openai", "model": "m", "base_url": url, "retries": 1, "timeout": 5} | model
    text = re.sub(r"generator: \{.*\}", f"generator: {json.dumps(settings)}}}", path.read_text())
    text = text.replace('  tallying: {use: "tests.support.toys:tallying"}\n', "")
    path.write_text(text.replace('asking"}', 'asking", samples: 1}') + stages)
    return path


def run_it(folder, url, stages="", overrides=None, again=False, **model):
    path = recipe_of(folder, url, stages, **model)
    return run(load_recipe(path, overrides), folder / "outputs", toys.SilentWatcher(), retry_errors=again)


def dropped(done):
    folder = done.stage_folder("asking") / "dropped"
    return [row["detail"] for path in parts(folder) for row in read_part(path).to_pylist()]


def about(server, fact=FACT):
    return sum(fact in body["messages"][-1]["content"] for body in server.bodies)


@pytest.mark.parametrize(
    ("fault", "said", "stored"),
    [
        (answers("CUDA error", status=500), "CUDA error", False),
        (answers({"error": {"message": "your input was flagged"}}, status=403), "flagged", True),
        (answers({"error": {"message": "context length exceeded"}}, status=400), "context length", True),
        (answers({"choices": [{"message": {"content": 7}}]}), "not a chat completion", False),
    ],
    ids=["500", "403", "400", "nonsense"],
)
def test_one_request_is_dropped_with_its_reason_and_retried_on_a_fixed_server(tmp_path, fault, said, stored):
    with serving(unless(lambda text: FACT in text, fault, brain)) as server:
        first = run_it(tmp_path, server.url)
        assert first.finished and first.stage_record("asking")["rows_out"] == 7
        (detail,) = dropped(first)
        assert said in detail
        assert first.stage_record("asking")["requests"].get("failed", 0) == (not stored)
        asked = len(server.bodies)
    port = int(server.url.split(":")[2].split("/")[0])
    with serving(unless(lambda text: False, fault, brain), port) as mended:
        second = run_it(tmp_path, mended.url)
        assert second.stage_record("asking")["rows_out"] == 8
        assert about(mended) == len(mended.bodies) == 1, "and nothing else"
    assert asked >= 8


def test_of_many_equal_rejections_one_is_retried_and_all_if_it_is_answered(tmp_path):
    fault = answers("context length exceeded", status=400)
    with serving(unless(lambda text: "Fact" in text and FACT not in text, fault, brain)) as server:
        assert run_it(tmp_path, server.url).stage_record("asking")["rows_out"] == 1
        before = len(server.bodies)
        assert run_it(tmp_path, server.url).stage_record("asking")["rows_out"] == 1
        assert len(server.bodies) - before == 3, "one in each of three partitions"
        run_it(tmp_path, server.url, again=True)
        assert len(server.bodies) - before == 3 + 7
    port = int(server.url.split(":")[2].split("/")[0])
    with serving(unless(lambda text: False, fault, brain), port) as mended:
        assert run_it(tmp_path, mended.url).stage_record("asking")["rows_out"] == 8
        assert len(mended.bodies) == 7


def test_if_nothing_is_answered_the_run_stops_with_the_servers_message_and_can_resume(tmp_path):
    fault = answers({"error": {"message": "temperature\x1b[2J is not supported"}}, status=400)
    with serving(fault) as server:
        with pytest.raises(UserError, match=r"stages.asking: none of its 8 requests.*temperature is not"):
            run_it(tmp_path, server.url)
        home = tmp_path / "outputs/toy"
        assert not (home / "latest").exists() and not (earlier_runs(home)[0].stage_folder("asking")).exists()
    port = int(server.url.split(":")[2].split("/")[0])
    with serving(unless(lambda text: False, fault, brain), port) as mended:
        done = run_it(tmp_path, mended.url)
        assert done.folder == earlier_runs(home)[0].folder and done.stage_record("asking")["rows_out"] == 8


def test_a_password_in_the_address_is_sent_and_never_stored(tmp_path, capfd):
    with serving(unless(lambda text: False, answers(), brain)) as server:
        url = server.url.replace("://", "://user:hush-hush@")
        done = run_it(tmp_path, url)
        assert {headers["Authorization"] for headers in server.headers} == {"Basic dXNlcjpodXNoLWh1c2g="}
    written = [path.read_bytes() for path in done.folder.rglob("*") if path.is_file()]
    assert not any(b"hush-hush" in data for data in written)
    assert "***@127.0.0.1" in done.manifest["recipe"]["models"]["generator"]["base_url"]
    with pytest.raises(UserError) as error:
        (tmp_path / "elsewhere").mkdir()  # where nothing is answered yet
        run_it(tmp_path / "elsewhere", "http://user:hush-hush@no.such.host.invalid/v1")
    assert "no.such.host.invalid" in str(error.value) and "hush-hush" not in str(error.value)
    assert "hush-hush" not in "".join(capfd.readouterr())


def test_an_empty_release_never_replaces_one_with_rows_and_too_few_rows_are_no_release(tmp_path):
    url = ""
    model = {"engine": "scripted", "model": "tests.support.toys:model"}
    first = run_it(tmp_path, url, **model)
    none = {"models.generator.model": "tests.support.toys:spoiling"}
    with pytest.raises(UserError, match=r"no rows, but the latest release has \d+"):
        run_it(tmp_path, url, overrides=none, **model)
    assert open_run(tmp_path / "outputs/toy/latest").folder == first.folder
    with pytest.raises(UserError, match=r"0 of 3 rows in refusals \(min_rows\)"):
        run_it(tmp_path, url, overrides={"min_rows.refusals": 3}, **model)
    assert open_run(tmp_path / "outputs/toy/latest").folder == first.folder
    again = run_it(tmp_path, url, **model)
    assert again.finished and again.folder not in (first.folder, earlier_runs(again.folder.parent)[1].folder)
