"""The installed library, as other people's programs find and use it."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
from PIL import Image

from conftest import PROGRAM, ROOT, run

DIGITS = ROOT / "models/digits.safetensors"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that `cmake --install` filled."""
    prefix = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", PROGRAM.parent, "--prefix", prefix],
                   check=True, capture_output=True)
    return prefix


@pytest.fixture(scope="module")
def embed(installed, tmp_path_factory):
    """The example, built against the installed package alone."""
    folder = tmp_path_factory.mktemp("embed")
    shutil.copytree(ROOT / "examples/embed", folder / "source")
    for command in (["cmake", "-S", folder / "source", "-B", folder / "build",
                     f"-DCMAKE_PREFIX_PATH={installed}", "-DCMAKE_BUILD_TYPE=Release"],
                    ["cmake", "--build", folder / "build"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build/embed"


@pytest.fixture
def pictures(tmp_path):
    names = []
    for i in range(3):
        names.append(tmp_path / f"{i}.png")
        Image.effect_noise((20 + i, 31 - i), 90).convert("RGB").save(names[-1])
    return names


def test_the_example_is_short():
    lines = (ROOT / "examples/embed/main.cpp").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("//")]) <= 25


def test_the_example_classifies_as_predict_does(embed, pictures):
    done = subprocess.run([embed, DIGITS, *pictures], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = run("predict", *pictures, "--checkpoint", DIGITS, "--jsonl", "--top", 1)
    expected = [json.loads(line) for line in result.out.splitlines()]
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected)
    for line, prediction in zip(lines, expected):
        path, label, probability = re.fullmatch(r"(.*): (\S+) ([0-9.]+)", line).groups()
        assert path == prediction["path"]
        assert label == prediction["top"][0]["label"]
        assert abs(float(probability) - prediction["top"][0]["probability"]) < 2e-3


def test_the_example_reports_what_is_wrong(embed, tmp_path):
    (tmp_path / "no.png").write_text("no picture")
    done = subprocess.run([embed, DIGITS, tmp_path / "no.png"], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "no.png" in done.stderr


def test_headers_show_nothing_of_the_libraries_behind(installed):
    headers = list((installed / "include/nalaformer").iterdir())
    assert headers
    for header in headers:
        included = re.findall(r"#include [<\"]([^>\"]+)", header.read_text())
        assert all("/" not in name and "." not in name for name in included), included


def test_the_installed_program_runs(installed):
    done = subprocess.run([pathlib.Path(installed) / "bin/nalaformer", "doctor"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
