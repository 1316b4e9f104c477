"""
A run on three hosts, one of which is disconnected and another killed: no row may be lost or duplicated.

``python -m benchmarks.hosts --requests 20000`` (as root). The hosts are network namespaces of this machine,
each with an address, that share one folder: a scheduler with the run's client, a worker for CPU stages, and a
worker with the engine. During generation the CPU worker is disconnected for a minute; then the engine's host
is killed, and restarted ten seconds later.

The last line of output is JSON: ``lost`` and ``doubled`` rows, and requests that were sent again, of which
there may be as many as were in flight when the host was killed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks import add_quick
from datagen.request import Answers, Reject, Request, Sampling
from datagen.schema import chat
from datagen.stage import Builder, Context, ModelStage, Options, Outcome

ROOT = Path(__file__).parents[1]
CALLS = "HOSTS_CALLS"  # environment variable: the file to which the model writes each call
SAMPLES = 2  # requests of a document
BRIDGE, NETWORK = "dgbench", "10.77.0"
HOSTS = {"head": 2, "cpu": 3, "engine": 4}
PORT = 8786
WINDOW, LATENCY = 64, 0.2  # requests in flight, seconds of an answer
CUT_SECONDS, AWAY_SECONDS = 60, 10
WORKER = ("--no-dashboard", "--death-timeout", "300")
ENGINE = ("--resources", "engine=1", "--nthreads", "4")


def ask(passages: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Build several requests about each passage."""
    for row in passages.to_pylist():
        messages = chat(row["text"])
        for sample in range(SAMPLES):
            yield Request(
                row["id"],
                messages,
                "hosts",
                "0",
                task="fact",
                sampling=Sampling(max_tokens=20),
                sample=sample,
            )


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Turn each answer into a row."""
    built = Builder("examples", context)
    for row in passages.to_pylist():
        for answer in answers.of(row["id"]):
            question = f"{row['text']} ({answer.request.sample})"
            fields = {"kind": "instruction", "task": "fact", "question": question, "answer": answer.text}
            built.keep(fields | {"prompt": chat(question)}, row, answer)
        if not answers.of(row["id"]):
            built.drop(Reject("not answered"), {"kind": "instruction"}, row)
    return built.outcome()


asking = ModelStage("asking", "ask about passages", "passages", "examples", ask, read)


def model(request: Request) -> str:
    """Write the call to the log, and answer."""
    log = os.open(os.environ[CALLS], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(log, f"{request.row}/{request.sample}\n".encode())
    os.close(log)
    return "Yes."


@dataclass
class Network:
    """Namespaces on a bridge, and the processes in them."""

    folder: Path
    environment: dict[str, str]
    processes: list[tuple[str, "subprocess.Popen[bytes]"]] = field(default_factory=list)

    def start(self, host: str, *command: str) -> "subprocess.Popen[bytes]":
        """Start a command of this Python on a host."""
        log = (self.folder / f"{host}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{BRIDGE}-{host}", sys.executable, "-m", *command],
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.processes.append((host, process))
        return process

    def kill(self, host: str) -> None:
        """Kill all processes of a host."""
        for name, process in self.processes:
            if name == host and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def network(folder: Path, calls: Path) -> Iterator[Network]:
    """Set up the hosts; remove them and their processes when the block ends."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", CALLS: str(calls)}
    environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP"] = "300s"  # longer than the cut, see docs/cluster.md
    hosts = Network(folder, environment)
    with ExitStack() as stack:
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "del", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for host, number in HOSTS.items():
            space, end = f"{BRIDGE}-{host}", f"{BRIDGE}{number}"
            ip("netns", "add", space)
            stack.callback(ip, "netns", "del", space)
            ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", end, "master", BRIDGE, "up")
            ip("-n", space, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
            stack.callback(hosts.kill, host)
        yield hosts


def ip(*arguments: str) -> None:
    """Configure the network."""
    subprocess.run(["ip", *arguments], check=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    add_quick(parser, requests=4_000)
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("network namespaces need root")
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(Path(scratch), options.requests)))


def measure(folder: Path, requests: int) -> dict[str, object]:
    """Run the recipe on the hosts and compare its rows with the corpus."""
    calls, address = folder / "calls", f"tcp://{NETWORK}.{HOSTS['head']}:{PORT}"
    recipe = write_recipe(folder, requests // SAMPLES, address)
    with network(folder, calls) as hosts:
        scheduler = ("--host", f"{NETWORK}.{HOSTS['head']}", "--port", str(PORT), "--no-dashboard")
        hosts.start("head", "distributed.cli.dask_scheduler", *scheduler)
        worker = ("distributed.cli.dask_worker", address, *WORKER)
        hosts.start("cpu", *worker, "--nworkers", "1", "--nthreads", "1")
        hosts.start("engine", *worker, *ENGINE)
        started = time.monotonic()
        run = hosts.start("head", "datagen", "run", str(recipe))
        answered(calls, requests // 10, run)
        cut(hosts, "cpu")
        answered(calls, requests // 3, run)
        hosts.kill("engine")
        time.sleep(AWAY_SECONDS)
        hosts.start("engine", *worker, *ENGINE)
        failed = run.wait(timeout=3600)
        seconds = time.monotonic() - started
    if failed:
        logs = "\n".join(path.read_text()[-1500:] for path in sorted(folder.glob("*.log")))
        sys.exit(f"the run failed:\n{logs}")
    return account(folder, calls, requests) | {"seconds": round(seconds)}


def write_recipe(folder: Path, documents: int, address: str) -> Path:
    """Write a corpus of documents of one sentence and a recipe that asks about each."""
    texts = (f"The table says that the square of {number} is {number**2}." for number in range(documents))
    lines = (json.dumps({"text": text}) for text in texts)
    (folder / "facts.jsonl").write_text("\n".join(lines))
    scripted = {"engine": "scripted", "model": "benchmarks.hosts:model", "window": WINDOW, "latency": LATENCY}
    recipe = {
        "name": "hosts",
        "corpus": [{"path": "facts.jsonl"}],
        "models": {"generator": scripted},
        "cluster": {"address": address, "partition_mb": 0.1},
        "stages": {"ingest": {}, "chunk": {"min_chars": 1}, "asking": {"use": "benchmarks.hosts:asking"}},
    }
    path = folder / "hosts.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def answered(calls: Path, count: int, run: "subprocess.Popen[bytes]") -> None:
    """Wait until the engine has received this many requests, or the run has ended."""
    wait_for(lambda: run.poll() is not None or (calls.exists() and calls.read_bytes().count(b"\n") >= count))


def wait_for(condition: Callable[[], bool], seconds: float = 1800) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def cut(hosts: Network, host: str) -> None:
    """Disconnect a host for `CUT_SECONDS`."""
    end = f"{BRIDGE}{HOSTS[host]}"
    ip("link", "set", end, "down")
    time.sleep(CUT_SECONDS)
    ip("link", "set", end, "up")


def account(folder: Path, calls: Path, requests: int) -> dict[str, object]:
    """Count lost and duplicated rows, and requests that were sent more than once."""
    stage = folder / "outputs" / "hosts" / "latest" / "stages" / "asking"
    parts = [*stage.glob("*.parquet"), *(stage / "dropped").glob("*.parquet")]
    rows = Counter(key for path in parts for key in pq.read_table(path, columns=["id"])["id"].to_pylist())
    sent = Counter(calls.read_text().split())
    return {
        "requests": requests,
        "lost": requests - rows.total(),
        "doubled": sum(count - 1 for count in rows.values()),
        "sent": sent.total(),
        "sent_again": sum(count - 1 for count in sent.values()),
        "window": WINDOW,
    }


if __name__ == "__main__":
    main()
