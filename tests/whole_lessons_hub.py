"""Every lesson from top to bottom with ASR_SOURCE=hub, against the Hub on loopback: `make test-hub`.

Each runs in a fresh kernel with an empty cache, and finds on the Hub what its code names and nothing else.
"""

import pytest

from tests.hub import client, content, loading
from tests.hub.server import Hub
from tools import notebooks


@pytest.mark.parametrize("slug", [entry["slug"] for entry in notebooks.longest_first()])
def test_a_lesson_on_the_hub(slug, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    client.give_packages(home)
    with Hub(content.build(tmp_path / "hub", loading.of(notebooks.source(slug)).repositories)) as server:
        variables = client.environment(server.url, home)
        client.execute(
            notebooks.NOTEBOOKS / f"{slug}.ipynb", variables, "--output=executed", f"--output-dir={tmp_path}"
        )
    assert client.left_loopback(home) == ""
    assert server.asked("GET .*/resolve/")
    text = client.printed(tmp_path / "executed.ipynb")
    assert f"Lesson {slug[:2]} · source: hub" in text
    assert "is replaced by" not in text, "on the Hub nothing is stood in for"
