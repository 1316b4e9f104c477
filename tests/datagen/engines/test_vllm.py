"""The vllm engine: translation without an engine, and the real bundled model."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest
from pydantic import BaseModel, Field

from datagen.cluster.hardware import core_ids
from datagen.engines import bundled
from datagen.engines.parent_watch import OPENER, tie
from datagen.engines.vllm import VllmEngine
from datagen.engines.vllm_settings import (
    GIB,
    SEVERAL_PROCESSES,
    bound_cores,
    cache_bytes,
    engine_arguments,
    environment,
)
from datagen.engines.vllm_translation import completion_of, continuation, label_tokens, sampling_arguments
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.request import Identity, Request, Sampling

MODEL = Identity("tiny", "1")
PASSAGE = "The Nile flows north through eleven countries and empties into the Mediterranean Sea. " * 15


def request(text="Name a colour.", **fields):
    message = {"role": "user", "content": text}
    return Request(row="r", messages=[message], prompt="p", prompt_hash="0", task="t", **fields)


# Translation


def test_a_small_machine_has_all_its_cores_bound_and_one_engine_process():
    assert bound_cores([0, 3]) == [0, 3]
    assert not bound_cores(range(64)) and not bound_cores([0, 1], parallel=2)
    assert environment({}, [0, 3])[SEVERAL_PROCESSES] == "0" and environment({})[SEVERAL_PROCESSES] == "1"


def test_the_threads_of_one_engine_process_are_bound_whatever_a_worker_sets():
    given = {"OMP_NUM_THREADS": "1", "LD_PRELOAD": "own.so", "VLLM_LOGGING_LEVEL": "DEBUG"}
    variables = environment(given, [0, 3])
    assert (variables["GOMP_CPU_AFFINITY"], variables["OMP_NUM_THREADS"]) == ("0 3", "2")
    assert variables["VLLM_LOGGING_LEVEL"] == "DEBUG"
    *libraries, own = variables["LD_PRELOAD"].split(":")
    assert own == "own.so" and "libgomp" in libraries[-1] and all(map(os.path.exists, libraries))


@pytest.mark.parametrize(
    ("given", "bound"),
    [({SEVERAL_PROCESSES: "1", "OMP_NUM_THREADS": "7"}, [0, 3]), ({"OMP_NUM_THREADS": "7"}, ())],
)
def test_vllm_binds_the_threads_of_its_own_worker_process(given, bound):
    variables = environment(given, bound)
    assert variables[SEVERAL_PROCESSES] == "1" and variables["OMP_NUM_THREADS"] == "7"
    assert not {"GOMP_CPU_AFFINITY", "LD_PRELOAD"} & set(variables)


def test_options_override_defaults_and_a_gpu_uses_vllms_defaults(monkeypatch):
    monkeypatch.setattr("datagen.engines.vllm_settings.has_bfloat16", lambda: True)
    spec = VllmModel(model="org/m", revision="abc", options={"enforce_eager": False, "max_num_seqs": 7})
    cpu = engine_arguments(spec, "org/m", cpu=True, free=8 * GIB)
    assert cpu["enforce_eager"] is False and cpu["max_num_seqs"] == 7 and cpu["revision"] == "abc"
    assert cpu["dtype"] == "bfloat16" and cpu["kv_cache_memory_bytes"] == 2 * GIB
    monkeypatch.setattr("datagen.engines.vllm_settings.has_bfloat16", lambda: False)
    emulated = engine_arguments(spec, "org/m", cpu=True, free=8 * GIB)
    assert emulated["dtype"] == "float32" and emulated["kv_cache_memory_bytes"] == 4 * GIB
    gpu = engine_arguments(spec, "org/m", cpu=False, free=0)
    assert not {"dtype", "kv_cache_memory_bytes"} & set(gpu)
    assert "revision" not in engine_arguments(VllmModel(revision="x"), "/cache/bundled", cpu=True, free=0)


@pytest.mark.parametrize(("free", "taken"), [(2, 1), (4, 2), (8, 2), (24, 3), (400, 50)])
def test_the_cache_takes_an_eighth_but_never_more_than_half(free, taken):
    assert cache_bytes(free * GIB) == taken * GIB
    assert cache_bytes(free * GIB, width=4) == min(2 * taken, free // 2) * GIB


def test_sampling_parameters_are_passed_without_a_seed():
    sampling = Sampling(max_tokens=9, temperature=0.7, top_p=0.9, repetition_penalty=1.2, stop=("END",))
    arguments = sampling_arguments(request(sampling=sampling))
    assert arguments["max_tokens"] == 9 and arguments["stop"] == ["END"] and arguments["logprobs"] == 0
    assert (arguments["temperature"], arguments["top_p"], arguments["repetition_penalty"]) == (0.7, 0.9, 1.2)
    assert "seed" not in arguments


def test_a_choice_generates_one_token_and_scores_ids():
    arguments = sampling_arguments(
        request(choices=("A", "B"), sampling=Sampling(max_tokens=50)), [(5, 7), (9,)]
    )
    assert arguments["max_tokens"] == 1 and arguments["logprob_token_ids"] == [5, 7, 9]


def characters(text):
    """A tokenizer whose only merges are a space plus the next letter, and "un"."""
    ids, place = [], 0
    while place < len(text):
        wide = 2 if (text[place] == " " and place + 1 < len(text)) or text[place : place + 2] == "un" else 1
        ids.append(sum(ord(letter) * 1000**n for n, letter in enumerate(text[place : place + wide])))
        place += wide
    return ids


def test_a_label_may_start_with_a_space():
    ids = label_tokens(characters, "answer:", ("A", "B"))
    assert ids == [tuple(sorted({*characters("A"), *characters(" A")})) for _ in "x"] + [
        tuple(sorted({*characters("B"), *characters(" B")}))
    ]


def test_labels_with_the_same_first_token_are_rejected():
    with pytest.raises(ValueError, match="'unknown' begins with the same token"):
        label_tokens(characters, "answer:", ("unknown", "unclear"))


def test_a_text_is_never_merged_with_the_end_of_the_prompt():
    assert continuation(characters, "answer:", " no") == characters(" no")
    assert continuation(characters, "u", "nder") == characters("nder") != characters("under")[1:]


def test_a_given_text_is_the_end_of_the_prompt_and_generates_nothing():
    arguments = sampling_arguments(request(given="A B"))
    assert (arguments["max_tokens"], arguments["prompt_logprobs"]) == (1, 0)
    read = output("length", None, text="more")
    read.prompt_logprobs = SimpleNamespace(logprobs=[-9.0, -8.0, -0.25, -0.5])
    done = completion_of(read, request(given="A B"), "k", MODEL, given_tokens=2)
    assert done.text == "A B" and done.finish == "stop" and done.logprobs == (-0.25, -0.5)


def output(finish, logprobs, token_ids=(1,), text="A"):
    answer = SimpleNamespace(finish_reason=finish, logprobs=logprobs, token_ids=token_ids, text=text)
    return SimpleNamespace(outputs=[answer], prompt_token_ids=[1, 2, 3], num_cached_tokens=None)


def test_choice_probabilities_are_summed_by_id_in_label_order():
    scored = {9: -3.0, 5: math.log(0.5), 7: math.log(0.25), 1: math.log(0.6)}
    position = {token: SimpleNamespace(logprob=value) for token, value in scored.items()}
    done = completion_of(
        output("length", [position]), request(choices=("A", "B")), "k", MODEL, [(9,), (5, 7)]
    )
    assert done.choices == (pytest.approx(-3.0), pytest.approx(math.log(0.75)))
    assert done.finish == "stop" and done.logprobs == (pytest.approx(math.log(0.6)),)
    assert (done.prompt_tokens, done.cached_tokens, done.completion_tokens) == (3, 0, 1)


def test_an_aborted_answer_is_an_error():
    done = completion_of(output("abort", SimpleNamespace(logprobs=[-1.0])), request(), "k", MODEL)
    assert done.finish == "error" and "abort" in done.error


def test_the_parent_watch_is_an_allowed_plugin():
    chosen = {"VLLM_PLUGINS": "theirs"}
    tie(chosen)
    tie(chosen)
    assert chosen == {"VLLM_PLUGINS": "theirs,datagen", OPENER: str(os.getpid())}


# The real model


class Colour(BaseModel):
    name: str = Field(max_length=12)
    red: int = Field(ge=0, le=255)


def test_greedy_answers_are_reproducible(real_model):
    asked = request(sampling=Sampling(max_tokens=8))
    first, second = (real_model(asked)[0] for _ in range(2))
    assert first.text and first.text == second.text and first.finish in ("stop", "length")
    assert len(first.logprobs) == first.completion_tokens and all(value <= 0 for value in first.logprobs)
    assert first.model == "SmolLM2-135M-synthesizer" and first.revision


def test_an_answer_matches_its_schema_or_is_marked_truncated(real_model):
    sampling, schema = Sampling(max_tokens=60, temperature=1.0), Colour.model_json_schema()
    complete, cut = real_model(
        request(sampling=sampling, schema=schema), request(sampling=Sampling(max_tokens=2), schema=schema)
    )
    assert complete.finish == "stop" and Colour.model_validate_json(complete.text)
    assert cut.finish == "length"


def test_choices_agree_with_the_greedy_answer(real_model):
    text = "Which letter comes first in the alphabet? Reply with A or B.\nA. A\nB. B\nReply with the letter only."
    scored, both, written = real_model(
        request(text, choices=("A", "B")),
        request(text, choices=("B", "A", "C")),  # in one batch with the other, so padded
        request(text, sampling=Sampling(max_tokens=1)),
    )
    (top,) = real_model(request(text, choices=(written.text.strip(), "\u00a7")))
    # A processor may run other kernels for a batch than for one request, so the logprobs differ by bfloat16 rounding.
    rounding = 0.1
    assert sum(math.exp(value) for value in scored.choices) <= 1
    assert (both.choices[1], both.choices[0]) == pytest.approx(scored.choices, abs=rounding)
    assert top.choices[0] >= max(scored.choices) - rounding
    assert top.choices[0] >= written.logprobs[0] - rounding
    assert scored.completion_tokens == 1 and scored.finish == "stop"


def test_requests_about_one_passage_share_its_prefix(real_model):
    sampling = Sampling(max_tokens=1)
    real_model(request(f"{PASSAGE}\nWhere does it flow?", sampling=sampling))
    (second,) = real_model(request(f"{PASSAGE}\nHow many countries?", sampling=sampling))
    assert second.cached_tokens >= 192 and second.prompt_tokens > second.cached_tokens


GIVEN = ("Blue, mostly. Sometimes it is grey.", "🦀 naïve: Ω≈3 → ok", "\n\nOn a line of its own")


@pytest.fixture(scope="module")
def transformers_logprobs():
    """Score a text with transformers, in float32."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = bundled.prepare("bundled")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def score(messages, given):
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        prompt = tokenizer.encode(text, add_special_tokens=False)
        answer = tokenizer.encode(given, add_special_tokens=False)
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        return logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0].tolist()

    return score


def test_scores_of_a_given_text_agree_with_transformers(real_model, transformers_logprobs):
    asked = [request("What colour is the sky?", given=given) for given in GIVEN]
    for request_, done in zip(asked, real_model(*asked), strict=True):
        expected = transformers_logprobs(request_.messages, request_.given)
        assert done.text == request_.given and done.finish == "stop"
        assert len(done.logprobs) == len(expected)
        assert sum(done.logprobs) == pytest.approx(sum(expected), rel=0.02)  # bfloat16


def test_a_generated_answer_scores_the_same_when_given(real_model):
    asked = request("Name a colour.", sampling=Sampling(max_tokens=12))
    (written,) = real_model(asked)
    (scored,) = real_model(request("Name a colour.", given=written.text))
    likely = scored.logprobs[: len(written.logprobs)]  # the end token is not part of the text
    assert sum(likely) == pytest.approx(sum(written.logprobs[: len(likely)]), abs=0.3)


def test_an_invalid_request_is_an_error_and_the_others_are_answered(real_model):
    long, odd, alike, fine = real_model(
        request("word " * 2000),
        request(schema={"type": "nonsense"}),
        request(choices=("A", "A")),
        request(sampling=Sampling(max_tokens=2)),
    )
    assert [done.finish for done in (long, odd, alike)] == ["error"] * 3
    assert "1024" in long.error and "nonsense" in odd.error and "same token" in alike.error
    assert fine.finish == "length"


@pytest.mark.engine
def test_a_model_that_vllm_cannot_serve_is_the_users_to_mend():
    pytest.importorskip("vllm")
    engine = VllmEngine(VllmModel(max_model_len=1_000_000))
    with pytest.raises(UserError, match=r"(?s)cannot serve the model 'bundled': .*max_model_len"):
        asyncio.run(engine.start())


# Processes

OPEN = """
import asyncio, time
from datagen.engines.supervised import GuardedEngine
from datagen.engines.identity import identify
from datagen.recipe.roles import VllmModel
from datagen.request import Request, Sampling

async def work():
    spec = VllmModel(max_model_len=1024, patience=20, options={"kv_cache_memory_bytes": 2**29})
    engine = GuardedEngine(spec, identify(spec))
    some = Request("r", [{"role": "user", "content": "Count."}], "p", "0", "t", Sampling(50))
    while True:
        done = await asyncio.gather(*(engine.answer(some, str(n)) for n in range(4)))
        print(time.monotonic(), *{completion.finish for completion in done}, flush=True)

if __name__ == "__main__":
    asyncio.run(work())
"""


@pytest.fixture
def opener(tmp_path):
    """A process that opens an engine and keeps it busy."""
    pytest.importorskip("vllm")
    script = tmp_path / "opener.py"
    script.write_text(OPEN)
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a failed test must not leave an engine running
    process.communicate()


def answered_after(opener, moment):
    """Wait until the opener has answers from after a time of the monotonic clock."""
    while True:
        when, *finished = opener.stdout.readline().split()
        assert set(finished) <= {"stop", "length"}
        if float(when) > moment:
            return


def engine_processes(opener):
    """The engine's processes: all descendants of the opener except Python's resource tracker."""
    below = psutil.Process(opener.pid).children(recursive=True)
    return [process for process in below if "resource_tracker" not in " ".join(process.cmdline())]


@pytest.mark.engine
def test_engine_processes_end_with_a_killed_opener(opener):
    answered_after(opener, 0)
    processes = engine_processes(opener)
    if bound := bound_cores(core_ids()):
        [process] = processes
        assert process.cpu_affinity() == [bound[0]]  # of its main thread
    opener.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(processes, timeout=30)[1] == []


@pytest.mark.engine
def test_an_engine_recovers_from_its_processes_and_a_kill_during_start_leaves_nothing(opener):
    answered_after(opener, 0)
    processes = engine_processes(opener)
    processes[-1].kill()  # the one with the model dies
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    answered_after(opener, time.monotonic())
    processes = engine_processes(opener)
    processes[0].suspend()  # the scheduler hangs
    assert psutil.wait_procs(processes, timeout=120)[1] == []
    while not (starting := engine_processes(opener)):
        assert opener.poll() is None
        time.sleep(0.1)
    opener.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(starting, timeout=120)[1] == []
