"""
Overhead of generation outside the engine, and the benefit of the prefix cache.

``python -m benchmarks.engine`` prints one line of JSON at the end:

* ``vllm_ratio``: tokens per second with datagen, relative to a single ``LLM.chat`` call with the same
  requests, engine arguments and sampling parameters.
* ``prefix_gain``: tokens per second with the four tasks of a passage sent together and the passage first,
  relative to the same requests shuffled.
* ``speculation_gain``: tokens per second with n-gram speculation, relative to those without, on tasks that
  copy from the passage. ``--speculation`` sets vLLM's ``speculative_config``.
* ``request_ms``: datagen's own time in milliseconds per request, from the file of requests to a segment of
  durable completions, against a loopback server that answers at once.
* ``cost_ratio``: the CPU time of that process, relative to a bare aiohttp client with the same requests,
  which stores nothing. Other load disturbs it less than the time that passes.
* ``peak_mib``: peak memory of that process.

The last three are for the largest of ``--sizes``. Each measurement is printed on its own line before,
including the lower bound (the bare client), and datatrove's ``InferenceRunner`` and distilabel if an
interpreter with them is given (`benchmarks/engine_peers.py`). Each runs in a separate process, sequentially.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from benchmarks import add_quick
from benchmarks.endpoint import endpoint
from datagen.cluster.hardware import core_ids
from datagen.cluster.workers import PARTITIONS_AT_ONCE
from datagen.engines import vllm_settings
from datagen.engines.chat_body import body_of
from datagen.engines.identity import identify, resolve
from datagen.engines.pool import leave_engine_pool
from datagen.engines.vllm_translation import sampling_arguments
from datagen.recipe.roles import Model, OpenAIModel, VllmModel
from datagen.request import Request, Sampling
from datagen.run.model_tasks import ModelJob, generate, write_requests
from datagen.run.tasks import Job
from datagen.schema import fraction
from datagen.stage import Context, ModelStage, Options
from datagen.store.completions import Completions
from datagen.store.parquet import write_table

if TYPE_CHECKING:  # its import takes seconds
    from vllm import LLM

PASSAGE = 1000  # approximate characters per passage
PARTITION = 5000  # requests per partition
WINDOW = 64  # requests in flight to the loopback server
PEERS = Path(__file__).with_name("engine_peers.py")
SYSTEM = "You help to study a text. Answer from the text and nothing else."
TASKS = (
    "Write a question that the text answers.",
    "Say in one sentence what the text is about.",
    "List the terms that the text explains.",
    "Write a statement that the text contradicts.",
)
EXTRACTIVE = (
    "Copy the first sentence of the text.",
    "Copy the last sentence of the text.",
    "Copy the longest sentence of the text.",
    "Copy the sentence that says what the text is about.",
)
FIGURES = ("vllm_ratio", "prefix_gain", "speculation_gain", "request_ms", "cost_ratio", "peak_mib")
NGRAM = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4, "prompt_lookup_min": 2}


@cache
def passages() -> list[str]:
    """Split CPython's language reference at empty lines."""
    parts = [""]
    for text in topics.values():
        for paragraph in text.split("\n\n"):
            if len(parts[-1]) + len(paragraph) > PASSAGE:
                parts.append("")
            parts[-1] += f"{paragraph}\n\n"
    return list(dict.fromkeys(passage for passage in parts if passage.strip()))


@dataclass(frozen=True)
class Workload:
    """Requests to send: four per passage, and after the last passage the same again as further samples."""

    number: int
    tokens: int = 64
    shuffled: bool = False
    tasks: tuple[str, ...] = TASKS

    def order(self) -> Sequence[int]:
        """List the numbers of the requests in sending order."""
        numbers = range(self.number)
        return sorted(numbers, key=lambda n: fraction("shuffled", str(n))) if self.shuffled else numbers

    def request(self, number: int) -> Request:
        """Build the request with this number."""
        row, task = divmod(number, len(self.tasks))
        sample, passage = divmod(row, len(passages()))
        user = f"{passages()[passage]}\n{self.tasks[task]}"
        return Request(
            row=str(row),
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}],
            prompt="benchmark",
            prompt_hash="0",
            task=str(task),
            sampling=Sampling(max_tokens=self.tokens),
            sample=sample,
        )


@dataclass(frozen=True)
class Measured:
    """
    Results of a process with a warm engine.

    `cpu` is the CPU time of the process in seconds, `cached` the share of prompt tokens from the cache.
    """

    requests: int
    seconds: float
    peak_mib: float
    cpu: float = 0.0
    tokens: int = 0
    cached: float = 0.0

    @property
    def pace(self) -> float:
        """Generated tokens per second."""
        return self.tokens / self.seconds

    @property
    def request_ms(self) -> float:
        """Milliseconds per request."""
        return 1000 * self.seconds / self.requests


def peak_mib() -> float:
    """Return the peak memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def through_datagen(spec: Model, workload: Workload) -> Measured:
    """Write requests in partitions, and process several at a time, like a worker."""
    with tempfile.TemporaryDirectory() as folder:
        job, completions = _job(spec, workload, Path(folder)), Path(folder) / "completions"
        order = workload.order()
        warm_up = _partition(job, [workload.number], 0)
        parts = [
            _partition(job, order[start : start + PARTITION], 1 + start // PARTITION)
            for start in range(0, len(order), PARTITION)
        ]
        generate(job, warm_up, completions)
        store = Completions(completions)
        before, started, cpu = store.spent, time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(PARTITIONS_AT_ONCE) as threads:
            list(threads.map(lambda part: generate(job, part, completions), parts))
        store.settle()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        leave_engine_pool(str(job.context.run_folder.parent))
        usage = store.spent - before
        assert usage.completions == workload.number, "a request was lost or repeated"
    cached = usage.cached_tokens / usage.prompt_tokens
    return Measured(workload.number, seconds, peak_mib(), cpu, usage.completion_tokens, cached)


def _job(spec: Model, workload: Workload, folder: Path) -> ModelJob:
    def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
        return map(workload.request, rows["number"].to_pylist())

    stage = ModelStage("ask", "asks", "passages", "examples", ask, read=lambda *_: None)  # type: ignore[arg-type]
    context = Context("ask", run_folder=folder, model=identify(spec))
    return Job("ask", stage, Options(), context, folder / "ask", model=spec)


def _partition(job: ModelJob, numbers: Sequence[int], number: int) -> Path:
    rows = job.context.run_folder / f"rows-{number}.parquet"
    write_table(pa.table({"number": list(numbers)}), rows)
    return write_requests(job, (rows,), number)


def bare_chat(spec: VllmModel, workload: Workload) -> Measured:
    """Pass all requests to vLLM in one call."""
    llm = open_llm(spec)
    chat(llm, [workload.request(workload.number)])
    measured = chat(llm, [workload.request(number) for number in workload.order()])
    llm.llm_engine.engine_core.shutdown()  # otherwise its processes keep this one alive
    return measured


def open_llm(spec: VllmModel) -> "LLM":
    """Open vLLM with datagen's settings, without datagen."""
    os.environ |= vllm_settings.environment(os.environ)  # with a process whose threads vLLM itself binds
    if bound := vllm_settings.bound_cores(core_ids()):
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, bound)))
    from vllm import LLM
    from vllm.platforms import current_platform

    cpu = current_platform.is_cpu()
    if cpu:
        os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
    free = vllm_settings.free_memory() if cpu else 0
    return LLM(**vllm_settings.engine_arguments(spec, resolve(spec), cpu, free))


def chat(llm: "LLM", requests: Sequence[Request]) -> Measured:
    """Pass requests to vLLM in one call; those with choices or a given text are not supported."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    parameters = []
    for request in requests:
        arguments = sampling_arguments(request)
        if request.schema is not None:
            arguments["structured_outputs"] = StructuredOutputsParams(json=request.schema)
        parameters.append(SamplingParams(**arguments))
    chats: list[Any] = [request.messages for request in requests]
    started = time.perf_counter()
    outputs = llm.chat(chats, parameters, use_tqdm=False)
    seconds = time.perf_counter() - started
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    prompt = sum(len(output.prompt_token_ids or ()) for output in outputs)
    cached = sum(output.num_cached_tokens or 0 for output in outputs) / prompt
    return Measured(len(requests), seconds, peak_mib(), tokens=tokens, cached=cached)


def bare_client(url: str, workload: Workload) -> Measured:
    """Send the requests with aiohttp and read the answers, without further processing."""
    import aiohttp

    async def work() -> tuple[float, float]:
        numbers = iter(workload.order())

        async def ask() -> None:
            for number in numbers:
                body = body_of(workload.request(number), openai_model(url))
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    await response.json()

        connector = aiohttp.TCPConnector(limit=WINDOW)
        async with aiohttp.ClientSession(connector=connector) as session:
            started, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(ask() for _ in range(WINDOW)))
            return time.perf_counter() - started, time.process_time() - cpu

    passages()  # split before the time is taken
    seconds, cpu = asyncio.run(work())
    return Measured(workload.number, seconds, peak_mib(), cpu)


def datagens_client(url: str, workload: Workload) -> Measured:
    """Send the requests with datagen."""
    return through_datagen(openai_model(url), workload)


def openai_model(url: str) -> OpenAIModel:
    """Return the model for the endpoint."""
    return OpenAIModel(engine="openai", model="m", base_url=f"{url}/v1", window=WINDOW)


def peer(python: Path, name: str, url: str, workload: Workload) -> Measured:
    """Send the requests with a peer, in its interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies.jsonl"
        with bodies.open("w", encoding="utf-8") as file:
            for number in workload.order():
                file.write(json.dumps(body_of(workload.request(number), openai_model(url))) + "\n")
        command = [str(python), str(PEERS), name, url, str(bodies)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=folder).stdout
    report = json.loads(output.splitlines()[-1])
    return Measured(workload.number, report["seconds"], report["peak_mib"])


def alone(name: str, function: Callable[..., Measured], *arguments: object) -> Measured:
    """Measure in a fresh process, and print the result."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        measured = process.submit(function, *arguments).result()
    figures = asdict(measured) | {"tokens_a_second": measured.pace, "request_ms": measured.request_ms}
    shown = {key: round(value, 3) for key, value in figures.items() if value}
    print(json.dumps({"measured": name, **shown}), file=sys.stderr, flush=True)
    return measured


def overhead(options: argparse.Namespace) -> dict[str, float]:
    """Measure the cost per request without a model, for datagen and the peers."""
    figures = {}
    with endpoint() as url:
        for size in options.sizes:
            load = Workload(size)
            bare = alone("bare client", bare_client, url, load)
            ours = alone("datagen", datagens_client, url, load)
            figures = {
                "request_ms": ours.request_ms,
                "cost_ratio": ours.cpu / bare.cpu,
                "peak_mib": ours.peak_mib,
            }
            if size > options.peers_most:
                continue
            if options.datatrove_python:
                alone("datatrove", peer, options.datatrove_python, "datatrove", url, load)
                alone("datatrove, durable", peer, options.datatrove_python, "datatrove-durable", url, load)
            if options.distilabel_python:
                alone("distilabel", peer, options.distilabel_python, "distilabel", url, load)
    return figures


def engines(options: argparse.Namespace) -> dict[str, float]:
    """Measure datagen and a direct call of vLLM, both orders of the requests, and speculation."""
    spec = VllmModel(model=options.model, window=options.window, options=json.loads(options.engine))
    load, shuffled = (Workload(options.requests, options.tokens, shuffled) for shuffled in (False, True))
    bare = alone("one LLM.chat call", bare_chat, spec, load)
    ours = alone("datagen", through_datagen, spec, load)
    mixed = alone("datagen, shuffled", through_datagen, spec, shuffled)
    copying = replace(load, tasks=EXTRACTIVE)
    guessing = spec.model_copy(
        update={"options": spec.options | {"speculative_config": json.loads(options.speculation)}}
    )
    plain = alone("datagen, copying", through_datagen, spec, copying)
    guessed = alone("datagen, copying with speculation", through_datagen, guessing, copying)
    return {
        "vllm_ratio": ours.pace / bare.pace,
        "prefix_gain": ours.pace / mixed.pace,
        "speculation_gain": guessed.pace / plain.pace,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=("overhead", "engines"), help="run only this part")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--datatrove-python", type=Path, help="an interpreter with datatrove")
    parser.add_argument("--distilabel-python", type=Path, help="an interpreter with distilabel")
    parser.add_argument("--peers-most", type=int, default=10_000, help="the largest size for peers")
    parser.add_argument("--requests", type=int, default=2_000, help="requests to the model")
    parser.add_argument("--tokens", type=int, default=64, help="maximum tokens per answer")
    parser.add_argument("--model", default="bundled", help="as in a recipe")
    parser.add_argument("--window", type=int, default=128, help="as in a recipe")
    parser.add_argument("--speculation", default=json.dumps(NGRAM), help="vLLM's speculative_config, as JSON")
    parser.add_argument("--engine", default="{}", help="further arguments of vLLM, as JSON")
    add_quick(parser, sizes=[1_000], peers_most=1_000, requests=50)
    options = parser.parse_args()
    figures: dict[str, float | None] = dict.fromkeys(FIGURES)
    if options.only != "engines":
        figures |= overhead(options)
    if options.only != "overhead":
        figures |= engines(options)
    print(json.dumps({name: value and round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
