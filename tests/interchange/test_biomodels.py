"""Models by their BioModels id, from a server of this machine that behaves as servers do."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import sbml_hybrid as sh
from sbml_hybrid.cli import main
from sbml_hybrid.errors import ModelError, SourceNotFound, SourceUnreachable
from sbml_hybrid.interchange import biomodels, download

DECAY = sh.load("model decay\n S -> ; k*S; S = 10; k = 0.3\nend").to_sbml().encode()
ID = "BIOMD0000000012"


class Server(http.server.ThreadingHTTPServer):
    """BioModels' two addresses; `behave` (a queue of functions of the handler) comes before them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, bytes]] = {ID: {f"{ID}_url.xml": DECAY}}
        self.behave: list = []
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}/biomodels"

    def handle_error(self, request, client_address):
        """Keep broken connections, which some tests make, off the terminal."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.behave:
            return self.server.behave.pop(0)(self)
        place = re.fullmatch(r"/biomodels/model/(files|download)/([A-Z]+\d+)(\.\d+)?", urlsplit(self.path).path)
        files = self.server.files.get(place[2]) if place else None
        if files is None:
            return self.answer(404, b"{}")
        if place[1] == "files":
            names = [{"name": name, "fileSize": str(len(data))} for name, data in files.items()]
            return self.answer(200, json.dumps({"main": names[:1], "additional": names[1:]}).encode())
        (name,) = parse_qs(urlsplit(self.path).query)["filename"]
        return self.answer(200, files[name])

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("length", len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def status(code, body=b"", **headers):
    return lambda handler: handler.answer(code, body, **headers)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Serve models, with an empty cache and no patience."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("SBML_HYBRID_BIOMODELS_URL", server.url)
        monkeypatch.setenv("SBML_HYBRID_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("SBML_HYBRID_OFFLINE", raising=False)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(download, "PAUSE", 0.01)
        monkeypatch.chdir(tmp_path)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def kept(tmp_path):
    """Return the place of the model in the cache."""
    return tmp_path / "cache" / "biomodels" / f"{ID}.xml"


def test_an_id_is_the_model_of_its_file(server):
    model = sh.load(ID)

    assert (model.source, model.id, model.hash) == (ID, "decay", sh.load(DECAY.decode()).hash)
    assert server.asked == [
        f"/biomodels/model/files/{ID}?format=json",
        f"/biomodels/model/download/{ID}?filename={ID}_url.xml",
    ]


def test_the_second_address_serves_where_the_first_does_not(server, monkeypatch):
    monkeypatch.delenv("SBML_HYBRID_BIOMODELS_URL")
    monkeypatch.setattr(biomodels, "ADDRESSES", ("http://127.0.0.1:9", server.url))

    assert sh.load(ID).source == ID


@pytest.mark.parametrize("written", [ID.lower(), f"  {ID} ", f"{ID}\n", f"\t{ID.capitalize()}"])
def test_the_case_of_an_id_and_the_space_around_it_do_not_matter(server, written):
    assert sh.load(written).source == ID


def test_a_revision_is_asked_for_and_kept_apart(server, kept):
    assert sh.load(f"{ID}.2").source == f"{ID}.2"

    assert [urlsplit(path).path.rpartition("/")[2] for path in server.asked] == [f"{ID}.2"] * 2
    assert [path.name for path in kept.parent.iterdir()] == [f"{ID}.2.xml"]


def test_what_was_fetched_once_needs_no_server(server, kept, monkeypatch):
    first = sh.load(ID)
    monkeypatch.setenv("SBML_HYBRID_OFFLINE", "1")

    assert sh.load(ID) == first
    assert kept.read_bytes() == DECAY and [p.name for p in kept.parent.iterdir()] == [kept.name]
    assert len(server.asked) == 2


def test_real_models_come_through_byte_by_byte(server, kept, test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for member in archive.namelist()[:6]:
            id, name = member.split("/")
            server.files[id] = {name: archive.read(member), "figure.png": b""}

            assert sh.load(id).source == id
            assert kept.with_name(f"{id}.xml").read_bytes() == archive.read(member)


def test_a_local_file_of_that_name_wins(server, tmp_path):
    (tmp_path / ID).write_text("A -> ; A; A = 1")

    assert [s.id for s in sh.load(ID).species] == ["A"]
    assert server.asked == []


def test_the_command_line_takes_ids(server, capsys):
    assert main(["describe", ID]) == 0

    assert "k*S" in capsys.readouterr().out


def test_a_file_name_with_spaces_is_asked_for_as_it_is(server):
    server.files[ID] = {"Decay & more #1.xml": DECAY}

    assert sh.load(ID).id == "decay"


# -- what is not there -----------------------------------------------------------------------------


def test_offline_without_the_model_says_where_to_put_it(server, kept, monkeypatch):
    monkeypatch.setenv("SBML_HYBRID_OFFLINE", "yes")

    with pytest.raises(SourceNotFound, match=rf"{ID} is not in the cache .*OFFLINE is set.*as {ID}\.xml"):
        sh.load(ID)
    assert server.asked == []

    kept.parent.mkdir(parents=True)
    kept.write_bytes(DECAY)
    assert sh.load(ID).id == "decay"


@pytest.mark.parametrize("code", [400, 403, 404, 410])
def test_an_unknown_id_is_refused_once(server, code, kept):
    server.behave = [status(code, b"<html>no</html>")]

    with pytest.raises(SourceNotFound, match=rf"no public model {ID} \(127\.0\.0\.1 answered {code}.*Try: look for it"):
        sh.load(ID)
    assert len(server.asked) == 1 and not kept.exists()


def test_an_error_in_the_listing_is_told(server):
    server.behave = [status(200, json.dumps({"errorMessage": "You cannot\naccess it"}).encode())]

    with pytest.raises(SourceNotFound, match="You cannot access it"):
        sh.load(ID)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"Model.omex": b"PK", "figure.png": b""},
            r"no SBML file as its main file. Its files: Model\.omex, figure\.png",
        ),
        ({}, "Its files: none"),
        ({"model.xml": b"<?xml version='1.0'?><cellml/>"}, f"{ID} is XML, but not SBML: it begins with <cellml>"),
        ({"model.xml": b"<sbml><model>"}, f"{ID} is broken XML"),
    ],
)
def test_an_entry_without_sbml_is_refused_with_what_it_has(server, kept, files, said):
    server.files[ID] = files

    with pytest.raises(ModelError, match=said):
        sh.load(ID)
    assert not kept.exists()


def test_an_id_of_too_few_digits_is_completed(server):
    with pytest.raises(SourceNotFound, match=r"'BIOMD12' is no BioModels id.*Did you mean BIOMD0000000012\?"):
        sh.load("BIOMD12")
    with pytest.raises(SourceNotFound, match="No model at model1"):
        sh.load("model1")
    assert server.asked == []


@pytest.mark.parametrize(
    "name",
    [f"../{ID}", f"{ID}/../x", f"{ID}.xml", "BIOMD%2e%2e", f"{ID}?x", f"{ID}.99999", "MODEL０１２３４５６７８９"],
)
def test_nothing_but_an_id_reaches_the_cache_or_the_server(server, tmp_path, name):
    with pytest.raises((SourceNotFound, ModelError)):
        sh.load(name)

    assert server.asked == [] and not (tmp_path / "cache").exists()


# -- servers and networks as they are --------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(server, code):
    server.behave = [status(code), status(code, Retry_After="0")]

    assert sh.load(ID).id == "decay"
    assert len(server.asked) == 4


def test_a_server_that_stays_broken_is_named(server, kept):
    server.behave = [status(500)] * 3

    with pytest.raises(SourceUnreachable, match=rf"{ID} could not be fetched.*answered 500 .*\(3 attempts\)\. Try: "):
        sh.load(ID)
    assert len(server.asked) == 3 and not kept.exists()


def test_a_server_that_asks_for_patience_gets_a_little(server, monkeypatch):
    monkeypatch.setattr(download, "LONGEST_PAUSE", 0.05)
    server.behave = [status(429, Retry_After="86400")]

    assert sh.load(ID).id == "decay"


def test_no_network_is_said_in_one_line(server, monkeypatch):
    monkeypatch.setenv("SBML_HYBRID_BIOMODELS_URL", "http://127.0.0.1:9")  # nobody listens there

    with pytest.raises(SourceUnreachable, match=r"does not answer .*refused.*check the network") as caught:
        sh.load(ID)
    assert "\n" not in str(caught.value) and isinstance(caught.value, ConnectionError)


def test_a_silent_server_is_left_in_time(server, monkeypatch):
    monkeypatch.setattr(download, "SILENCE", 0.1)
    silence = threading.Event()
    server.behave = [lambda handler: silence.wait(5)] * 3
    began = time.monotonic()

    with pytest.raises(SourceUnreachable, match="does not answer .*timed out"):
        sh.load(ID)
    silence.set()
    assert time.monotonic() - began < 3


def test_a_server_that_drips_is_left_in_time(server, monkeypatch):
    monkeypatch.setattr(download, "DEADLINE", 0.2)

    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.02)

    server.behave = [drip]

    with pytest.raises(SourceUnreachable, match="takes more than"):
        sh.load(ID)


def test_a_body_that_breaks_off_is_fetched_again(server, kept):
    server.behave = [status(200, b'{"main"', length=500)]
    assert sh.load(ID).id == "decay"

    kept.unlink()
    listing = json.dumps({"main": [{"name": "m.xml"}]}).encode()
    server.behave = [status(200, listing), *[status(200, DECAY[:200], length=len(DECAY))] * 3]
    with pytest.raises(SourceUnreachable, match=f"broke off after 200 of {len(DECAY)} bytes"):
        sh.load(ID)
    assert not kept.exists()


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_without_end_is_not_read_to_its_end(server, monkeypatch, declared):
    monkeypatch.setattr(biomodels, "MAX_BYTES", 1_000_000)
    sent = []

    def flood(handler):
        handler.send_response(200)
        if declared:
            handler.send_header("Content-Length", "100000000000")
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(b" " * 100_000)
            sent.append(100_000)

    server.behave = [status(200, json.dumps({"main": [{"name": "m.xml"}]}).encode()), flood]

    with pytest.raises(SourceUnreachable, match="sends more than 1 MB"):
        sh.load(ID)
    assert sum(sent) < 100_000_000


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n <html lang='en'>"])
def test_a_web_page_is_not_taken_for_a_model(server, kept, page):
    server.files[ID] = {"m.xml": page}
    with pytest.raises(SourceUnreachable, match=r"sent a web page in place of m\.xml"):
        sh.load(ID)

    server.behave = [status(200, page)]
    with pytest.raises(SourceUnreachable, match="list of files is not what it used to be"):
        sh.load(ID)
    assert not kept.exists()


@pytest.mark.parametrize("listing", [b"[]", b"{}", b'{"main": null}', b'{"main": 3}', b"\xff\xfe", b"1e999"])
def test_a_strange_listing_is_refused(server, listing):
    server.behave = [status(200, listing)]

    with pytest.raises(SourceUnreachable, match="list of files"):
        sh.load(ID)


def test_a_redirect_on_the_same_host_is_followed(server):
    server.behave = [status(301, Location=f"{server.url}/model/files/{ID}?format=json&moved")]

    assert sh.load(ID).id == "decay"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("file:///etc/passwd", "302 .*not allowed|not an https"),
        ("http://www.biomodels.org/x", "not an https address"),
        ("https://biomodels.org.example.com/x", "sends on to biomodels.org.example.com"),
        ("https://example.com/x", "sends on to example.com, which is not asked"),
        ("http://127.0.0.1:1/x", "which is not asked"),
    ],
)
def test_a_redirect_elsewhere_is_refused(server, to, said):
    server.behave = [status(302, Location=to)]

    with pytest.raises(SourceUnreachable, match=said):
        sh.load(ID)
    assert len(server.asked) == 1


@pytest.mark.parametrize("url", ["http://www.biomodels.org", "file:///tmp", "ftp://localhost", "nowhere"])
def test_a_mirror_must_be_https(server, monkeypatch, url):
    monkeypatch.setenv("SBML_HYBRID_BIOMODELS_URL", url)

    with pytest.raises(SourceUnreachable, match="not an https address"):
        sh.load(ID)


def test_the_repository_s_old_and_new_homes_may_send_on_to_each_other():
    files = "model/files/BIOMD0000000012"
    for start, to in [("www.ebi.ac.uk/biomodels", "www.biomodels.org"), ("www.biomodels.org", "ftp.ebi.ac.uk")]:
        download._require_safe(f"https://{to}/{files}", f"https://{start}/{files}")


# -- the cache -------------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written_costs_a_warning_and_not_the_model(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SBML_HYBRID_CACHE", str(tmp_path / "file"))

    with pytest.warns(UserWarning, match=rf"{ID} was fetched, but cannot be kept in .*Try: set SBML_HYBRID_CACHE"):
        assert sh.load(ID).id == "decay"


def test_a_full_disk_leaves_nothing_half_written(server, kept, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(biomodels.os, "replace", full)

    with pytest.warns(UserWarning, match="No space left on device"):
        assert sh.load(ID).id == "decay"
    assert list(kept.parent.iterdir()) == []


def test_a_broken_file_in_the_cache_is_fetched_again(server, kept, monkeypatch):
    kept.parent.mkdir(parents=True)
    kept.write_bytes(DECAY[:300])
    monkeypatch.setenv("SBML_HYBRID_OFFLINE", "1")
    with pytest.raises(ModelError, match=rf"broken XML.*read from the cache: .*{ID}\.xml"):
        sh.load(ID)

    monkeypatch.delenv("SBML_HYBRID_OFFLINE")
    assert sh.load(ID).id == "decay"
    assert kept.read_bytes() == DECAY


def test_the_cache_is_the_user_s_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("SBML_HYBRID_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "sbml-hybrid" in biomodels.cache_folder().parts

    monkeypatch.setenv("SBML_HYBRID_CACHE", "~/models")
    assert biomodels.cache_folder() == Path.home() / "models" / "biomodels"


def test_processes_that_fetch_the_same_model_at_once_all_get_it(server, kept):
    server.behave = [lambda handler: time.sleep(0.3) or handler.answer(503, Retry_After="0")] * 3
    code = f"import sbml_hybrid as sh; print(sh.load('{ID}').hash)"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(3)
    ]

    said = {process.communicate(timeout=60)[0].strip() for process in processes}

    assert said == {sh.load(ID).hash}
    assert [path.name for path in kept.parent.iterdir()] == [kept.name] and kept.read_bytes() == DECAY
