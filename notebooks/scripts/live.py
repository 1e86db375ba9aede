"""Words that appear while you speak: a page for your microphone, on this machine only. Ctrl+C ends it.

python live.py --language fr
"""

import argparse
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, takewhile
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

SECOND, TOKEN = 16_000, secrets.token_urlsafe()
PAGE = """<!doctype html><meta charset="utf-8"><title>Live</title>
<button id="go">Start</button> or a file <input id="file" type="file"> <span id="files"></span>
<p style="font: 1.3em sans-serif"><span id="sure"></span><i id="guess"></i></p>
<script>
const worklet = `registerProcessor("blocks", class extends AudioWorkletProcessor {
  process([input]) { if (input.length) this.port.postMessage(input[0].slice()); return true } })`
const url = (...parts) => URL.createObjectURL(new Blob(parts, {type: "text/javascript"}))
async function talk(rate, queue, most, more) {  // one request at a time; what gathers meanwhile goes next
  const id = crypto.randomUUID(), where = `${location.search}&id=${id}&rate=${rate}`
  addEventListener("pagehide", () => navigator.sendBeacon("end" + where))
  const ask = async (what, body) => {
    const answer = await (await fetch(what + where, {method: "POST", body})).json()
    sure.textContent = answer.cues.map(cue => cue[2]).join(" ") + answer.sure
    guess.textContent = answer.guess
    return answer
  }
  while (more() || queue.length) {
    await new Promise(done => setTimeout(done, more() ? 250 : 0))
    await ask("hear", new Blob(queue.splice(0, most)))
  }
  const {cues} = await ask("end"), clock = seconds => new Date(1000 * seconds).toISOString().slice(11, 23)
  const times = ([start, end]) => `${clock(start)} --> ${clock(end)}\\n`
  const safe = text => text.replace(/[&<]/g, sign => ({"&": "&amp;", "<": "&lt;"})[sign])
  const texts = {txt: cues.map(cue => cue[2] + "\\n"),
    vtt: cues.map(cue => `\\n${times(cue)}${safe(cue[2])}\\n`),
    srt: cues.map((cue, n) => `${n + 1}\\n${times(cue).replaceAll(".", ",")}${cue[2]}\\n\\n`)}
  for (const [kind, lines] of Object.entries(texts)) {
    const link = document.createElement("a")
    Object.assign(link, {id: kind, textContent: kind, download: `live.${kind}`})
    link.href = url(kind === "vtt" ? "WEBVTT\\n" : "", ...lines); files.append(link, " ")
  }
}
go.onclick = async () => { try {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true}), context = new AudioContext()
  await context.audioWorklet.addModule(url(worklet))
  const node = new AudioWorkletNode(context, "blocks"), queue = []
  let on = true
  node.port.onmessage = event => { if (on) queue.push(event.data) }
  context.createMediaStreamSource(stream).connect(node).connect(context.destination)
  go.textContent = "Stop"; file.disabled = true
  go.onclick = () => { on = false; stream.getTracks().forEach(track => track.stop()); go.disabled = true }
  await talk(context.sampleRate, queue, Math.ceil(5 * context.sampleRate / 128), () => on)
} catch (error) { guess.textContent = error } }
file.onchange = async () => { try {
  const bytes = await file.files[0].arrayBuffer(), queue = []
  const sound = (await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes)).getChannelData(0)
  for (let at = 0; at < sound.length; at += 16000) queue.push(sound.slice(at, at + 16000))
  go.disabled = file.disabled = true
  await talk(16000, queue, 1, () => false)
} catch (error) { guess.textContent = error } }
</script>"""

model = WhisperModel(options.model, device="auto", compute_type="int8")
words = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, "transcribe", options.language)
lock, sessions = threading.Lock(), {}


class Listener:
    """`past` and `known` are confirmed and never change; `guess` is what the last pass heard behind them."""

    def __init__(self, rate):
        self.stream, self.sound = soxr.ResampleStream(rate, SECOND, 1, dtype="float32"), np.zeros(0, "f4")
        self.past, self.known, self.guess, self.fresh, self.ahead, self.last = [], [], [], 0, 0.0, 0.0

    def hear(self, samples, end=False):
        self.last, new = time.monotonic(), self.stream.resample_chunk(samples, last=end)
        self.sound, self.fresh = np.concatenate([self.sound, new]), self.fresh + len(new)
        odds = get_vad_model()(np.pad(self.sound, (0, 512 - len(self.sound) % 512))).ravel()
        spoken = np.flatnonzero(odds > 0.35)
        if len(spoken) < 3 and not self.known:
            self.drop(max(0, len(self.sound) - SECOND))
            self.guess = []
            return
        quiet = len(odds) - 1 - max(spoken, default=0)  # frames of 32 ms; the longer it is, the less will do
        over = end or quiet > 25 - len(self.sound) // SECOND
        if over or self.fresh >= SECOND:
            self.listen(over)

    def listen(self, over):
        length = min(30 * SECOND, max(12 * SECOND, len(self.sound) + SECOND)) // 320 * 320
        padded = np.pad(self.sound, (0, max(0, length - len(self.sound))))[:length]
        encoded = model.encode(model.feature_extractor(padded, padding=0).astype("f4"))
        said = list(chain(*self.known))
        prompt = [*words.sot_sequence, words.no_timestamps, *said]  # it can only go on from what is confirmed
        limit = min(
            224, max(16, 25 * len(self.sound) // SECOND)
        )  # more tokens are a loop
        for again in ({}, {"no_repeat_ngram_size": 3}):
            how = {"beam_size": 1, "max_length": 2 * limit, "suppress_blank": False} | again
            written = model.model.generate(encoded, [prompt], **how)[0].sequences_ids[0][len(said) :]
            if len(said) + len(written) < limit:
                break
        heard = words.split_to_word_tokens([token for token in written if token < words.eot])[1]
        agreed = takewhile(lambda pair: pair[0] == pair[1], zip(self.guess, heard, strict=False))
        same = len(heard) if over else len(list(agreed))  # with the pass before
        self.known, self.guess, self.fresh = self.known + heard[:same], heard[same:], 0
        if over:
            start, end = self.ahead, self.ahead + len(self.sound) / SECOND
            self.past.append((start, end, words.decode(list(chain(*self.known))).strip()))
            self.known = []
            self.drop(len(self.sound))

    def drop(self, samples):
        self.sound, self.ahead = self.sound[samples:], self.ahead + samples / SECOND

    def answer(self):
        return {
            "cues": [cue for cue in self.past if cue[2].strip()],
            "sure": words.decode(list(chain(*self.known))),
            "guess": words.decode(list(chain(*self.guess))),
        }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send(lambda values: ("text/html", PAGE))

    def do_POST(self):
        sound = np.frombuffer(self.rfile.read(int(self.headers["Content-Length"] or 0)), "<f4")
        self.send(lambda values: ("application/json", json.dumps(self.heard(values, sound))))

    def heard(self, values, sound):
        end, key, now = urlsplit(self.path).path == "/end", values["id"], time.monotonic()
        with lock:
            for old in [old for old, each in sessions.items() if each.last < now - 300]:
                del sessions[old]  # a browser that was killed says nothing
            if key not in sessions:
                sessions[key] = Listener(int(values["rate"]))
            sessions[key].hear(sound, end)
            return (sessions.pop(key) if end else sessions[key]).answer()

    def send(self, answer):
        values, port = dict(parse_qsl(urlsplit(self.path).query)), self.server.server_port
        known = self.headers["Host"] in (f"127.0.0.1:{port}", f"localhost:{port}")
        right = secrets.compare_digest(values.get("token", ""), TOKEN)
        kind, text = answer(values) if known and right else ("text/plain", "Open the printed address.")
        self.send_response(200 if known and right else 403)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", len(text.encode()))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"Open http://127.0.0.1:{server.server_port}/?token={TOKEN}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sessions.clear()  # soxr complains of resamplers that are left at the exit
    print("Ended.")
