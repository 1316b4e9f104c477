"""A process in the place of `datagen.engines.vllm_process`, without vLLM: what it does is in the model's name."""

import pickle
import socket
import sys
import time

from datagen.engines.vllm_process import LENGTH, frame
from datagen.request import Completion


def main():
    connection = socket.socket(fileno=int(sys.argv[1]))
    received = connection.makefile("rb")

    def receive():
        return pickle.loads(received.read(LENGTH.unpack(received.read(LENGTH.size))[0]))

    spec, _ = receive()
    if spec.model == "dies while loading":
        sys.exit(9)
    if spec.model == "loads forever":
        time.sleep(600)
    connection.sendall(frame("it has no chat template" if spec.model == "unfit" else ""))
    asked = []
    while True:
        asked.append(receive())
        if asked[-1].request.row == "deadly":
            sys.exit(9)
        if spec.model == "hangs":
            time.sleep(600)
        if len(asked) == 2:  # answered in the reverse order
            for number, request, key in reversed(asked):
                connection.sendall(frame((number, Completion(key, request.row, "stop", "stub", "1"))))
            asked.clear()


if __name__ == "__main__":
    main()
