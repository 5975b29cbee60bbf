"""A process that reads posts for an import: ``python -m flows.publishing.reader_process``.

Its stdin brings pickled lists of files, its stdout takes back one pickled answer a file,
at once, so that whoever asked knows which file it was reading when it died. It ends when
its stdin does, and that is when the import does, however it ended: nothing it was doing is
worth finishing. Terminal signals do not reach it, for it has a session of its own.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from queue import SimpleQueue
from typing import IO, Any

from flows.publishing.find_posts import PostPath
from flows.publishing.read_file import PostReader

_LENGTH = struct.Struct(">Q")


def main() -> None:
    """Answer until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    gc.freeze()
    gc.set_threshold(20_000)  # trees of pages are many small objects, all gone at once
    questions: SimpleQueue[tuple[str, Sequence[PostPath]]] = SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    try:
        send(answers, "ready")
        reader: PostReader | None = None
        while True:
            source, files = questions.get()
            reader = reader or PostReader(source)  # a process serves one import
            for found in files:
                send(answers, reader.read(found))
    except BrokenPipeError:
        os._exit(0)
    except BaseException:  # noqa: BLE001 - said, and then over at once: the other thread waits
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def send(out: IO[bytes], message: Any) -> None:
    """Write one message, whole."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    out.write(_LENGTH.pack(len(data)))
    out.write(data)
    out.flush()


def receive(source: IO[bytes]) -> Any:
    """The next message.

    Raises:
        EOFError: There is none, or it is cut off.
    """
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301 - from our own process, through a pipe only it has


def _listen(questions: SimpleQueue[tuple[str, Sequence[PostPath]]]) -> None:
    # In a thread of its own, so that the end is noticed in the middle of a file, too.
    try:
        while True:
            questions.put(receive(sys.stdin.buffer))
    except EOFError:
        os._exit(0)


if __name__ == "__main__":
    main()
