"""Pillow (and timm, torchvision) as installed here still give the pixels that tests/unit/data expects.

The C++ transforms are held to the committed tables by test_data; these tests hold the tables to the
libraries, so that a release that changes a pixel is noticed.
"""
import importlib
import pathlib
import sys

import pytest

pytest.importorskip("PIL", reason="needs Pillow")
FOLDER = pathlib.Path(__file__).parents[1] / "unit" / "data"


def generator(name):
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)


def expect_table(name, rows):
    found = ["\t".join(map(str, row)) for row in rows]
    expected = (FOLDER / name).read_text().splitlines()
    differing = [pair for pair in zip(found, expected) if pair[0] != pair[1]]
    assert not differing, f"{len(differing)} of {len(expected)} rows, the first: {differing[0]}"
    assert len(found) == len(expected)


def test_resize():
    module = generator("make_resize_expectations")
    expect_table("resize_expectations.tsv", [*module.resize_rows(), *module.eval_rows()])


def test_affine():
    expect_table("affine_expectations.tsv", generator("make_affine_expectations").rows())


def test_operations_of_randaugment():
    pytest.importorskip("timm", reason="needs timm")
    pytest.importorskip("torchvision", reason="needs torchvision")
    module = generator("make_operation_expectations")
    expect_table("operation_expectations.tsv",
                 [*module.pixel_rows(), *module.jitter_rows(), *module.level_rows()])
