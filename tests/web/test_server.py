"""The local page under attack: who may ask, for what, and how much."""

import http.client
import io
import json
import os
import socket
import tempfile
import threading
import time
from base64 import b64decode
from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from acdm.core.config import Reading
from acdm.core.records import DataRecord, File
from acdm.web import server
from acdm.web.corrections import Corrections
from acdm.web.server import MAX_BYTES


def an_image(seed=0, size=(20, 30), kind="PNG"):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def ask(page, method="GET", path="/", body=None, **headers):
    """Status, headers and body of an answer; the token and the right names unless others are given."""
    sent = {"Host": f"127.0.0.1:{page.port}", "Token": page.token, **headers}
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if body is not None and "Content-Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body:
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def told_of(body):
    """What an answer tells of a run with two classes."""
    return json.loads(body)["findings"][""]


def test_an_image_is_taken_apart(page):
    status, headers, body = ask(page, "POST", "/decompose", an_image(), Label="no")
    told = told_of(body)
    assert (status, told["label"], told["other"]) == (200, "no", "<b>yes")
    (image,) = told["gallery"]["images"]
    assert (image["height"], image["width"], image["channels"]) == (20, 30, 1)
    assert set(image["maps"]) == {"psi1", "contrast", "residual", "evidence"}, "this run has no segmenter"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_bright_image_is_one_like_any_other(page):
    """Paper and tiles have no pixel below mid-grey."""
    content = io.BytesIO()
    Image.fromarray(np.full((20, 30), 200, np.uint8)).save(content, "PNG")
    assert ask(page, "POST", "/decompose", content.getvalue(), Label="no")[0] == 200


def test_classes_of_any_script_can_be_named(page):
    assert ask(page, "POST", "/decompose", an_image(), Label="%3Cb%3Eyes")[0] == 200
    status, _, body = ask(page, "POST", "/decompose", an_image(), Label="%E8%82%BF%E7%98%A4")
    assert (status, "肿瘤" in body.decode()) == (422, True)


def test_the_page_escapes_names_and_loads_nothing_foreign(page):
    status, _, body = ask(page)
    text = body.decode()
    assert status == 200
    assert "a &lt;run&gt;" in text
    assert "<b>yes" not in text
    assert "http://" not in text
    assert "https://" not in text


TRAVERSALS = [
    prefix + path
    for prefix in ("/", "//", "/decompose/", "/files/")
    for path in (
        "../../etc/passwd", "..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..\\..\\etc\\passwd",
        "....//etc/passwd", "%252e%252e/etc/passwd", "..%c0%af..%c0%afetc/passwd", "/etc/passwd",
        "page.js/../../pyproject.toml", "explorer.js%00.html",
    )
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_outside(page, path):
    assert ask(page, path=path)[0] == 404
    assert ask(page, "POST", path, an_image())[0] == 404


HOSTS = ("evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "0.0.0.0", "", "[::1]")
ORIGINS = ("http://evil.example", "null", "https://127.0.0.1", "file://", "http://127.0.0.1")
FOREIGN = [
    *({"Host": host} for host in HOSTS),
    *({"Origin": origin} for origin in ORIGINS),
    *({"Host": host, "Origin": f"http://{host}"} for host in HOSTS),
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_or_name_gets_nothing(page, headers):
    assert ask(page, **headers)[0] == 403
    assert ask(page, "POST", "/decompose", an_image(), **headers)[0] == 403


@pytest.mark.parametrize("token", ["", "x", "ünïcode".encode().decode("latin-1"), "0" * 32])
def test_work_needs_this_starts_token(page, token):
    assert ask(page, "POST", "/decompose", an_image(), Token=token)[0] == 403


def test_too_much_is_refused_before_it_is_read(page):
    for headers, expected in (
        ({"Content-Length": str(MAX_BYTES + 1)}, 413),
        ({"Content-Length": "9" * 30}, 413),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "٣"}, 411),
        ({"Transfer-Encoding": "chunked", "Content-Length": "5"}, 411),
    ):
        value = {k: v.encode("utf-8").decode("latin-1") for k, v in headers.items()}
        assert ask(page, "POST", "/decompose", b"", **value)[0] == expected, headers
    assert ask(page, Label="x" * 70_000)[0] in (400, 431)


def test_what_is_no_image_is_a_sentence(page):
    rng = np.random.default_rng(0)
    bomb = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (50_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0" + bytes(4)
    for content in (b"", b"text", bomb, an_image()[:60], rng.bytes(300), an_image(kind="GIF"), an_image(size=(4, 4))):
        status, _, body = ask(page, "POST", "/decompose", content)
        assert (status, b"Traceback" in body, b"/tmp" in body) == (422, False, False), body
        assert len(body) < 300


def test_other_channels_and_classes_are_a_sentence(page):
    bands = io.BytesIO()
    np.save(bands, np.zeros((5, 20, 20), np.uint8))
    assert ask(page, "POST", "/decompose", bands.getvalue(), Label="no")[0] == 422
    status, _, body = ask(page, "POST", "/decompose", an_image(), Label="perhaps")
    assert (status, b"no class of this run" in body) == (422, True)


def test_many_at_once_are_answered_or_told_that_it_is_busy(page, monkeypatch):
    """Twenty users, five requests each; answers belong to who asked."""
    counts, wrong = Counter(), []
    before = len(os.listdir("/proc/self/fd")) if Path("/proc").exists() else 0

    def user(number):
        size = (16 + number, 40)
        for _ in range(5):
            status, _, body = ask(page, "POST", "/decompose", an_image(number, size), Label="no")
            counts[status] += 1
            if status == 200 and told_of(body)["gallery"]["images"][0]["height"] != size[0]:
                wrong.append(number)

    threads = [threading.Thread(target=user, args=(number,)) for number in range(20)]
    monkeypatch.setattr(server, "decode", lambda content, reading: _slowly(content))
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    assert ask(page, path="/health")[0] == 200
    assert time.perf_counter() - began < 5
    for thread in threads:
        thread.join()
    assert set(counts) <= {200, 503}
    assert counts[200] >= 17
    assert wrong == []
    if before:
        time.sleep(0.5)
        assert len(os.listdir("/proc/self/fd")) <= before + 3


def _slowly(content):
    time.sleep(0.02)
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image, np.float32)[None] / 127.5 - 1


def test_slow_connections_do_not_keep_others_out(page):
    idle = []
    for _ in range(100):
        connection = socket.create_connection(("127.0.0.1", page.port))
        connection.send(b"GET / HT")
        idle.append(connection)
    began = time.perf_counter()
    assert ask(page, path="/health")[0] == 200
    assert time.perf_counter() - began < 5
    for connection in idle:
        connection.close()


def test_decoding_has_its_limits(page, monkeypatch):
    from acdm.errors import DataError
    from acdm.web import sandbox

    assert sandbox.decode(an_image(), page.decomposer.reading).shape == (1, 20, 30)
    monkeypatch.setattr(sandbox, "SECONDS", 0.001)
    with pytest.raises(DataError, match="too long"):
        sandbox.decode(an_image(), page.decomposer.reading)


def test_nothing_of_an_upload_stays_when_decoding_is_stopped(page, monkeypatch, tmp_path):
    """The process that decodes is killed; what it was given lies in a folder of the server's."""
    from acdm.web import sandbox

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sandbox, "SECONDS", 0.001)
    status, _, body = ask(page, "POST", "/decompose", an_image(), Label="no")
    assert (status, b"too long" in body) == (422, True)
    assert list(tmp_path.iterdir()) == []


def test_what_drips_in_is_cut_off_and_others_are_answered_meanwhile(page, monkeypatch):
    """More senders than the page works for at once, each a byte now and then; their time as a whole counts."""
    monkeypatch.setattr(server, "DEADLINE", 2)
    sent = {"Host": f"127.0.0.1:{page.port}", "Token": page.token, "Content-Length": "9999"}
    head = "".join(f"{line}\r\n" for line in ("POST /decompose HTTP/1.0", *(f"{k}: {v}" for k, v in sent.items()), ""))
    dripping = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(server.QUEUE + 1)]
    for connection in dripping:
        connection.settimeout(10)
        connection.send(head.encode())
    for _ in range(5):
        for connection in dripping:
            connection.send(b"x")
        assert ask(page, path="/health")[0] == 200
        time.sleep(0.2)
    for connection in dripping:
        with connection:
            assert b" 408 " in connection.recv(100)
    assert ask(page, "POST", "/decompose", an_image(), Label="no")[0] == 200


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_slice_of_a_volume_is_taken_apart(page, monkeypatch, tmp_path, ending):
    nibabel = pytest.importorskip("nibabel")
    monkeypatch.setattr(page, "decomposer", replace(page.decomposer, reading=Reading(range=((0, 255),))))
    values = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / f"slice{ending}")
    status, _, body = ask(page, "POST", "/decompose", (tmp_path / f"slice{ending}").read_bytes(), Label="no")
    assert status == 200, body
    (image,) = told_of(body)["gallery"]["images"]
    assert {image["height"], image["width"]} == {20, 30}


def test_a_corrected_mask_lies_where_training_reads_it(correcting, tmp_path):
    """Two images are called scan.png: which one it is, its pixels say, whatever class it is taken for."""
    image = (tmp_path / "images/<b>yes-scan.png").read_bytes()
    told = told_of(ask(correcting, "POST", "/decompose", image, Label="no")[2])
    assert told["name"] == "train/<b>yes/scan.png"
    body = an_image(size=(240, 160))
    status, _, said = ask(correcting, "POST", "/mask", body, Name=quote(told["name"]))
    path = tmp_path / "masks/train/<b>yes/scan.png"
    assert (status, str(path) in said.decode()) == (200, True)
    drawn, kept = (np.asarray(Image.open(file)) for file in (io.BytesIO(body), path))
    assert np.array_equal(kept, np.where(drawn > 127, 255, 0))


def test_an_image_of_the_same_name_is_none_of_the_training(correcting):
    assert told_of(ask(correcting, "POST", "/decompose", an_image(), Label="no")[2])["name"] == ""


NAMES = ("scan.png", "", "..%2F..%2Fscan.png", "train/<b>yes/../../away.png", "%2Fetc%2Fpasswd", "train/no/scan.png%00")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_from_outside_becomes_a_path(correcting, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    assert ask(correcting, "POST", "/mask", an_image(), Name=name)[0] == 422
    assert sorted(tmp_path.rglob("*")) == before


def test_masks_are_saved_only_where_a_folder_was_named_and_a_token_comes(page, correcting):
    status, _, said = ask(page, "POST", "/mask", an_image(), Name="train/no/scan.png")
    assert (status, "--masks DIR" in said.decode()) == (422, True)
    assert ask(correcting, "POST", "/mask", an_image(), Name="train/no/scan.png", Token="x")[0] == 403
    assert ask(correcting, "POST", "/mask", b"no image", Name="train/no/scan.png")[0] == 422


def test_pictures_come_at_the_images_own_size(page):
    told = told_of(ask(page, "POST", "/decompose", an_image(size=(200, 300)), Label="no")[2])
    assert told["size"] == [200, 300]
    for kind in ("mask", "map"):
        assert Image.open(io.BytesIO(b64decode(told[kind]))).size == (300, 200)


def test_several_findings_come_each_and_all_in_colours(of_findings, tmp_path):
    """The picture differs from the image where an outline is, and masks are saved for one finding."""
    image = an_image(size=(40, 60))
    told = json.loads(ask(of_findings, "POST", "/decompose", image)[2])
    assert tuple(told["findings"]) == ("spur", "open")
    together = np.asarray(Image.open(io.BytesIO(b64decode(told["together"]))))
    masks = [np.asarray(Image.open(io.BytesIO(b64decode(one["mask"])))) > 0 for one in told["findings"].values()]
    assert masks[0].any()
    grey = (together == together[:, :, :1]).all(axis=2)
    assert (grey | masks[0] | masks[1]).all(), "colours are upon masks alone"
    assert not grey.all()
    samples = json.loads(ask(of_findings, path="/samples")[2])
    assert {name: shown["images"] for name, shown in samples.items()} == {"spur": [], "open": []}
    page = ask(of_findings)[2].decode()
    assert "Which of 2 findings" in page
    status, _, said = ask(of_findings, "POST", "/mask", image, Name="train/no.png", Finding="spur")
    assert (status, "-o kinds/findings/spur --resume --masks" in said.decode()) == (200, True)
    assert "-o kinds/findings/spur --resume --masks" in page
    assert (tmp_path / "masks/spur/train/no.png").is_file()
    assert ask(of_findings, "POST", "/mask", image, Name="train/no.png", Finding="../spur")[0] == 422
    assert ask(of_findings, "POST", "/mask", image, Name="train/no.png")[0] == 422


def test_a_colour_image_is_taken_as_grey_and_the_page_says_so(page):
    """A grey run: the same picture in grey and as colours of equal channels has the same maps."""
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30), np.uint8)
    grey, colours = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).save(grey, "PNG")
    Image.fromarray(np.stack([pixels] * 3, axis=2)).save(colours, "PNG")
    answers = [ask(page, "POST", "/decompose", b.getvalue(), Label="no")[2] for b in (grey, colours)]
    notes = [json.loads(answer)["note"] for answer in answers]
    assert (notes[0], "taken as grey" in notes[1]) == ("", True)
    one, other = (told_of(answer)["gallery"]["images"][0]["maps"]["residual"] for answer in answers)
    assert one == other
    assert server.as_trained(np.zeros((1, 4, 4), np.float32), 3)[0].shape == (3, 4, 4)
    assert server.as_trained(np.zeros((4, 4, 4), np.float32), 3)[0].shape == (4, 4, 4), "refused later on"


def test_a_mask_of_an_image_beside_the_data_has_a_place(tmp_path):
    """A CSV names ../scans/a.png; `train --masks` finds its mask by the end of its path."""
    known = DataRecord.model_construct(files={"train": (File(path="../scans/a.png", label="ill", group="a"),)})
    Corrections(tmp_path / "masks", Path("runs/1"), known).keep(np.ones((1, 4, 4), np.float32), "../scans/a.png")
    assert (tmp_path / "masks/scans/a.png").is_file()
