"""Words that appear while you speak: a page for your microphone, on this machine only. Ctrl+C ends it.

python live.py --language fr    (the page, live.html, lies in the same folder)
"""

import argparse
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, takewhile
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import soxr
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.vad import get_vad_model

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default="Systran/faster-whisper-base", help="name on the Hub, or a folder")
parser.add_argument("--language", default="en", help="code, e.g. fr")
options = parser.parse_args()
model = WhisperModel(options.model, device="auto", compute_type="int8")
tokens = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, "transcribe", options.language)
RATE, PAGE, TOKEN = 16_000, Path(__file__).with_name("live.html").read_text("utf-8"), secrets.token_urlsafe()
lock, sessions = threading.Lock(), {}


def transcribe(sound, known):
    """The words, as lists of tokens, that follow the known tokens: they are given, so they never change."""
    padded = np.pad(sound, (0, max(12, len(sound) // RATE + 2) * RATE - len(sound)))
    encoded = model.encode(model.feature_extractor(padded, padding=0).astype("f4"))
    prompt, most = [*tokens.sot_sequence, tokens.no_timestamps, *known], 32 + 50 * len(sound) // RATE
    limits = {"beam_size": 1, "max_length": min(448, most), "no_repeat_ngram_size": 5}  # against loops
    heard = model.model.generate(encoded, [prompt], suppress_blank=False, **limits)[0].sequences_ids[0]
    return tokens.split_to_word_tokens([each for each in heard[len(known) :] if each < tokens.eot])[1]


class Listener:
    """`cues` and `known` are confirmed and never change; `guess` is what the last pass heard behind them."""

    def __init__(self, rate):
        self.stream, self.sound = soxr.ResampleStream(rate, RATE, 1, dtype="float32"), np.zeros(0, "f4")
        self.cues, self.known, self.guess, self.fresh, self.total = [], [], [], 0, 0

    def hear(self, samples, end):
        new = self.stream.resample_chunk(samples, last=end)
        self.sound = np.append(self.sound, new)
        self.fresh, self.total = self.fresh + len(new), self.total + len(new)
        odds = get_vad_model()(np.pad(self.sound, (0, 512 - len(self.sound) % 512))).ravel()
        spoken = np.flatnonzero(odds > 0.35)  # frames of 32 ms
        if len(spoken) < 3 and not self.known:  # shorter than any word
            self.sound, self.guess = self.sound[-RATE:], []
            return
        quiet = len(odds) - 1 - max(spoken, default=0)  # the longer the sound, the shorter a pause ends it
        over = end or quiet > 25 - len(self.sound) // RATE
        if over or self.fresh >= RATE:
            heard, self.fresh = transcribe(self.sound, self.known), 0
            agreed = takewhile(lambda pair: pair[0] == pair[1], zip(self.guess, heard, strict=False))
            same = len(heard) if over else len(list(agreed))  # with the pass before
            self.known, self.guess = [*self.known, *chain(*heard[:same])], heard[same:]
        if over:
            if text := tokens.decode(self.known).strip():
                self.cues.append(((self.total - len(self.sound)) / RATE, self.total / RATE, text))
            self.sound, self.known = self.sound[:0], []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked, host = urlsplit(self.path), f"127.0.0.1:{self.server.server_port}"
        values = {"token": ""} | dict(parse_qsl(asked.query))
        if self.headers["Host"] != host or not secrets.compare_digest(values["token"], TOKEN):
            return self.send_error(403, "Open the printed address")
        answer = self.heard(values, asked.path == "/end") if self.command == "POST" else PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(answer.encode())

    do_POST = do_GET

    def heard(self, values, end):
        samples = np.frombuffer(self.rfile.read(int(self.headers["Content-Length"])), "<f4")
        with lock:  # one tab after the other; of tabs that vanished the last eight are kept
            each = sessions.pop(values["id"], None) or Listener(int(values["rate"]))
            each.hear(samples, end)
            if not end:
                sessions[values["id"]] = each
            if len(sessions) > 8:
                del sessions[next(iter(sessions))]
            guess = tokens.decode(list(chain(*each.guess)))
        return json.dumps({"cues": each.cues, "sure": tokens.decode(each.known), "guess": guess})

    def log_message(self, *_): ...


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"Open http://127.0.0.1:{server.server_port}/?token={TOKEN}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sessions.clear()  # soxr complains of resamplers that are left at the exit
    print("Ended.")
