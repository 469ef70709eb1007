"""Several processes do what one does."""

import ctypes
import os
import pathlib
import re
import shutil

import numpy
import pytest

from processes import (PROGRAM, ROOT, evaluations, free_port, losses, run, start, state_bytes,
                       torchrun, torchrun_words, weights)
from conftest import tiny  # noqa: F401  (a fixture)

# Twenty steps of two accumulated global batches of 16. The pictures are large enough for the last
# BatchNorm to see more than one pixel of each: else rounding errors grow tenfold per step.
TWENTY = ["data.image_size=96", "data.synthetic.size=96", "model.layer_scale=[0.1,0.1,0.1,0.1]",
          "train.max_steps=20", "train.log_every=1", "train.accumulate=2", "data.mix_group=8",
          "data.synthetic.train_images=320", "train.eval_every_epochs=0",
          "schedule.warmup_epochs=0", "schedule.lag_one_epoch=false"]


def train_as(tiny, tmp_path, processes, *keys):
    folder = tmp_path / f"of-{processes}"
    result = run("train", tiny, *TWENTY, *keys, f"data.batch_size={16 // processes}",
                 f"output={folder}", "--nproc", processes)
    assert result.status == 0, result.err
    return folder


def largest_differences(a, b):
    return {name: float(numpy.abs(a[name].astype(float) - b[name]).max()) for name in a}


def learned(folder):
    """Whether the weights have moved far enough for differences to show."""
    return numpy.mean(losses(folder)[-3:]) < numpy.mean(losses(folder)[:3]) - 0.02


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_two_processes_of_8_train_as_one_of_16(tiny, tmp_path, optimizer):
    keys = ["train.clip_norm=1"] if optimizer == "adamw" else []
    keys += [f"optimizer.name={optimizer}", f"optimizer.lr={0.05 if optimizer == 'sgd' else 0.001}"]
    one = train_as(tiny, tmp_path, 1, *keys)
    two = train_as(tiny, tmp_path, 2, *keys)
    assert len(losses(one)) == 20 and learned(one)
    loss_gap = max(abs(a - b) for a, b in zip(losses(one), losses(two)))
    # A bias before a BatchNorm has no gradient but rounding, which AdamW blows up to its step.
    without_gradient = re.compile(r"patch_embed\.proj\.[036]\.bias|patch_embed\.proj\.9\.bias"
                                  r"|downsample\.reduction\.bias|^proj\.bias")
    for name in ("model", "ema"):
        gaps = largest_differences(weights(one, name), weights(two, name))
        if optimizer == "adamw":
            gaps = {key: gap for key, gap in gaps.items() if not without_gradient.search(key)
                    and "running_mean" not in key}
        worst = max(gaps, key=gaps.get)
        print(f"{optimizer}, {name}: losses within {loss_gap:.1e}, {worst} within {gaps[worst]:.1e}")
        assert gaps[worst] < 1e-5, gaps
    assert loss_gap < 1e-5


def test_four_processes_of_4_too(tiny, tmp_path):
    keys = ["optimizer.name=sgd", "optimizer.lr=0.05", "data.mix_group=4"]
    one = train_as(tiny, tmp_path, 1, *keys)
    four = train_as(tiny, tmp_path, 4, *keys)
    assert max(abs(a - b) for a, b in zip(losses(one), losses(four))) < 1e-5


# Without synchronised statistics the comparison above fails: it can see a missing collective.
def test_statistics_of_its_own_batch_are_another_network(tiny, tmp_path):
    keys = ["optimizer.name=sgd", "optimizer.lr=0.05"]
    one = train_as(tiny, tmp_path, 1, *keys)
    two = train_as(tiny, tmp_path, 2, *keys, "distributed.sync_batch_norm=false")
    assert max(abs(a - b) for a, b in zip(losses(one), losses(two))) > 1e-3


def test_compressed_gradients_train(tiny, tmp_path):
    plain = train_as(tiny, tmp_path, 2)
    small = run("train", tiny, *TWENTY, "data.batch_size=8", f"output={tmp_path / 'bf16'}",
                "--nproc", 2, "distributed.compress=bf16")
    assert small.status == 0, small.err
    gap = max(abs(a - b) for a, b in zip(losses(plain), losses(tmp_path / "bf16")))
    assert 0 < gap < 0.05


def test_gradient_checkpointing_changes_nothing(tiny, tmp_path):
    plain = train_as(tiny, tmp_path, 2)
    again = run("train", tiny, *TWENTY, "data.batch_size=8", f"output={tmp_path / 'again'}",
                "--nproc", 2, "train.grad_checkpointing=[0,1,2,3]")
    assert again.status == 0, again.err
    assert state_bytes(plain) == state_bytes(tmp_path / "again")


def test_997_pictures_count_once(tiny, tmp_path):
    keys = ["data.synthetic.val_images=997", "train.max_steps=1", "data.synthetic.train_images=96"]
    assert run("train", tiny, *keys, f"output={tmp_path / 'trained'}").status == 0
    found = {}
    for processes in (1, 2, 3):
        # No step is trained: the weights come from the run above.
        folder = tmp_path / f"eval-{processes}"
        result = run("train", tiny, *keys, f"init.checkpoint={tmp_path / 'trained'}",
                     "optimizer.lr=0", "schedule.warmup_epochs=0", "schedule.min_lr=0",
                     "ema.enabled=false", "data.augment.cutmix=0", "data.augment.mixup=0",
                     f"data.batch_size={24 // processes}", f"output={folder}", "--nproc", processes)
        assert result.status == 0, result.err
        found[processes] = evaluations(folder)[-1]
    for processes in (2, 3):
        for key in ("images", "top1", "top5"):
            assert found[processes][key] == found[1][key]
        assert found[processes]["loss"] == pytest.approx(found[1]["loss"], abs=1e-6)
    assert found[1]["images"] == 997


def test_equal_to_pythons_ddp():
    peer = os.environ.get("NALA_DDP_PEER", str(ROOT / "build/release/ddp_peer"))
    pytest.importorskip("torch")
    sums = {}
    for name, words in (("ours", torchrun_words(2, peer)),
                        ("python", [torchrun(), "--nproc-per-node=2", "--master-addr=127.0.0.1",
                                    f"--master-port={free_port()}",
                                    str(ROOT / "tests/multi/python_ddp.py")])):
        process = start(words)
        out = process.communicate(timeout=300)[0]
        assert process.returncode == 0, out
        sums[name] = re.findall(r"checksum ([0-9.]+)", out)
        assert len(sums[name]) == 2, out
    print(sums)
    assert len(set(sums["ours"] + sums["python"])) == 1, sums


def test_resume_on_another_number_of_processes(tiny, tmp_path):
    keys = [*TWENTY, "optimizer.name=sgd", "optimizer.lr=0.05", "checkpoint.every_steps=7"]
    whole = train_as(tiny, tmp_path, 1, "optimizer.name=sgd", "optimizer.lr=0.05")
    folder = tmp_path / "changed"
    # Where train_as trains 20 steps, this one is cut: a copy of its configuration is resumed.
    stopped = run("train", tiny, *keys, "data.batch_size=8", f"output={folder}", "--nproc", 2)
    assert stopped.status == 0, stopped.err
    for name in os.listdir(folder / "checkpoints"):
        if name != "step-00000014":
            path = folder / "checkpoints" / name
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
    result = run("train", tiny, *keys, "data.batch_size=16", f"output={folder}")
    assert result.status == 0 and "resumed from" in result.err, result.err
    assert max(abs(a - b) for a, b in zip(losses(whole), losses(folder))) < 1e-5
    # Another global batch is another run.
    result = run("train", tiny, *keys, "data.batch_size=4", f"output={folder}")
    assert result.status == 2 and "data.batch_size" in result.error_line()


def test_processes_configured_unlike_each_other_are_told_apart(tiny, tmp_path):
    port = free_port()
    processes = [start([PROGRAM, "train", tiny, f"seed={rank}", f"output={tmp_path / 'run'}"],
                       env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2",
                            "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1",
                            "MASTER_PORT": str(port)})
                 for rank in (0, 1)]
    outs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [1, 2], outs
    assert "rank 1 of 2: configured unlike rank 0: seed: 0 -> 1" in outs[1]
    assert "rank 1 failed before: configured unlike rank 0: seed" in outs[0]


def test_mpirun_starts_the_same_run(tiny, tmp_path):
    mpirun = shutil.which("mpirun")
    if mpirun is None:
        pytest.skip("no mpirun (Debian: openmpi-bin)")
    keys = ["data.batch_size=4", "data.mix_group=4", "train.epochs=1"]
    assert run("train", tiny, *keys, "--nproc", 2, f"output={tmp_path / 'own'}").status == 0
    process = start([mpirun, "--oversubscribe", "-np", 2, PROGRAM, "train", tiny, *keys,
                     f"output={tmp_path / 'mpi'}"],
                    env={**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                         "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})
    out = process.communicate(timeout=120)[0]
    assert process.returncode == 0, out
    assert state_bytes(tmp_path / "mpi") == state_bytes(tmp_path / "own")


# All that can be said of it without a GPU: it finds everything it needs in LibTorch's CUDA part.
def test_nccl_library_loads():
    library = PROGRAM.parent / "libnala_nccl.so"
    if not library.exists():
        pytest.skip("libnala_nccl.so was not built: no CUDA toolkit")
    torch = pytest.importorskip("torch")
    folder = pathlib.Path(torch.__file__).parent / "lib"
    ctypes.CDLL(str(folder / "libtorch_cuda.so"), ctypes.RTLD_GLOBAL)
    assert ctypes.CDLL(str(library)).nala_make_nccl


def test_other_tasks_evaluate_every_picture_once(tmp_path):
    import test_segmentation

    test_segmentation.write_set(tmp_path / "set")
    (tmp_path / "empty.yaml").write_text("seed: 1\n")
    found = {}
    for processes in (1, 2):
        folder = tmp_path / f"of-{processes}"
        words = test_segmentation.words(tmp_path / "set", data__batch_size=4 // processes,
                                        train__max_steps=3, model__layer_scale="[0.1,0.1,0.1,0.1]")
        result = run("train", tmp_path / "empty.yaml", *words, f"output={folder}", "--nproc", processes)
        assert result.status == 0, result.err
        found[processes] = evaluations(folder)[-1]
    assert found[1]["images"] == found[2]["images"] == 3
    assert set(found[1]) == set(found[2])
