"""One question to a Hub on loopback and every way in which it fails; the copy that `prefetch` makes."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from tests.hub import client, content
from tests.hub.server import Fault, Hub

LARGE = 300_000
ADVICE = "set ASR_SOURCE=offline and start again"
QUICK = "hub.SECONDS, hub.PATIENCE = 2, 4"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """Three of the course's data sets, one of its checkpoints, and two small ones without meaning."""
    names = ["facebook/wav2vec2-base-100h", "facebook/multilingual_librispeech", "google/fleurs"]
    root = content.build(tmp_path_factory.mktemp("hub"), [*names, "stanfordnlp/imdb"])
    folder = root / "models" / "course" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(bytes(range(250)) * (LARGE // 250))
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / "tf_model.h5").write_bytes(b"other")
    pickled = root / "models" / "course" / "pickled"
    pickled.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"pickled")
    return root


@pytest.fixture(scope="module")
def server(repositories):
    with Hub(repositories) as hub:
        yield hub


@pytest.fixture
def hub(server):
    """The Hub without faults."""
    server.faults.clear()
    server.requests.clear()
    yield server
    server.faults.clear()


def python(url, home, code, **variables):
    """Run code in a Python of its own on the Hub's source: what it wrote, and the seconds it took."""
    home.mkdir(exist_ok=True)
    begin = time.perf_counter()
    plain = {key: value for key, value in client.environment(url, home).items() if "proxy" not in key.lower()}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=plain | variables, capture_output=True, text=True)
    assert client.left_loopback(home) == ""
    return result, time.perf_counter() - begin


def question(url, home, settings=QUICK, **variables):
    """The sentence with which `ask` fails; "" if the Hub answers."""
    code = (
        f"from helpers.supply import SupplyError, hub\n{settings}\n"
        "try: hub.ask()\nexcept SupplyError as error: print(error)"
    )
    result, seconds = python(url, home, code, **variables)
    assert result.returncode == 0, result.stderr
    assert seconds < 30
    sentence = result.stdout.removesuffix("\n")
    assert "\n" not in sentence and "Traceback" not in sentence
    assert not sentence or sentence.endswith(f", or {ADVICE}.")
    return sentence


# ---- the question ------------------------------------------------------------------------------------------


def test_a_hub_that_answers_is_asked_one_question(hub, tmp_path):
    assert question(hub.url, tmp_path / "home") == ""
    assert [(method, path) for method, path, _ in hub.requests] == [("GET", "/api/models")]


FAULTS = {
    "silent": (Fault(".", seconds=8), "has not answered for 2 s: try again later"),
    "dripping": (Fault(".", drip=0.5), "has not answered for 4 s: try again later"),
    "401": (Fault(".", status=401), r"refuses your token \(HTTP 401\): log in anew with `hf auth login`"),
    "403": (Fault(".", status=403), r"refuses your token \(HTTP 403\)"),
    "404": (Fault(".", status=404), r"is not the Hub \(HTTP 404\): check HF_ENDPOINT"),
    "429": (Fault(".", status=429, headers={"Retry-After": "300"}), r"\(HTTP 429\): wait 300 s, log in"),
    "429 without a time": (Fault(".", status=429), "wait some minutes, log in"),
    "500": (Fault(".", status=500), r"trouble of its own \(HTTP 500\): try again in some minutes"),
    "503": (Fault(".", status=503), r"trouble of its own \(HTTP 503\)"),
    "captive portal": (
        Fault(".", status=200, headers={"Content-Type": "text/html"}, body=b"<html>Welcome</html>"),
        "a page that is not the Hub's: log in to the Wi-Fi in a browser",
    ),
    "broken off": (Fault(".", status=200, body=b"[" * 100, cut=0.5), "cannot be reached"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_is_told_in_one_sentence(hub, tmp_path, name):
    fault, message = FAULTS[name]
    hub.faults.append(fault)
    sentence = question(hub.url, tmp_path / "home")
    assert re.search(message, sentence), sentence
    assert len(hub.requests) == 1


def test_a_hub_that_is_down(tmp_path):
    assert "cannot be reached" in question("http://127.0.0.1:9", tmp_path / "home", settings="")


def test_a_name_that_nobody_knows(tmp_path):
    code = (
        "import socket\nfrom helpers.supply import hub\n"
        "def unknown(*_, **__): raise socket.gaierror(-2, 'Name or service not known')\n"
        "socket.getaddrinfo = unknown\nhub.ask()"
    )
    result, _ = python("http://hub.invalid", tmp_path / "home", code)
    assert "The Hub (hub.invalid) cannot be reached" in result.stderr.splitlines()[-1]
    assert "connect to the network" in result.stderr.splitlines()[-1]


def test_the_time_is_limited_in_all():
    from helpers.supply import hub

    assert (hub.SECONDS, hub.PATIENCE) == (10, 20)


def test_a_certificate_that_nobody_trusts_and_the_variable_that_helps(repositories, certificate, tmp_path):
    with Hub(repositories, certificate) as server:
        sentence = question(server.url, tmp_path / "home")
        assert "certificate" in sentence and "self-signed" in sentence and "SSL_CERT_FILE" in sentence
        assert question(server.url, tmp_path / "home", SSL_CERT_FILE=f"{certificate}.crt") == ""


def test_a_socks_proxy_without_its_package(hub, tmp_path):
    hide = f"import sys; sys.modules['socksio'] = None; {QUICK}"
    sentence = question(hub.url, tmp_path / "home", settings=hide, ALL_PROXY="socks5://127.0.0.1:9")
    assert "SOCKS proxy" in sentence and "pip install socksio" in sentence
    assert hub.requests == []


def test_a_proxy_that_is_down(hub, tmp_path):
    sentence = question(hub.url, tmp_path / "home", http_proxy="http://127.0.0.1:9")
    assert "cannot be reached" in sentence


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HF_ENDPOINT", "hub.example", "HF_ENDPOINT holds no address"),
        (
            "SSL_CERT_FILE",
            "/no/such/file.pem",
            "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file that is not",
        ),
    ],
)
def test_a_variable_that_is_wrong_is_named(hub, tmp_path, name, value, says):
    assert says in question(hub.url, tmp_path / "home", **{name: value})
    assert hub.requests == []


def test_a_lesson_stops_at_its_first_cell_before_the_libraries_are_loaded(tmp_path):
    code = (
        "import sys\nfrom helpers import course\n"
        "try: course.start('01')\nfinally: print('torch' in sys.modules)"
    )
    result, seconds = python("http://127.0.0.1:9", tmp_path / "home", code)
    assert result.stdout == "False\n" and seconds < 30
    last = result.stderr.splitlines()[-1]
    assert last.startswith("helpers.supply.SupplyError: The Hub (127.0.0.1:9) cannot be reached")


def test_who_forbids_requests_is_not_asked_for_one(tmp_path):
    assert question("http://127.0.0.1:9", tmp_path / "home", HF_HUB_OFFLINE="1") == ""


def test_other_requests_are_the_librarys_own(hub, tmp_path):
    """A POST that gets 502 is not sent again, and the client is huggingface_hub's own."""
    hub.faults.append(Fault("POST", status=502))
    code = (
        "from helpers import course, catalog\nfrom helpers.supply import hub\nhub.ask()\n"
        "from huggingface_hub import constants, get_session\nfrom huggingface_hub.utils import _http\n"
        "assert _http._GLOBAL_CLIENT_FACTORY is _http.default_client_factory\n"
        "print(get_session().post(constants.ENDPOINT + '/api/repos/create').status_code)"
    )
    result, _ = python(hub.url, tmp_path / "home", code)
    assert result.stdout == "502\n", result.stderr
    assert len(hub.asked("POST")) == 1


# ---- the copy ----------------------------------------------------------------------------------------------

FEW = """
from helpers import catalog
names = ["facebook/wav2vec2-base-100h", "facebook/multilingual_librispeech"]
names += ["google/fleurs", "stanfordnlp/imdb"]
catalog.CHECKPOINTS = tuple(row for row in catalog.CHECKPOINTS if row.hub in names)
catalog.DATA_SETS = tuple(row for row in catalog.DATA_SETS if row.hub in names)
"""
PREFETCH = f"{FEW}\nfrom helpers.__main__ import main\nraise SystemExit(main(['prefetch']))"


def small(home, hub, wanted, before=""):
    """`prefetch` of some small repositories."""
    code = (
        f"{before}\nfrom helpers.supply import SupplyError, hub\n"
        f"try: hub.prefetch({wanted!r})\nexcept SupplyError as error: print('PROBLEM', error)"
    )
    result, _ = python(hub.url, home, code)
    assert result.returncode == 0, result.stderr
    return result.stdout.partition("PROBLEM ")[2].strip()


def noted(home):
    return json.loads((home / "course" / "prefetched.json").read_text())


def test_what_was_prefetched_is_used_and_nothing_is_asked(hub, tmp_path):
    home = tmp_path / "home"
    result, _ = python(hub.url, home, PREFETCH)
    assert result.returncode == 0, result.stderr
    assert not hub.asked("GET .*spanish/train"), "only the splits that the lessons read are copied"
    hub.requests.clear()
    lesson = f"""{FEW}
from helpers import course
course.start("01")
import evaluate
from datasets import Audio, load_dataset
from transformers import AutoModelForCTC, AutoProcessor
folder = catalog.model("facebook/wav2vec2-base-100h")
assert AutoModelForCTC.from_pretrained(folder).config.vocab_size == 32
assert AutoProcessor.from_pretrained(folder).tokenizer.word_delimiter_token == "|"
for streaming in (False, True):
    spanish = load_dataset(
        **catalog.data("facebook/multilingual_librispeech", "spanish"), split="dev", streaming=streaming
    ).cast_column("audio", Audio(decode=False))
    assert len(list(spanish)) == 34 and set(next(iter(spanish))["audio"]) == {{"bytes", "path"}}
for split in ("train", "validation", "test"):
    assert "transcription" in load_dataset(**catalog.data("google/fleurs", "tr_tr"), split=split).column_names
reviews = load_dataset(**catalog.data("stanfordnlp/imdb"), split="test")
assert reviews.features["label"].names == ["neg", "pos"]
wer = evaluate.load(catalog.metric("wer"))
assert wer.compute(references=["a b"], predictions=["a c"]) == 0.5
"""
    result, _ = python(hub.url, home, lesson)
    assert result.returncode == 0, result.stderr
    assert "source: hub, from the copy that prefetch made" in result.stdout
    assert hub.requests == []
    result, _ = python(hub.url, home, PREFETCH)
    assert result.returncode == 0
    assert [path for _, path, _ in hub.requests] == ["/api/models"], "what is there is not fetched again"

    shutil.rmtree(home / "huggingface" / "hub" / "datasets--google--fleurs")
    hub.requests.clear()
    result, _ = python(hub.url, home, f"{FEW}\nfrom helpers import course\ncourse.start('01')")
    assert "source: hub ·" in result.stdout, "with one part gone the Hub is asked again"
    assert [path for _, path, _ in hub.requests] == ["/api/models"]


def test_weights_for_others_stay_where_they_are(hub, tmp_path):
    wanted = {"course/tiny": ("course/tiny", ()), "course/pickled": ("course/pickled", ())}
    assert small(tmp_path / "home", hub, wanted) == ""
    there = noted(tmp_path / "home")
    assert set(os.listdir(there["course/tiny"])) == {"config.json", "model.safetensors"}
    assert os.listdir(there["course/pickled"]) == ["pytorch_model.bin"]


def test_changed_content_is_removed_and_fetched_by_the_next_call(hub, tmp_path):
    home, wanted = tmp_path / "home", {"course/tiny": ("course/tiny", ())}
    hub.faults.append(Fault("GET /large", damage=True))
    assert "course/tiny: model.safetensors differs from the Hub's checksum" in small(home, hub, wanted)
    hub.faults.clear()
    assert small(home, hub, wanted) == ""
    assert (home / "course" / "prefetched.json").is_file()


def test_one_that_is_missing_does_not_stop_the_others(hub, tmp_path):
    imdb = {"path": "stanfordnlp/imdb"}
    wanted = {
        "course/gone": ("course/gone", ()),
        "imdb": (imdb, ("test", "welsh")),
        "course/pickled": ("course/pickled", ()),
    }
    first, second, last = small(tmp_path / "home", hub, wanted).splitlines()
    assert first.startswith("course/gone: ") and second.startswith("imdb: the Hub has no split 'welsh'")
    assert "call prefetch again" in last
    assert list(noted(tmp_path / "home")) == ["course/pickled"]


def test_a_hub_that_is_down_says_its_advice_once(tmp_path):
    result, seconds = python("http://127.0.0.1:9", tmp_path / "home", PREFETCH)
    assert result.returncode == 1 and seconds < 30
    assert result.stderr.count(ADVICE) == 1 and len(result.stderr.splitlines()) == 1


def test_a_hub_that_goes_down_meanwhile_says_so_once_too(repositories, tmp_path):
    # The second and third checkpoint fail when the Hub has gone; what was copied before stays noted.
    wanted = {name: (name, ()) for name in ("course/pickled", "course/tiny", "course/gone")}
    with Hub(repositories) as server:
        code = """
import os
import re
calls = []
def stop(real):
    def listing(self, name):
        calls.append(name)
        if len(calls) > 1:
            from huggingface_hub import constants
            constants.ENDPOINT = "http://127.0.0.1:9"
            raise OSError("the connection broke off")
        return real(self, name)
    return listing
from huggingface_hub import HfApi
HfApi.list_repo_files = stop(HfApi.list_repo_files)"""
        sentence = small(tmp_path / "home", server, wanted, before=code)
    assert sentence.startswith("The Hub (127.0.0.1:9) cannot be reached") and sentence.count(ADVICE) == 1
    assert list(noted(tmp_path / "home")) == ["course/pickled"]


def test_the_guard_notices_who_leaves_loopback(tmp_path):
    process = client.Client("http://127.0.0.1:9", tmp_path)
    with pytest.raises(client.Failure, match="nothing may leave loopback"):
        process("__import__('socket').create_connection(('huggingface.invalid', 443))")
    process.close()
    assert client.left_loopback(tmp_path) == "huggingface.invalid"
