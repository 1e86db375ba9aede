"use strict";
const $ = id => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const WORKLET = `registerProcessor("pieces", class extends AudioWorkletProcessor {
  constructor() { super(); this.block = new Float32Array(Math.round(sampleRate / 4)); this.filled = 0; }
  process([channels]) {
    for (let i = 0; channels.length && i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === this.block.length) { this.port.postMessage(this.block.slice()); this.filled = 0; }
    }
    return true;
  }
})`;
let run = null;  // what is being heard: {session, rate, queue, most, have, busy, ending, release}

for (const code of ["auto", "each", ...CODES]) {
  const name = {auto: "detected once", each: "detected for every utterance"}[code]
    || new Intl.DisplayNames(["en"], {type: "language", fallback: "code"}).of(code);
  if (CODES.length > 1 || code.length < 4) $("language").append(new Option(name, code));
}
$("task-label").hidden = CODES.length < 2;

function address(what) {
  const values = {token, session: run.session, rate: run.rate, have: run.have, language: $("language").value,
    task: $("translate").checked ? "translate" : "transcribe"};
  return `${what}?${new URLSearchParams(values)}`;
}

function say(text) { $("status").textContent = text; }

function controls(active) {
  for (const id of ["start", "file", "language", "translate"]) $(id).disabled = active;
  $("stop").disabled = !active;
}

function begin(rate, most, release) {
  if (run) leave();
  const session = Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, "0"));
  run = {session: session.join(""), rate, most, release, queue: [], have: 0, busy: false, ending: false};
  $("confirmed").textContent = $("tentative").textContent = "";
  $("downloads").hidden = true;
  controls(true);
  return run;
}

async function post(what, body) {
  let answer;
  try {
    answer = await fetch(address(what), {method: "POST", body});
  } catch {
    throw new Error("The program behind this page has ended.");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function show(answer) {
  const box = $("words"), low = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const node = $("confirmed").firstChild || $("confirmed").appendChild(document.createTextNode(""));
  node.appendData(answer.words.join(""));
  run.have += answer.words.length;
  $("tentative").textContent = answer.tentative;
  if (low) box.scrollTop = box.scrollHeight;
}

// One request at a time, with all that has gathered meanwhile: a slow machine loses nothing, it falls behind.
async function pump() {
  const mine = run;
  if (!mine || mine.busy) return;
  mine.busy = true;
  try {
    while (mine.queue.length || mine.ending) {
      if (!mine.queue.length) {
        say("Finishing …");
        finish(await post("stop"));
        break;
      }
      const blocks = [mine.queue.shift()];
      let length = blocks[0].length;
      while (mine.queue.length && length + mine.queue[0].length <= mine.most * mine.rate) {
        length += mine.queue[0].length;
        blocks.push(mine.queue.shift());
      }
      const body = new Float32Array(length);
      blocks.reduce((place, block) => (body.set(block, place), place + block.length), 0);
      const answer = await post("hear", body);
      if (run !== mine) return;
      show(answer);
      const behind = mine.queue.reduce((sum, block) => sum + block.length, 0) / mine.rate;
      const lag = behind > 1 ? `, ${behind.toFixed(0)} s to go` : "";
      if (!mine.ending) say(`Listening${answer.language ? " to " + answer.language : ""}${lag}`);
      else say(`Finishing${lag} …`);
    }
  } catch (error) {
    if (run === mine) fail(error.message);
  } finally {
    mine.busy = false;
  }
}

function stop() {
  if (!run || run.ending) return;
  run.ending = true;
  $("stop").disabled = true;
  if (run.release) run.release(); else run.queue.length = 0;
  pump();
}

function finish(answer) {
  show(answer);
  for (const kind of ["txt", "srt", "vtt"]) {
    URL.revokeObjectURL($(kind).href);
    $(kind).href = URL.createObjectURL(new Blob([answer[kind]], {type: "text/plain;charset=utf-8"}));
  }
  $("downloads").hidden = !answer.txt;
  say(answer.txt ? "Done." : "Done: no speech was heard.");
  run = null;
  controls(false);
}

function fail(text) {
  if (run && run.release) run.release();
  run = null;
  controls(false);
  say(text);
}

function leave() {
  if (run) navigator.sendBeacon(address("end"));
}

const REFUSED = {
  NotAllowedError: "The microphone was refused. Allow it beside the address of this page, and start again.",
  NotFoundError: "There is no microphone. Connect one, or choose a file.",
  NotReadableError: "Another program holds the microphone. Close that one, and start again.",
};

async function microphone() {
  if (!navigator.mediaDevices) {
    say("The browser gives no microphone to this address. Open the page at http://127.0.0.1.");
    return;
  }
  controls(true);
  let stream, context;
  try {
    const audio = {channelCount: 1, echoCancellation: false, noiseSuppression: false};
    stream = await navigator.mediaDevices.getUserMedia({audio});
    context = new AudioContext();  // at the device's own rate: Firefox refuses another one
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], {type: "text/javascript"})));
  } catch (error) {
    if (stream) stream.getTracks().forEach(track => track.stop());
    controls(false);
    say(REFUSED[error.name] || `The microphone cannot be used: ${error.message}`);
    return;
  }
  const node = new AudioWorkletNode(context, "pieces");
  const mine = begin(context.sampleRate, 5, () => {
    stream.getTracks().forEach(track => track.stop());
    context.close();
    mine.release = () => {};
    $("level").value = 0;
  });
  node.port.onmessage = event => {
    if (run !== mine || mine.ending) return;
    mine.queue.push(event.data);
    $("level").value = Math.sqrt(event.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    pump();
  };
  stream.getTracks()[0].onended = stop;
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
  say("Listening");
}

async function file() {
  const chosen = $("file").files[0];
  if (!chosen) return;
  controls(true);
  say(`Reading ${chosen.name} …`);
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(await chosen.arrayBuffer());
  } catch {
    controls(false);
    say(`The browser finds no sound in ${chosen.name} that it can read: choose another file.`);
    return;
  } finally {
    $("file").value = "";
  }
  const mono = sound.getChannelData(0);
  for (let c = 1; c < sound.numberOfChannels; c++) sound.getChannelData(c).forEach((x, i) => { mono[i] += x; });
  if (sound.numberOfChannels > 1) mono.forEach((x, i) => { mono[i] = x / sound.numberOfChannels; });
  const mine = begin(16000, 1, null);
  for (let at = 0; at < mono.length; at += 8000) mine.queue.push(mono.subarray(at, at + 8000));
  await pump();
  if (run === mine) stop();
}

$("start").onclick = microphone;
$("stop").onclick = stop;
$("file").onchange = file;
addEventListener("pagehide", leave);
