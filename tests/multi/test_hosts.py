"""Two network namespaces as two machines."""

import os
import subprocess

import pytest

from processes import PROGRAM, run, start, state_bytes, torchrun
from conftest import tiny  # noqa: F401  (a fixture)

KEYS = ["data.batch_size=4", "data.mix_group=4", "train.epochs=2"]


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Names of two namespaces that see each other as 10.77.0.1 and 10.77.0.2, and nothing else."""
    names = [f"nala-{os.getpid()}-{i}" for i in (1, 2)]
    made = []
    try:
        for name in names:
            if ip("netns", "add", name).returncode != 0:
                pytest.skip("network namespaces need root")
            made.append(name)
        ends = [f"nala{os.getpid() % 10000}{c}" for c in "ab"]
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for i, (name, end) in enumerate(zip(names, ends)):
            if ip("link", "set", end, "netns", name).returncode != 0:
                pytest.skip("no virtual network interfaces here")
            ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in made:
            ip("netns", "del", name)


def environment(launcher, rank):
    if launcher == "plain":
        return {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1,
                "MASTER_ADDR": "10.77.0.1", "MASTER_PORT": 29511}
    return {"SLURM_PROCID": rank, "SLURM_NTASKS": 2, "SLURM_LOCALID": 0, "SLURM_JOB_ID": 4711,
            "SLURM_JOB_NODELIST": "10.77.0.[1-2]"}


@pytest.mark.parametrize("launcher", ["plain", "slurm", "torchrun"])
def test_two_machines_train_as_one(tiny, tmp_path, hosts, launcher):
    result = run("train", tiny, *KEYS, f"output={tmp_path / 'one'}", "--nproc", 2)
    assert result.status == 0, result.err
    processes = []
    for rank, host in enumerate(hosts):
        # The second machine has no run folder: only rank 0 writes.
        words = [PROGRAM, "train", tiny, *KEYS, f"output={tmp_path / f'machine-{rank}'}"]
        extra = {}
        if launcher == "torchrun":
            words = [torchrun(), "--no-python", "--nnodes=2", f"--node-rank={rank}",
                     "--nproc-per-node=1", "--master-addr=10.77.0.1", "--master-port=29512", *words]
        else:
            extra = {key: str(value) for key, value in environment(launcher, rank).items()}
        processes.append(start(["ip", "netns", "exec", host, *words], env={**os.environ, **extra}))
    outs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outs
    assert state_bytes(tmp_path / "machine-0") == state_bytes(tmp_path / "one")
    assert not (tmp_path / "machine-1").exists()
