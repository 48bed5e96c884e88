"""Real model files, damaged: a seeded mutator, and workers that load what it makes and may die of it.

Run all 10 000 with::

    python tests/mechanism/mutate.py --count 10000 --folder FOLDER_OF_REAL_DATA
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

LARGEST = 60_000  # bytes of a file that is mutated; larger ones only cost time
NUMBERS = ["NaN", "INF", "-INF", "1e308", "-1", "", "0", "1e999", "0x10", "9" * 400, "1e-400"]
OPERATORS = [
    "plus",
    "minus",
    "times",
    "divide",
    "power",
    "root",
    "ln",
    "exp",
    "gt",
    "and",
    "not",
    "piecewise",
    "factorial",
]
OPERATORS += ["quotient", "delay", "rateOf", "lambda", "bogus", "apply", "ci", "cn"]
SECONDS = 30  # for one file


def sources(folder: Path) -> list[tuple[str, str]]:
    """Return (archive, member) of every model file that is small enough, in a fixed order."""
    found = []
    for archive in ("biomodels.zip", "sbml_test_suite.zip"):
        with zipfile.ZipFile(folder / archive) as z:
            members = [i for i in z.infolist() if i.filename.endswith(".xml") and i.file_size <= LARGEST]
            found += [(archive, i.filename) for i in members]
    return sorted(found)


def mutant(seed: int, folder: Path) -> tuple[str, bytes]:
    """Return the name and the bytes of the mutated file number `seed`."""
    rng = random.Random(seed)
    antimony = seed % 10 == 0
    if antimony:
        files = sorted((Path(__file__).parents[2] / "models").glob("*.ant"))
        path = files[rng.randrange(len(files))]
        name, data = path.name, path.read_bytes()
    else:
        archive, member = (files := sources_of(folder))[rng.randrange(len(files))]
        with zipfile.ZipFile(folder / archive) as z:
            name, data = member, z.read(member)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        data = rng.choice(_TEXTUAL if antimony else _ALL)(data, rng)
    return f"{name}#{seed}", data


_known: dict[Path, list[tuple[str, str]]] = {}


def sources_of(folder: Path) -> list[tuple[str, str]]:
    if folder not in _known:
        _known[folder] = sources(folder)
    return _known[folder]


# -- mutations -------------------------------------------------------------------------------------


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 3, 20])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice([1, 10, 200]) :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice([1, 30, 500])]
    return data[:start] + piece * rng.choice([2, 5, 50]) + data[start:]


def _one(pattern: bytes, replacement, data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(pattern, data))
    if not found:
        return data
    match = rng.choice(found)
    new = replacement(match)
    return data[: match.start()] + new + data[match.end() :]


def subtree(data: bytes, rng: random.Random) -> bytes:
    """Double, remove, empty or move one element."""
    found = list(re.finditer(rb"<([A-Za-z:]+)(\s[^<>]*)?(?<!/)>", data))
    if not found:
        return data
    match = rng.choice(found)
    end = data.find(b"</" + match[1] + b">", match.end())
    if end < 0:
        return data
    end += len(match[1]) + 3
    whole = data[match.start() : end]
    kind = rng.randrange(4)
    if kind == 0:
        return data[: match.start()] + whole * rng.choice([2, 2, 30]) + data[end:]
    if kind == 1:
        return data[: match.start()] + data[end:]
    if kind == 2:
        return data[: match.start()] + match[0] + b"</" + match[1] + b">" + data[end:]
    rest = data[: match.start()] + data[end:]
    places = [m.end() for m in re.finditer(rb">", rest)] or [0]
    place = rng.choice(places)
    return rest[:place] + whole + rest[place:]


def attribute(data: bytes, rng: random.Random) -> bytes:
    """Remove an attribute, or give it the value of another one."""
    found = re.findall(rb'\s[\w:]+="([^"<>]*)"', data) or [b""]
    value = rng.choice([b"", *[rng.choice(found)] * 3])
    drop = rng.random() < 0.4
    return _one(rb'(\s[\w:]+=")([^"<>]*)(")', lambda m: b"" if drop else m[1] + value + m[3], data, rng)


def number(data: bytes, rng: random.Random) -> bytes:
    new = rng.choice(NUMBERS).encode()
    return _one(rb"(?<=[\"> ,=(])-?\d+\.?\d*(?:[eE][-+]?\d+)?(?=[\"< ,;)])", lambda m: new, data, rng)


def identifier(data: bytes, rng: random.Random) -> bytes:
    """Put one id in the place of another: cycles, wrong kinds, things that are not there."""
    ids = re.findall(rb'\sid="([^"<>]*)"', data) or re.findall(rb"[A-Za-z_]\w*", data) or [b"x"]
    new = rng.choice([*[rng.choice(ids)] * 4, b"nowhere", b"time", b"__import__('os')", b"../x"])
    pattern = rb'(?<=")[A-Za-z_]\w*(?=")|(?<=<ci>)[^<]*(?=</ci>)|(?<=<ci> )[^<]*(?=</ci>)|\b[A-Za-z_]\w*\b(?=[ ;*])'
    return _one(pattern, lambda m: new, data, rng)


def operator(data: bytes, rng: random.Random) -> bytes:
    new = rng.choice(OPERATORS).encode()
    if rng.random() < 0.3:
        return _one(rb"<(apply|piecewise|piece|otherwise|math)[^<>]*>", lambda m: m[0] + b"<apply/>", data, rng)
    return _one(rb"<(\w+)\s*/>", lambda m: b"<" + new + b"/>", data, rng)


def sign(data: bytes, rng: random.Random) -> bytes:
    new = rng.choice(
        [b"(", b")", b"->", b"=>", b":=", b"'", b"at", b";", b'"', b"end", b"$", b"in", b"model", b"\n", b"^", b"-"]
    )
    return _one(rb"[-+*/();:=,]|\bend\b", lambda m: new, data, rng)


_TEXTUAL = [flip, cut, truncate, repeat, number, identifier, sign, sign]
_ALL = [flip, cut, truncate, repeat, subtree, subtree, subtree, attribute, attribute, number, number, identifier]
_ALL += [identifier, operator, operator]


# -- the worker: one line in (a seed), one line out (what became of it) ----------------------------


def outcome(name: str, data: bytes, path: Path, simulate: bool) -> str:
    """Return "model", "simulated", or the name of our error; any other exception comes through."""
    import sbml_hybrid as sh
    from sbml_hybrid.errors import SbmlHybridError

    path.write_bytes(data)
    done = "not loaded"
    try:
        model = sh.load(path)
        done = "loaded"
        str(model.describe())
        model.describe().to_html()
        model.require_simulable()
        done = "simulable"
        if simulate:
            sh.to_roadrunner(model)
            done = "compiled"
            sh.simulate(model, None, times=[0.0, 0.5, 1.0])
            done = "simulated"
    except SbmlHybridError as error:
        if "\n" in str(error) or not str(error):
            raise AssertionError(f"an error that is not one line: {error}") from None
        return f"{done}, {type(error).__name__}"
    return done


def work(folder: Path, share: int) -> None:
    """Answer on a copy of standard output; what libraries print there goes to a file that is looked at."""
    import tempfile

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    printed = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
    os.dup2(printed.fileno(), 1)
    os.dup2(printed.fileno(), 2)
    with tempfile.TemporaryDirectory() as place:
        before = 0
        for line in sys.stdin:
            seed = int(line)
            name, data = mutant(seed, folder)
            start = time.perf_counter()
            try:
                result = outcome(
                    name, data, Path(place) / f"mutant{'.ant' if seed % 10 == 0 else '.xml'}", seed % share == 0
                )
            except BaseException as error:
                where = error.__traceback__
                while where.tb_next:
                    where = where.tb_next
                at = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}"
                result = f"FINDING {type(error).__name__} at {at}: {str(error)[:200]}"
            os.fsync(printed.fileno())
            size = os.fstat(printed.fileno()).st_size
            if size > before:
                said = os.pread(printed.fileno(), 200, before).decode(errors="replace")
                result, before = f"FINDING printed: {said!r}", size
            answers.write(json.dumps([seed, name, result, round(time.perf_counter() - start, 2)]) + "\n")


class Worker:
    """A process that may die."""

    def __init__(self, folder: Path, share: int) -> None:
        self.command = [sys.executable, __file__, "--work", "--folder", str(folder), "--share", str(share)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, seed: int, seconds: float) -> tuple[str, str, float]:
        try:
            self.process.stdin.write(f"{seed}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return "?", "FINDING the worker had died", 0.0
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            if not ready.select(seconds):
                self.stop()
                self.start()
                return "?", f"FINDING hangs for {seconds:.0f} s", seconds
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.stop()
            self.start()
            return "?", f"FINDING died: {signal.Signals(-code).name if code < 0 else code}", 0.0
        _, name, result, took = json.loads(line)
        return name, result, took

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def fuzz(seeds: range, folder: Path, share: int = 5, seconds: float = 1e9) -> tuple[Counter, list[str]]:
    """Load the mutants of `seeds`, simulate every `share`-th, and stop after `seconds`.

    Returns
    -------
    counts, findings
        How often each thing became of one; what should not have.
    """
    counts: Counter[str] = Counter()
    findings: list[str] = []
    worker, end = Worker(folder, share), time.monotonic() + seconds
    try:
        for seed in seeds:
            if time.monotonic() > end:
                break
            name, result, took = worker.ask(seed, SECONDS)
            counts[result.split(" at ")[0].split(":")[0]] += 1
            if result.startswith("FINDING"):
                findings.append(f"{name} (seed {seed}): {result} [{took} s]")
    finally:
        worker.stop()
    return counts, findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--share", type=int, default=5, help="simulate every n-th of those that load")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--folder", type=Path, default=os.environ.get("SBML_HYBRID_TEST_DATA"))
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is None:
        parser.error("name the folder of real data with --folder, or in SBML_HYBRID_TEST_DATA")
    if given.work:
        work(given.folder, given.share)
        return
    counts, findings = fuzz(range(given.first, given.first + given.count), given.folder, given.share, given.seconds)
    print(sum(counts.values()), "mutants")
    for what, number in counts.most_common():
        print(f"{number:7d}  {what}")
    print(*findings, sep="\n")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
