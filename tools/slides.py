"""`make slides`: lessons as slides of reveal.js in one file each, with the prose as speaker notes.

A heading opens a slide, and each code cell one below it, with its output. The room sees headings,
code, outputs, pictures, tables, predictions and exercises. All other prose becomes the notes (key S).
"""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import SlidesExporter

from tools import exercises
from tools.notebooks import NOTEBOOKS, choose
from tools.run import BUILD, PICTURE

REVEAL = "reveal.js-5.2.1.tgz"
SHA256 = "359b575dd51bbda32f89b2fd4c7dc46ad7389a805572158916c29252f7a27333"
"""npm's package reveal.js 5.2.1 (MIT)."""

_SKIPPED = {"setup", "exercise", "check", "solution", "progress", "further", "quiz"}
_SHOWN = re.compile(r"!\[|\||```|- |1\. |\*\*Before you run:\*\*|\*\*WER = ")
"""How a part begins that the room sees: picture, table, code, list, prediction, formula."""

TEMPLATE = """
{%- extends 'reveal/index.html.j2' -%}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block footer_js %}
<script>REVEAL_JS</script>
<script>NOTES_JS</script>
<script>
Reveal.initialize({
  width: 1120, height: 700, margin: 0.02, center: false, hash: true, slideNumber: "c/t", transition: "none",
  plugins: [RevealNotes]
});
</script>
{% endblock %}
"""

STYLE = """
:root { --r-main-color: #222; --r-background-color: #fff }
.reveal { font: 22px/1.4 system-ui, sans-serif; color: #222 }
.reveal h1, .reveal h2, .reveal h3 { line-height: 1.2; margin: 0 0 .5em }
.reveal h1 { font-size: 46px } .reveal h2 { font-size: 38px } .reveal h3 { font-size: 32px }
.reveal .slides > section > section, .reveal .slides > section:not(.stack) {
  height: 690px; overflow: auto; text-align: left; box-sizing: border-box
}
.reveal .jp-MarkdownOutput { font-size: 24px } .reveal img { max-width: 100%; max-height: 600px }
.reveal pre, .reveal .jp-OutputArea-output pre { font-size: 17px; line-height: 1.3; white-space: pre-wrap }
.reveal .highlight pre { font-size: 16px }
.reveal .jp-InputPrompt, .reveal .jp-OutputPrompt { display: none }
"""


def reveal(folder: Path = BUILD / "reveal") -> dict[str, str]:
    """Scripts and style of reveal.js, fetched once from npm: file's name to its text.

    Raises:
        SystemExit: npm is missing, does not have it, or has something else under the name.
    """
    archive = folder / REVEAL
    if not archive.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        if not shutil.which("npm"):
            sys.exit("reveal.js comes from npm: install Node.js with npm, and run make slides again.")
        version = REVEAL.removeprefix("reveal.js-").removesuffix(".tgz")
        if subprocess.run(["npm", "pack", "--silent", f"reveal.js@{version}"], cwd=folder).returncode:
            sys.exit("npm could not fetch reveal.js: connect to the network, and run make slides again.")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{archive} is not the pinned reveal.js: delete it, and run make slides again.")
    with tarfile.open(archive) as packed:
        files = {
            "reveal.js": "dist/reveal.js",
            "reveal.css": "dist/reveal.css",
            "notes.js": "plugin/notes/notes.js",
        }
        return {name: packed.extractfile(f"package/{place}").read().decode() for name, place in files.items()}


def blocks(text: str) -> list[str]:
    """Markdown's parts between empty lines; code and what is folded stay whole."""
    found, current, inside = [], [], ""
    for line in text.splitlines():
        if not inside and line.startswith("```"):
            inside = "```"
        elif inside == "```" and line.startswith("```"):
            inside = ""
        elif not inside and line.startswith("<details"):
            inside = "</details>"
        if inside == "</details>" and "</details>" in line:
            inside = ""
        if line.strip() or inside:
            current.append(line)
        elif current:
            found.append("\n".join(current))
            current = []
    return [*found, "\n".join(current)] if current else found


def on_slides(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The lesson's own cells, in their order, each with its place on the slides.

    Args:
        notebook: an executed lesson.
    """
    cells, bare = [], False
    for cell in copy.deepcopy(notebook).cells:
        if _SKIPPED & set(exercises.tags(cell)):
            bare = False
            continue
        if cell.cell_type == "code":
            # The first code under a heading stands on the heading's slide.
            cell.metadata["slideshow"] = {"slide_type": "-" if bare else "subslide"}
            cells.append(cell)
            bare = False
            continue
        task = False
        for block in blocks(cell.source):
            if block.startswith("#"):
                kind, bare, task = "slide", True, block.startswith("### Exercise")
            elif (task or _SHOWN.match(block)) and not block.startswith("<details"):
                kind, bare = "-" if bare or task else "subslide", task
            else:
                kind = "notes"
            metadata = {"slideshow": {"slide_type": kind}}
            if cells and kind == "notes" == cells[-1].metadata["slideshow"]["slide_type"]:
                cells[-1].source += f"\n\n{block}"
            else:
                cells.append(nbformat.v4.new_markdown_cell(block, metadata=metadata))
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def as_slides(notebook: nbformat.NotebookNode, title: str, files: dict[str, str]) -> str:
    """A lesson as one HTML file of slides that needs no file beside it and no network.

    Args:
        notebook: an executed lesson.
        title: of the page.
        files: from `reveal`.
    """
    template = TEMPLATE + PICTURE
    for mark, name in {"REVEAL_JS": "reveal.js", "NOTES_JS": "notes.js"}.items():
        template = template.replace(mark, f"{{% raw %}}{files[name]}{{% endraw %}}")
    exporter = SlidesExporter(
        embed_images=True, extra_loaders=[DictLoader({"slides.j2": template})], template_file="slides.j2"
    )
    resources = {"metadata": {"path": str(NOTEBOOKS.parent), "name": title}}
    page, _ = exporter.from_notebook_node(on_slides(notebook), resources=resources)
    style = f"<style>{files['reveal.css']}{STYLE}</style>"
    # The template links reveal.js' style and theme on a server.
    page, count = re.subn(r"<link [^>]*/dist/(reveal\.css|theme/)[^>]*>", "", page)
    assert count == 2, "nbconvert's template has changed"
    return page.replace("</head>", f"{style}</head>", 1)


def main(numbers: list[str]) -> int:
    files, target = reveal(), BUILD / "slides"
    target.mkdir(parents=True, exist_ok=True)
    for entry in choose(numbers or ["1"]):
        notebook = nbformat.read(NOTEBOOKS / f"{entry['slug']}.ipynb", as_version=4)
        page = as_slides(notebook, entry["title"], files)
        (target / f"{entry['slug']}.html").write_text(page, encoding="utf-8")
        print(
            f"build/slides/{entry['slug']}.html: open it in a browser; S shows the notes, F fills the screen"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
