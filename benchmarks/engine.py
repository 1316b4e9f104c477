"""
What generation costs beside the engine, and what the prefix cache brings.

``python -m benchmarks.engine`` prints one line of JSON at the end:

* ``vllm_ratio``: tokens a second through datagen, as a share of those of one bare ``LLM.chat`` call on the
  same requests, with the same arguments of the engine and of sampling.
* ``prefix_gain``: tokens a second with the four tasks of a passage sent together and the passage first, over
  those of the same requests shuffled.
* ``request_ms``: milliseconds a request of datagen's own, from its file of requests to a segment of
  completions, each durable, against a server on loopback that answers at once.
* ``peak_mib``: peak memory of that process.

The last two are those of the largest of ``--sizes``. Every measurement stands in a line of its own above,
the floor (a bare aiohttp client) and, where they can be had, datatrove's ``InferenceRunner`` and distilabel
among them. Each has a process of its own, and they run one after the other.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pyarrow as pa

from benchmarks.endpoint import endpoint
from datagen.asking import generate, write_requests
from datagen.completions import Completions
from datagen.crew import PARTITIONS_AT_ONCE
from datagen.engines import vllm as backend
from datagen.engines.openai import body_of
from datagen.generation import leave_engine_room
from datagen.machine import core_ids
from datagen.models import identify, resolve
from datagen.recipe import Model, Models, OpenAIModel, Recipe, VllmModel
from datagen.records import fraction
from datagen.request import Request, Sampling
from datagen.stage import Context, ModelStage, Options
from datagen.tables import write_table
from datagen.work import Job

PASSAGE = 1000  # characters, about
PARTITION = 5000  # requests
WINDOW = 64  # requests in flight to the server on loopback
SYSTEM = "You help to study a text. Answer from the text and nothing else."
TASKS = (
    "Write a question that the text answers.",
    "Say in one sentence what the text is about.",
    "List the terms that the text explains.",
    "Write a statement that the text contradicts.",
)


@cache
def passages() -> list[str]:
    """Cut CPython's language reference at its empty lines."""
    found = [""]
    for text in topics.values():
        for paragraph in text.split("\n\n"):
            if len(found[-1]) + len(paragraph) > PASSAGE:
                found.append("")
            found[-1] += f"{paragraph}\n\n"
    return list(dict.fromkeys(passage for passage in found if passage.strip()))


@dataclass(frozen=True)
class Workload:
    """So many requests of so many tokens; beyond four a passage they begin anew, as further samples."""

    number: int
    tokens: int = 64
    shuffled: bool = False

    def order(self) -> Sequence[int]:
        """List the numbers of the requests as they are sent."""
        numbers = range(self.number)
        return sorted(numbers, key=lambda n: fraction("shuffled", str(n))) if self.shuffled else numbers

    def request(self, number: int) -> Request:
        """Write the request of this number."""
        row, task = divmod(number, len(TASKS))
        sample, passage = divmod(row, len(passages()))
        user = f"{passages()[passage]}\n{TASKS[task]}"
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
    """What a process did once its engine was warm; `cached` is the share of prompt tokens from the cache."""

    requests: int
    seconds: float
    peak_mib: float
    tokens: int = 0
    cached: float = 0.0

    @property
    def pace(self) -> float:
        """Tokens written a second."""
        return self.tokens / self.seconds

    @property
    def request_ms(self) -> float:
        """Milliseconds a request."""
        return 1000 * self.seconds / self.requests


def peak_mib() -> float:
    """Peak memory of this process since it began."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def through_datagen(spec: Model, workload: Workload) -> Measured:
    """Write requests in partitions, and have several answered at a time as a worker has."""
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
        before, started = store.spent, time.perf_counter()
        with ThreadPoolExecutor(PARTITIONS_AT_ONCE) as threads:
            list(threads.map(lambda part: generate(job, part, completions), parts))
        store.settle()
        seconds = time.perf_counter() - started
        leave_engine_room(str(job.context.folder.parent))
        usage = store.spent - before
        assert usage.completions == workload.number, "a request was lost or repeated"
    cached = usage.cached_tokens / usage.prompt_tokens
    return Measured(workload.number, seconds, peak_mib(), usage.completion_tokens, cached)


def _job(spec: Model, workload: Workload, folder: Path) -> Job:
    def ask(rows: pa.Table, options: Options, context: Context) -> Any:
        return map(workload.request, rows["number"].to_pylist())

    stage = ModelStage("ask", "asks", "passages", "examples", ask, read=lambda *_: None)  # type: ignore[arg-type]
    recipe = Recipe(name="benchmark", corpus=[{"path": "none"}], models=Models(generator=spec))  # type: ignore[list-item]
    context = Context("ask", recipe, folder, {"generator": identify(spec)})
    return Job("ask", stage, Options(), context, folder / "ask")


def _partition(job: Job, numbers: Sequence[int], number: int) -> Path:
    rows = job.context.folder / f"rows-{number}.parquet"
    write_table(pa.table({"number": list(numbers)}), rows)
    return write_requests(job, rows, number)


def bare_chat(spec: VllmModel, workload: Workload) -> Measured:
    """Give vLLM all requests in one call."""
    for name, value in backend.environment(core_ids()).items():
        os.environ.setdefault(name, value)
    from vllm import LLM, SamplingParams
    from vllm.platforms import current_platform

    cpu = current_platform.is_cpu()
    if cpu:
        os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
    free = backend._free_memory() if cpu else 0
    llm = LLM(**backend.engine_arguments(spec, resolve(spec), cpu, free))
    asked = [workload.request(number) for number in [workload.number, *workload.order()]]
    chats: list[Any] = [request.messages for request in asked]
    parameters = [SamplingParams(**backend.sampling_arguments(request)) for request in asked]
    llm.chat(chats[:1], parameters[:1], use_tqdm=False)
    started = time.perf_counter()
    outputs = llm.chat(chats[1:], parameters[1:], use_tqdm=False)
    seconds = time.perf_counter() - started
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    prompt = sum(len(output.prompt_token_ids or ()) for output in outputs)
    cached = sum(output.num_cached_tokens or 0 for output in outputs) / prompt
    return Measured(workload.number, seconds, peak_mib(), tokens, cached)


def bare_client(url: str, workload: Workload) -> Measured:
    """Send the requests with aiohttp and read the answers, and nothing else."""
    import aiohttp

    async def work() -> float:
        numbers = iter(workload.order())

        async def ask() -> None:
            for number in numbers:
                body = body_of(workload.request(number), "m")
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    await response.json()

        connector = aiohttp.TCPConnector(limit=WINDOW)
        async with aiohttp.ClientSession(connector=connector) as session:
            started = time.perf_counter()
            await asyncio.gather(*(ask() for _ in range(WINDOW)))
            return time.perf_counter() - started

    return Measured(workload.number, asyncio.run(work()), peak_mib())


def datagens_client(url: str, workload: Workload) -> Measured:
    """Send them through datagen."""
    spec = OpenAIModel(engine="openai", model="m", base_url=f"{url}/v1", window=WINDOW)
    return through_datagen(spec, workload)


def datatrove(url: str, workload: Workload, checkout: str, durable: bool) -> Measured:
    """Send them through datatrove's runner, with checkpoints and its cache of requests or without."""
    sys.path[:0] = [f"{checkout}/src"] if checkout else []
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter
    from loguru import logger

    logger.remove()
    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="m",
        endpoint_url=url,
        max_concurrent_generations=WINDOW,
        metric_interval=3600,
    )

    async def rollout(document: Any, generate: Callable[[dict[str, Any]], Any]) -> Any:
        return await generate(body_of(workload.request(int(document.id)), "m"))

    with tempfile.TemporaryDirectory() as folder:
        writer = JsonlWriter(f"{folder}/out", "${rank}_${chunk_index}.jsonl", compression=None)
        kept = f"{folder}/checkpoints" if durable else None
        runner = InferenceRunner(rollout, config, writer, checkpoints_local_dir=kept, records_per_chunk=1000)
        documents = (Document(text="-", id=str(number)) for number in workload.order())
        started = time.perf_counter()
        runner.run(documents, rank=0, world_size=1)
        return Measured(workload.number, time.perf_counter() - started, peak_mib())


def distilabel(url: str, workload: Workload, checkout: str) -> Measured:
    """Send them through a distilabel, its cache on; its start counts, and its main process's memory."""
    sys.path[:0] = [f"{checkout}/src"] if checkout else []
    os.environ["OPENAI_API_KEY"] = "none"
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    rows = [{"instruction": workload.request(n).messages[-1]["content"]} for n in workload.order()]
    with tempfile.TemporaryDirectory() as folder:
        with Pipeline("benchmark", cache_dir=folder) as pipeline:
            llm = OpenAILLM(model="m", base_url=f"{url}/v1")
            ask = TextGeneration(llm=llm, system_prompt=SYSTEM, input_batch_size=50)
            LoadDataFromDicts(data=rows, batch_size=50) >> ask
        started = time.perf_counter()
        pipeline.run(use_cache=True)
        return Measured(workload.number, time.perf_counter() - started, peak_mib())


def alone(name: str, function: Callable[..., Measured], *arguments: Any) -> Measured | None:
    """Measure in a fresh process, and print what came of it. None where a peer is not there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            measured = process.submit(function, *arguments).result()
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            return None
    figures = asdict(measured) | {"tokens_a_second": measured.pace, "request_ms": measured.request_ms}
    shown = {key: round(value, 3) for key, value in figures.items() if value}
    print(json.dumps({"measured": name, **shown}), file=sys.stderr, flush=True)
    return measured


def overhead(options: argparse.Namespace) -> dict[str, float]:
    """Measure what a request costs without a model, and the peers beside it."""
    figures = {}
    with endpoint() as url:
        for size in options.sizes:
            load = Workload(size)
            alone("bare client", bare_client, url, load)
            if ours := alone("datagen", datagens_client, url, load):
                figures = {"request_ms": ours.request_ms, "peak_mib": ours.peak_mib}
            if size > options.peers_most:
                continue
            if options.datatrove is not None:
                alone("datatrove", datatrove, url, load, options.datatrove, False)
                alone("datatrove, durable", datatrove, url, load, options.datatrove, True)
            if options.distilabel is not None:
                alone("distilabel", distilabel, url, load, options.distilabel)
    return figures


def engines(options: argparse.Namespace) -> dict[str, float]:
    """Measure datagen beside a bare call, and both orders of the requests."""
    spec = VllmModel(model=options.model, window=options.window, options=json.loads(options.engine))
    load, shuffled = (Workload(options.requests, options.tokens, shuffled) for shuffled in (False, True))
    bare = alone("one LLM.chat call", bare_chat, spec, load)
    ours = alone("datagen", through_datagen, spec, load)
    mixed = alone("datagen, shuffled", through_datagen, spec, shuffled)
    if not (bare and ours and mixed):
        return {}
    return {"vllm_ratio": ours.pace / bare.pace, "prefix_gain": ours.pace / mixed.pace}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=("overhead", "engines"), help="one half of it")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--datatrove", nargs="?", const="", help="a checkout's folder, or none: as installed")
    parser.add_argument("--distilabel", nargs="?", const="", help="the same")
    parser.add_argument("--peers-most", type=int, default=10_000, help="the largest size for peers")
    parser.add_argument("--requests", type=int, default=2_000, help="to the model")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer, at most")
    parser.add_argument("--model", default="bundled", help="as in a recipe")
    parser.add_argument("--window", type=int, default=128, help="as in a recipe")
    parser.add_argument("--engine", default="{}", help="further arguments of vLLM, as JSON")
    options = parser.parse_args()
    figures: dict[str, float | None] = dict.fromkeys(("vllm_ratio", "prefix_gain", "request_ms", "peak_mib"))
    if options.only != "engines":
        figures |= overhead(options)
    if options.only != "overhead":
        figures |= engines(options)
    print(json.dumps({name: value and round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
