"""Run the fuzz target for a while: with atheris (coverage-guided) where it is installed, else on seeded mutations of
the corpus.

An input that fails is written to ``crash-<hash>.bin`` in the current folder and named; put it into
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

from tests.fuzz.spans import fuzz_one

CORPUS = Path(__file__).parent / "corpus"


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


def run_mutations(seconds: float, seed: int) -> None:
    corpus = [path.read_bytes() for path in sorted(CORPUS.glob("*.bin"))]
    generator = random.Random(seed)
    deadline = time.perf_counter() + seconds
    inputs = decoded = 0
    while time.perf_counter() < deadline:
        data = mutate(generator.choice(corpus), generator.choice(corpus), generator)
        try:
            decoded += fuzz_one(data)
        except BaseException:
            crash = Path(f"crash-{hashlib.sha256(data).hexdigest()[:12]}.bin")
            crash.write_bytes(data)
            print(f"failed on {crash}", file=sys.stderr)
            raise
        inputs += 1
    print(f"{inputs} inputs from {len(corpus)} seeds, {decoded} of them decoded, nothing escaped")


def run_atheris(seconds: float) -> None:
    import atheris

    atheris.Setup([sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=8192", str(CORPUS)], fuzz_one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris"):
        run_atheris(options.seconds)
    else:
        run_mutations(options.seconds, options.seed)


main()
