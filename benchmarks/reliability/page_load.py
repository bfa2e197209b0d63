"""The local page under many at once: users that ask as fast as they are answered get answers of their own, or "busy".

    python benchmarks/reliability/page_load.py RUN [USERS] [REQUESTS]

Every user sends images of a height of its own, and tries again where the page is busy until it has had so many answers
of either kind.  Prints how many of which status, wrong answers, the longest wait, memory and descriptors.
"""

import http.client
import io
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import acdm
from acdm.core.memory import keep_memory, resident
from acdm.web.server import LocalServer


def picture(height: int, channels: int) -> bytes:
    pixels = np.random.default_rng(height).integers(0, 256, (height, 40, channels), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def main(run: Path, users: int, requests: int) -> None:
    keep_memory()
    page = LocalServer(acdm.load(run), run.name)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    headers = {"Token": page.token, "Origin": f"http://127.0.0.1:{page.port}", "Label": page.decomposer.classes[1]}
    counts: Counter[int] = Counter()
    wrong, waits = [], []

    def ask(content: bytes, height: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=600)
        began = time.perf_counter()
        connection.request("POST", "/decompose", content, headers)
        answer = connection.getresponse()
        body = answer.read()
        waits.append(time.perf_counter() - began)
        connection.close()
        if answer.status == 200 and json.loads(body)["gallery"]["images"][0]["height"] != height:
            wrong.append(height)
        return answer.status

    def user(number: int) -> None:
        content = picture(16 + number, page.decomposer.branches.channels)
        for _ in range(requests):
            counts[ask(content, 16 + number)] += 1

    ask(picture(64, page.decomposer.branches.channels), 64)
    before, files, most = resident(), len(os.listdir("/proc/self/fd")), 0.0
    began, threads = time.perf_counter(), [threading.Thread(target=user, args=(n,)) for n in range(users)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, resident())
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    time.sleep(1)
    print(
        f"{users} users x {requests} requests in {seconds:.0f} s: statuses {dict(counts)}, {len(wrong)} wrong answers"
    )
    print(f"longest wait {max(waits):.1f} s; memory grew by {most - before:.0f} MiB at the most", end="; ")
    print(f"descriptors {files} before, {len(os.listdir('/proc/self/fd'))} after")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(map(int, sys.argv[2:4] or ("50", "20"))))
