"""The vllm engine and its process: who gets which answer, and what its end means."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from datagen.engines import vllm
from datagen.engines.engine import EngineDied
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.request import Request


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    """Put a process without vLLM in the place of the real one."""
    monkeypatch.setattr(vllm, "PROCESS", "tests.support.vllm_stub")
    monkeypatch.setattr(vllm, "resolve", lambda spec: spec.model)
    root = str(Path(__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])))


def request(row):
    return Request(
        row=row, messages=[{"role": "user", "content": "?"}], prompt="p", prompt_hash="0", task="t"
    )


def with_engine(model, use):
    """Start an engine and return what `use` returns; close it, and check that its process has ended."""

    async def work():
        engine = vllm.VllmEngine(VllmModel(model=model))
        await engine.start()
        process = engine._process
        try:
            return await use(engine)
        finally:
            await engine.close()
            await engine.close()  # allowed twice
            assert process.poll() is not None

    return asyncio.run(work())


def test_each_asker_gets_the_answer_to_its_own_request_even_under_one_key():
    async def use(engine):
        return await asyncio.gather(*(engine.answer(request(row), "one key") for row in "abcd"))

    assert [answer.text for answer in with_engine("fine", use)] == ["a", "b", "c", "d"]


def test_a_file_in_the_current_folder_hides_no_module(tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text("raise SystemExit('hidden')")
    monkeypatch.chdir(tmp_path)

    async def use(engine):
        return await asyncio.gather(*(engine.answer(request(row), row) for row in "ab"))

    assert len(with_engine("fine", use)) == 2


@pytest.mark.parametrize("options", [{}, {"enforce_eager": False}])
def test_threads_are_bound_and_compilation_is_off_only_without_a_gpu(monkeypatch, options):
    monkeypatch.delenv("TORCH_COMPILE_DISABLE", raising=False)
    monkeypatch.setattr(vllm, "core_ids", lambda: [0, 3])
    engine = vllm.VllmEngine(VllmModel(options=options))
    monkeypatch.setattr(vllm, "gpus", lambda: [])
    cpu = engine._environment()
    assert cpu["GOMP_CPU_AFFINITY"] == "0 3" and ("TORCH_COMPILE_DISABLE" in cpu) == (not options)
    monkeypatch.setattr(vllm, "gpus", lambda: ["H200"])
    assert not {"GOMP_CPU_AFFINITY", "TORCH_COMPILE_DISABLE"} & set(engine._environment())


def test_an_asker_that_gave_up_does_not_hinder_the_others():
    async def use(engine):
        given_up = asyncio.create_task(engine.answer(request("a"), "1"))
        await asyncio.sleep(0)
        given_up.cancel()
        return await engine.answer(request("b"), "2")

    assert with_engine("fine", use).text == "b"


def test_the_death_of_the_process_fails_all_requests_in_flight_and_every_later_one():
    async def use(engine):
        asked = [engine.answer(request(row), row) for row in ("a", "deadly")]
        both = await asyncio.gather(*asked, return_exceptions=True)
        return both + await asyncio.gather(engine.answer(request("later"), "l"), return_exceptions=True)

    assert [type(error) for error in with_engine("fine", use)] == [EngineDied] * 3


def test_a_hanging_process_is_killed_when_the_engine_is_closed(monkeypatch):
    monkeypatch.setattr(vllm, "CLOSING_SECONDS", 0.1)

    async def use(engine):
        asked = asyncio.create_task(engine.answer(request("a"), "1"))
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(EngineDied):
            await asked
        with pytest.raises(EngineDied):
            await engine.answer(request("b"), "2")

    with_engine("hangs", use)


@pytest.mark.parametrize(
    ("model", "reason"),
    [("unfit", "has no chat template"), ("dies while loading", "ended while loading the model")],
)
def test_a_model_that_cannot_be_served_is_the_users_to_mend(model, reason):
    with pytest.raises(UserError, match=reason):
        with_engine(model, None)


def test_a_start_that_is_cancelled_leaves_no_process_and_waits_for_none(monkeypatch):
    monkeypatch.setattr(vllm, "CLOSING_SECONDS", 10_000)

    async def work():
        engine = vllm.VllmEngine(VllmModel(model="loads forever"))
        starting = asyncio.create_task(engine.start())
        while not (process := engine._process):
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        return process

    assert asyncio.run(work()).poll() == -signal.SIGKILL
