"""
Settings of vLLM: environment variables, arguments of an engine, and the size of its cache.

On a CPU, vLLM's defaults leave cores idle and spend time on useless warm-up. On a GPU its defaults apply. A
model's `options` override all of these settings.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from datagen.cluster.hardware import has_bfloat16
from datagen.json_types import JsonObject
from datagen.recipe.roles import VllmModel

FEW_CORES = 8  # up to this number, bind all cores: vLLM's default of leaving one free costs throughput
GIB = 2**30
SEVERAL_PROCESSES = "VLLM_ENABLE_V1_MULTIPROCESSING"


def bound_cores(cores: Sequence[int], parallel: int = 1) -> Sequence[int]:
    """
    Return those of the cores that this process may use to which the engine's threads are bound.

    On a small machine these are all (on two cores: 1.5 times the throughput). On a large one, or if several
    workers share the model (`parallel`), there are none and vLLM's default applies: one thread per physical
    core, one core free.
    """
    return cores if parallel == 1 and len(cores) <= FEW_CORES else ()


def environment(bound: Sequence[int]) -> dict[str, str]:
    """Return defaults for the environment variables that vLLM reads, given the cores to bind."""
    settings = {
        "VLLM_NO_USAGE_STATS": "1",  # no data may leave the machine
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "TORCH_LOGS": "-all",  # errors only: otherwise it warns that triton is missing
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # this process has threads, so forking may deadlock
    }
    if bound:  # scheduler and model in one process, which saves the import of vLLM in a second one
        settings[SEVERAL_PROCESSES] = "0"
    return settings


@contextmanager
def threads_bound(cores: Sequence[int]) -> Iterator[None]:
    """
    Bind the OpenMP threads of the processes started within to `cores`, one each; all may be used if empty.

    A worker process of its own is left to vLLM, which binds its threads. OpenMP reads the variables when a
    process loads it, so this process, which has loaded it, is not affected.
    """
    if os.environ.get(SEVERAL_PROCESSES) != "0":
        cores = ()
    names = ("GOMP_CPU_AFFINITY", "OMP_NUM_THREADS") if cores else ()  # Intel's OpenMP reads both as well
    before = {name: os.environ.get(name) for name in names}
    if cores:
        os.environ |= {"GOMP_CPU_AFFINITY": " ".join(map(str, cores)), "OMP_NUM_THREADS": str(len(cores))}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def engine_arguments(spec: VllmModel, model: str, cpu: bool, free: int) -> JsonObject:
    """
    Translate a model of the recipe to vLLM's ``EngineArgs``.

    `model` is a path or a hub id, `free` the free memory in bytes (CPU engine only).
    """
    arguments: JsonObject = {
        "model": model,
        "max_model_len": spec.max_model_len,
        "enable_prefix_caching": True,
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
        # Otherwise a small model fills a quarter of its JSON answers with line breaks up to the token limit.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if spec.revision and model == spec.model:  # a hub id
        arguments["revision"] = spec.revision
    if cpu:
        bfloat16 = has_bfloat16()  # where it is emulated, single precision is several times as fast
        arguments |= {
            "dtype": "bfloat16" if bfloat16 else "float32",
            "enforce_eager": True,  # compilation takes a minute without benefit on a CPU
            "block_size": 32,  # the minimum: a shared prefix misses the cache for at most 31 tokens, not 127
            "kv_cache_memory_bytes": cache_bytes(free, 2 if bfloat16 else 4),
        }
    return arguments | spec.options


def cache_bytes(free: int, width: int = 2) -> int:
    """
    Return the size of the KV cache: an eighth of the free memory, at least 2 GiB, at most half.

    2 GiB hold 90,000 tokens of the bundled model: a window of 128 requests of 700 tokens. `width` is the
    bytes per value: with 4 instead of bfloat16's 2, twice as much is taken.
    """
    return min(max(free // 8, 2 * GIB) * width // 2, free // 2)


def free_memory() -> int:
    """Return free memory as vLLM measures it (by node and cgroup), because vLLM checks its own figure."""
    from vllm.utils.cpu_resource_utils import get_memory_node_info, get_visible_memory_node

    return int(get_memory_node_info(get_visible_memory_node()[0]).available_memory)
