"""An offline lesson in an empty home leaves there the course's cache, and the folders that Jupyter needs."""

import os
import subprocess
import sys

import nbformat

from tools.notebooks import ROOT

CELLS = (
    'from helpers import course\ncourse.start("01")',
    """
import evaluate
import matplotlib.pyplot as plt
import torch
from datasets import Audio, load_dataset
from transformers import pipeline
from helpers import audio, catalog

device = "cuda" if torch.cuda.is_available() else "cpu"
name = "hf-internal-testing/librispeech_asr_dummy"
clips = load_dataset(**catalog.data(name, "clean"), split="validation")
clips = clips.cast_column("audio", Audio(decode=False))
checkpoint = catalog.model("facebook/wav2vec2-base-100h")
asr = pipeline("automatic-speech-recognition", model=checkpoint, device=device)
wer = evaluate.load(catalog.metric("wer"))
""",
    """
texts = clips.map(lambda row: {"words": len(row["text"].split())})
heard = asr(audio.read(clips[0]["audio"]))["text"]
print(wer.compute(references=[clips[0]["text"]], predictions=[heard]) < 1, len(texts))
plt.plot([1, 2]);
""",
)
MAY_BE_THERE = (".cache/asr-course", ".cache/matplotlib", ".config/matplotlib", ".ipython", ".jupyter")
MAY_BE_THERE += (".local/share/jupyter",)


def test_an_empty_home_stays_clean(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    ours = ("HF_", "ASR_", "XDG_", "JUPYTER_", "IPYTHON", "MPL", "TORCH", "TRANSFORMERS_")
    plain = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment = plain | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
    command += [str(tmp_path / "lesson.ipynb")]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    outputs = nbformat.read(tmp_path / "lesson.ipynb", as_version=4).cells[-1].outputs
    assert outputs[0].text == "True 73\n"
    written = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    assert any(path.startswith(".cache/asr-course/huggingface/datasets") for path in written)
    assert [path for path in written if not path.startswith(MAY_BE_THERE)] == []
