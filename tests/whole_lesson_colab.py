"""One lesson on a look-alike of Colab, from a notebook alone in an empty folder: `make test-hub`."""

import pytest
from packaging.utils import canonicalize_name

from tests.colab import image
from tests.hub import client, content, loading
from tests.hub.server import Hub
from tools import notebooks

LESSON = "02_ctc_probing"
"""It needs most of what Colab lacks, and data sets and checkpoints from the Hub."""


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    return image.Colab(tmp_path_factory.mktemp("machine") / "colab")


def test_a_notebook_alone_on_colab(colab, tmp_path):
    home, content_folder = tmp_path / "home", tmp_path / "content"
    home.mkdir()
    client.give_packages(home)
    content_folder.mkdir()
    text = (notebooks.NOTEBOOKS / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert text.count(notebooks.wheel()) == 1
    notebook = content_folder / f"{LESSON}.ipynb"
    notebook.write_text(text.replace(notebooks.wheel(), str(colab.wheel)), encoding="utf-8")
    assert colab.wheel.stat().st_size < 30e6, "more than a learner on a phone's network should download"
    before = colab.packages()
    with Hub(content.build(tmp_path / "hub", loading.of(notebooks.source(LESSON)).repositories)) as server:
        environment = client.environment(server.url, home) | colab.environment
        environment["PYTHONPATH"] = str(client.GUARD)
        del environment["ASR_SOURCE"]
        client.execute(notebook, environment, "--inplace", python=colab.python)
    assert client.left_loopback(home) == ""
    assert f"Lesson {LESSON[:2]} · source: hub" in client.printed(notebook), "on Colab the Hub is the default"
    assert server.asked("GET .*/resolve/")

    after = colab.packages()
    assert {name for name in after if after[name] != before.get(name)} == image.missing() | {"asr-course"}
    assert before.items() <= after.items(), "something that was there has changed"
    for package in image.FROZEN:
        assert canonicalize_name(package) in before
        assert not (colab.site / package).exists()
