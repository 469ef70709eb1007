#!/usr/bin/env python3
"""Peak memory of plain PyTorch in a process of its own, for model_against_torch.py --memory.

Prints the bytes of anonymous resident memory that the process held at the most above what it held
before the network was built: what `nalaformer bench --memory` measures of itself.
"""

import argparse
import sys


def status_bytes():
    fields = {}
    with open("/proc/self/status") as status:
        for line in status:
            name, _, value = line.partition(":")
            if value.endswith(" kB\n"):
                fields[name] = 1024 * int(value.split()[0])
    return fields


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    import torch

    from plain_model import NaLaFormer, stepper

    torch.set_num_threads(options.threads)
    start = status_bytes()["RssAnon"]
    model = NaLaFormer(options.model).train(options.train)
    images = torch.randn(options.batch, 3, options.size, options.size)
    images = images.to(memory_format=torch.channels_last)
    step = stepper(model, model, images, options.dtype, options.train)
    for _ in range(options.steps):
        step()
    now = status_bytes()
    print(now["VmHWM"] - now["RssFile"] - now["RssShmem"] - start)


if __name__ == "__main__":
    sys.exit(main())
