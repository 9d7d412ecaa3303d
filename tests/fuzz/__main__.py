"""Run the fuzz targets for a while: with atheris (coverage-guided) where it is installed, else on seeded mutations of
the corpus.

An input that fails is written to ``crash-<signal>-<hash>.bin`` in the current folder and named; put it into
``tests/fuzz/corpus`` with the fix.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import sys
import time
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS, corpus


def mutate(seed: bytes, other: bytes, generator: random.Random) -> bytes:
    """One to four damages: cut, flip, over-long varint, delete, splice, repeat."""
    data = bytearray(seed)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(data) + 1)
        match generator.randrange(6):
            case 0:
                del data[place:]
            case 1 if place < len(data):
                data[place] = generator.randrange(256)
            case 2:
                data[place : place + 1] = b"\xff" * generator.randint(1, 10) + bytes([generator.randrange(128)])
            case 3:
                del data[place : place + generator.randint(1, 20)]
            case 4:
                begin = generator.randrange(len(other) + 1)
                data[place:place] = other[begin : begin + generator.randint(1, 60)]
            case _:
                data[place:place] = data[place : place + 40] * generator.randint(1, 4)
    return bytes(data)


def run_mutations(signal: str, seconds: float, seed: int) -> None:
    seeds = [path.read_bytes() for path in corpus(signal)]
    generator = random.Random(seed)
    deadline = time.perf_counter() + seconds
    inputs = decoded = 0
    while time.perf_counter() < deadline:
        data = mutate(generator.choice(seeds), generator.choice(seeds), generator)
        try:
            decoded += TARGETS[signal](data)
        except BaseException:
            crash = Path(f"crash-{signal}-{hashlib.sha256(data).hexdigest()[:12]}.bin")
            crash.write_bytes(data)
            print(f"failed on {crash}", file=sys.stderr)
            raise
        inputs += 1
    print(f"{signal}: {inputs} inputs from {len(seeds)} seeds, {decoded} of them decoded, nothing escaped")


def run_atheris(signal: str, seconds: float) -> None:
    import atheris

    arguments = [f"-max_total_time={int(seconds)}", "-max_len=8192", str(CORPUS / signal)]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[signal])
    atheris.Fuzz()  # does not return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=30, help="for each signal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signal", choices=tuple(TARGETS), help="one instead of all; with atheris traces by default")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris"):
        run_atheris(options.signal or "traces", options.seconds)
    for signal in (options.signal,) if options.signal else TARGETS:
        run_mutations(signal, options.seconds, options.seed)


main()
