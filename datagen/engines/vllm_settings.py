"""
Settings of vLLM: environment variables, arguments of an engine, and the size of its cache.

On a CPU, vLLM's defaults leave cores idle and spend time on useless warm-up. On a GPU its defaults apply. A
model's `options` override all of these settings.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from datagen.cluster.hardware import has_bfloat16
from datagen.json_types import JsonObject
from datagen.recipe.roles import VllmModel

FEW_CORES = 8  # up to this number, bind all cores: vLLM's default of leaving one free costs throughput
EAGER = True  # on a CPU, where compilation takes a minute without benefit
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


def environment(given: Mapping[str, str], bound: Sequence[int] = (), compiled: bool = True) -> dict[str, str]:
    """
    Return the environment variables of vLLM's process.

    Those `given` prevail, except that OpenMP's threads are bound to the cores `bound`, one each. Without any,
    vLLM starts a worker process of its own and binds its threads. Unless the model is `compiled`, nothing is;
    otherwise the first request would compile the sampler.
    """
    defaults = {
        "VLLM_NO_USAGE_STATS": "1",  # no data may leave the machine
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "TORCH_LOGS": "-all",  # errors only: otherwise it warns that triton is missing
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # the process has threads, so forking may deadlock
        SEVERAL_PROCESSES: "0" if bound else "1",  # with one process, vLLM is imported once
    }
    if not compiled:
        defaults["TORCH_COMPILE_DISABLE"] = "1"
    variables = defaults | dict(given)
    if bound and variables[SEVERAL_PROCESSES] == "0":  # Intel's OpenMP reads both as well
        variables["GOMP_CPU_AFFINITY"] = " ".join(map(str, bound))
        variables["OMP_NUM_THREADS"] = str(len(bound))
        variables["LD_PRELOAD"] = ":".join([*preloaded(), *filter(None, [given.get("LD_PRELOAD")])])
    return variables


def preloaded() -> list[str]:
    """
    List the libraries that a process with a model on a CPU has to load first, as vLLM does for its own.

    These are an allocator, and PyTorch's OpenMP: otherwise vLLM's operators load the system's, and the
    threads of both share one core.
    """
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        return []
    packages = Path(spec.origin).parents[1]
    patterns = ("vllm/libs/libtcmalloc*.so*", "torch.libs/libgomp*.so*", "torch/lib/libgomp*.so*")
    return [str(library) for pattern in patterns for library in sorted(packages.glob(pattern))]


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
            "enforce_eager": EAGER,
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
