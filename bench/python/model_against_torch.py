#!/usr/bin/env python3
"""Whole models: the program beside plain PyTorch, eager and compiled, in turns in one run.

    python3 bench/python/model_against_torch.py --program build/release/nalaformer --output out.json

Both sides have the same weights, thread count and allocator setting (glibc's thresholds as the program
sets them). Before anything is timed the program's function (exported as TorchScript) must agree with
the plain model. A round times every contestant once; the table holds medians over the rounds and
ratios to the faster of eager and compiled. Without --compile the compiled ones are left out: they
take minutes to compile.

With --memory nothing is timed: each contestant runs some steps in a fresh process, and the table holds
its peak of anonymous resident memory (weights, gradients, moments and all) above what it held before
the network was built, and the same without the weights and the input.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--models", default="nalaformer_xt,nalaformer_t")
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each contestant in each round")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--train", action="store_true", help="training steps in place of inference")
    parser.add_argument("--memory", action="store_true", help="peak memory in place of speed")
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def median_rate(step, batch, seconds):
    """Pictures per second: the median over repetitions of `step` for that long."""
    step()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return batch / statistics.median(times)


def program_row(options, name, batch, dtype, extra):
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        subject = "train" if options.train else "model"
        seconds = 0 if options.memory else options.seconds
        command = [options.program, "bench", subject, f"model.name={name}", "--batch", str(batch),
                   "--dtype", dtype, "--seconds", str(seconds), "--threads", str(options.threads),
                   f"data.image_size={options.size}", "--json", result.name, "--quiet", *extra]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.load(open(result.name))["rows"][0]


def eager_memory(options, name, batch, dtype):
    command = [sys.executable, pathlib.Path(__file__).with_name("eager_memory.py"), "--model", name,
               "--batch", str(batch), "--size", str(options.size), "--dtype", dtype,
               "--threads", str(options.threads), *(["--train"] if options.train else [])]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def compare_memory(options, name, batch, dtype):
    """Peak bytes of each contestant; the weights and the input are the same for all."""
    from plain_model import NaLaFormer

    def program(*extra):
        row = program_row(options, name, batch, dtype, ["--memory", *extra])
        return row["peak_resident_bytes"]

    peaks = {"eager": eager_memory(options, name, batch, dtype), "program": program()}
    if not options.train:
        peaks["program, fused"] = program("--fused")
    given = 4 * (sum(p.numel() for p in NaLaFormer(name).parameters())
                 + batch * 3 * options.size**2)
    for key, peak in peaks.items():
        print(f"  {dtype:9s} batch {batch:3d}  {key:16s} {peak / 2**20:8.1f} MiB  "
              f"{peak / peaks['eager']:5.2f}   without weights and input "
              f"{(peak - given) / 2**20:8.1f} MiB  "
              f"{(peak - given) / (peaks['eager'] - given):5.2f}", flush=True)
    return dict(model=name, dtype=dtype, batch=batch, peak_bytes=peaks, weights_and_input_bytes=given)


def check_equal(options, name, model, images):
    """The program, given the plain model's weights, computes the same."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        torch.save({"model": model.state_dict()}, folder / "weights.pth")
        subprocess.run(
            [options.program, "export", "--checkpoint", folder / "weights.pth", f"model.name={name}",
             "--format", "torchscript", "--output", folder / "model.pt"],
            check=True, stdout=subprocess.DEVNULL)
        ours = torch.jit.load(folder / "model.pt")(images)
    expected = model(images)
    error = ((ours - expected).abs().max() / expected.abs().max()).item()
    if error > 1e-4:
        sys.exit(f"{name}: the program and the plain model differ by {error:.1e} of the largest output")
    return error


def contestants(options, name, batch, dtype, model, images):
    """Name -> function that times one round and gives pictures per second."""
    import torch

    from plain_model import stepper

    def timed(step):
        return lambda: median_rate(step, batch, options.seconds)

    def program(*extra):
        return lambda: program_row(options, name, batch, dtype, extra)["images_per_second"]

    all_of_them = {"eager": timed(stepper(model, model, images, dtype, options.train)), "program": program()}
    if not options.train:
        all_of_them["program, fused"] = program("--fused")
    if options.compile:
        all_of_them["compiled"] = timed(
            stepper(model, torch.compile(model), images, dtype, options.train))
    return all_of_them


def compare_speed(options, name):
    """One row per dtype and batch."""
    import torch

    from plain_model import NaLaFormer

    torch.manual_seed(0)
    model = NaLaFormer(name).eval()
    images = torch.randn(2, 3, options.size, options.size)
    with torch.inference_mode():
        error = check_equal(options, name, model, images)
    print(f"{name}: program and plain model within {error:.1e} of the largest output")
    model.train(options.train)
    for dtype in options.dtypes.split(","):
        for batch in map(int, options.batches.split(",")):
            images = torch.randn(batch, 3, options.size, options.size)
            images = images.to(memory_format=torch.channels_last)
            who = contestants(options, name, batch, dtype, model, images)
            rates = {key: [] for key in who}
            for _ in range(options.rounds):
                for key, run in who.items():
                    rates[key].append(run())
            medians = {key: statistics.median(values) for key, values in rates.items()}
            best = max(medians[key] for key in ("eager", "compiled") if key in medians)
            for key, rate in medians.items():
                print(f"  {dtype:9s} batch {batch:3d}  {key:16s} {rate:8.1f} pictures/s "
                      f"({min(rates[key]):.1f} - {max(rates[key]):.1f})  {rate / best:5.2f}", flush=True)
            yield dict(model=name, dtype=dtype, batch=batch, rates=rates, medians=medians)


def main():
    options = arguments()
    if any(os.environ.get(key) != value for key, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    import torch

    torch.set_num_threads(options.threads)
    rows = []
    print(f"{options.threads} threads, {options.size} x {options.size}, "
          f"{'training step' if options.train else 'inference'}, "
          + ("peak memory" if options.memory else f"{options.rounds} rounds"), flush=True)
    for name in options.models.split(","):
        if not options.memory:
            rows += compare_speed(options, name)
            continue
        print(name)
        rows += [compare_memory(options, name, batch, dtype)
                 for dtype in options.dtypes.split(",")
                 for batch in map(int, options.batches.split(","))]
    if options.output:
        options.output.write_text(json.dumps(dict(threads=options.threads, size=options.size,
                                                  training=options.train, rows=rows), indent=1))


if __name__ == "__main__":
    main()
