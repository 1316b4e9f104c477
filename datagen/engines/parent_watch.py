"""
No process of an engine outlives the process that opened the engine, however that one ends.

vLLM starts a process for its scheduler, and that one starts the workers that hold the model. Left alone
they go on when the opener is killed, and keep their memory. vLLM calls `hold` in each of its processes
(entry point ``vllm.platform_plugins``, the earliest that there is: a process that is still loading must
be tied too), and there it waits for the opener's end and ends its own process with it.
"""

import os
import select
import signal
import threading
import time
from collections.abc import MutableMapping

OPENER = "DATAGEN_ENGINE_OPENER"  # the opener's process id; engine processes inherit it
POLL_SECONDS = 1.0  # where the system cannot tell of a process's end


def tie(environment: MutableMapping[str, str]) -> None:
    """Tie the engine processes that this process will start to its life."""
    environment[OPENER] = str(os.getpid())
    if "VLLM_PLUGINS" in environment:  # a list of those that may load
        names = [name for name in environment["VLLM_PLUGINS"].split(",") if name]
        environment["VLLM_PLUGINS"] = ",".join(dict.fromkeys([*names, "datagen"]))


def hold() -> None:
    """
    End this process when the opener ends.

    Does nothing in an opener, or in a vLLM of someone else's. To vLLM it says, by giving nothing back,
    that it offers no platform.
    """
    opener = int(os.environ.get(OPENER, os.getpid()))
    if opener != os.getpid():
        threading.Thread(target=_follow, args=[opener], name="lifeline", daemon=True).start()


def _follow(opener: int) -> None:
    try:
        end = os.pidfd_open(opener)  # Linux: readable once the process has ended
        select.select([end], [], [])
    except ProcessLookupError:
        pass  # it ended before we looked
    except (AttributeError, OSError):
        while _alive(opener):
            time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
