"""Whisper in libraries that do not fit into the course's environment; run by `tools.bench` in their own.

`make bench ENGINES=folder` takes environments of that folder, made with these commands:

    python3.12 -m venv openvino && openvino/bin/pip install optimum-intel==2.2.0 openvino==2026.4.1 \
        openvino-genai openvino-tokenizers nncf
    python3.12 -m venv onnxruntime && onnxruntime/bin/pip install "optimum-onnx[onnxruntime]"
    python3.12 -m venv whispercpp && whispercpp/bin/pip install pywhispercpp

All three convert the course's own whisper-base. This file needs only numpy and the engine.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RATE, WARM_UP_SECONDS = 16_000, 12
LANGUAGES = {"en": "english", "es": "spanish", "fr": "french"}


def openvino(folder: Path, threads: int):
    """OpenVINO GenAI, its own sequential algorithm, greedy."""
    import openvino_genai

    model = openvino_genai.WhisperPipeline(str(folder), "CPU", INFERENCE_NUM_THREADS=threads)

    def run(samples, language):
        options = {"language": f"<|{language}|>", "task": "transcribe", "return_timestamps": True}
        return model.generate(samples.tolist(), **options).texts[0]

    return run


def onnxruntime(folder: Path, threads: int):
    """Transformers' sequential algorithm over ONNX Runtime, greedy."""
    import onnxruntime as engine
    from optimum.onnxruntime import ORTModelForSpeechSeq2Seq
    from transformers import WhisperFeatureExtractor, WhisperTokenizerFast, pipeline

    settings = engine.SessionOptions()
    settings.intra_op_num_threads = threads
    model = ORTModelForSpeechSeq2Seq.from_pretrained(folder, session_options=settings)
    recognise = pipeline(
        "automatic-speech-recognition",
        model=model,
        # From this one file: the transformers of that environment does not read version 5's settings.
        tokenizer=WhisperTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")),
        feature_extractor=WhisperFeatureExtractor.from_pretrained(folder),
    )

    def run(samples, language):
        options = {"language": LANGUAGES[language], "num_beams": 1}
        sound = {"array": samples, "sampling_rate": RATE}
        return recognise(sound, return_timestamps=True, generate_kwargs=options)["text"]

    return run


def whispercpp(file: Path, threads: int):
    """whisper.cpp, its own sequential algorithm, greedy."""
    from pywhispercpp.model import Model

    model = Model(str(file), n_threads=threads, print_progress=False, print_realtime=False)

    def run(samples, language):
        return " ".join(segment.text.strip() for segment in model.transcribe(samples, language=language))

    return run


ENGINES = {"openvino": openvino, "onnxruntime": onnxruntime, "whispercpp": whispercpp}


def convert(engine: str, python: str, checkpoint: str, target: Path, weights: str = "int8") -> None:
    """Write the checkpoint in the engine's form; nothing where it is there already."""
    if target.exists():
        return
    if engine == "whispercpp":
        subprocess.run([sys.executable, "-m", "tools.ggml", checkpoint, str(target)], check=True)
        return
    command = [python.replace("bin/python", "bin/optimum-cli"), "export"]
    command += ["openvino" if engine == "openvino" else "onnx", "--model", checkpoint]
    command += ["--task", "automatic-speech-recognition-with-past"]
    command += ["--weight-format", weights] if engine == "openvino" else []
    subprocess.run([*command, str(target)], check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if engine == "onnxruntime":
        shutil.copy(Path(checkpoint) / "tokenizer.json", target)


def measure(run, folder: Path, threads: int) -> None:
    """Transcribe every NAME.LANGUAGE.npy of the folder and print what was measured, one JSON a line.

    Loading and a warm-up on the first seconds are not timed. With one thread "seconds" are those of the
    processor, so that other programs on the machine do not count. "memory" is the peak so far, in MB.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    files = sorted(folder.glob("*.npy"))
    first = np.load(files[0])
    run(first[: WARM_UP_SECONDS * RATE].copy(), files[0].stem.rpartition(".")[2])
    for file in files:
        samples, language = np.load(file), file.stem.rpartition(".")[2]
        begin = clock()
        text = run(samples, language)
        seconds = clock() - begin
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"recording": file.stem, "seconds": seconds, "memory": memory, "text": text}
        print("@" + json.dumps(row), flush=True)


if __name__ == "__main__":
    engine, converted, wanted, threads = sys.argv[1:]
    measure(ENGINES[engine](Path(converted), int(threads)), Path(wanted), int(threads))
