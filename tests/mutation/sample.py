"""Draw mutants by chance, let mutmut test them, and count: `make mutation SAMPLE=100`.

The same code gives the same mutants each time. A larger sample has those of a smaller one in it.
"""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

SEED = 14
PARTS = ("outcome", "delivery", "ledger", "smtp")
FEW = "mailqueue.outcome.marks.*"  # mutmut makes all mutants whenever it is to test some
NOTICED = ("killed", "timeout", "suspicious", "segfault")
COLUMNS = ("noticed", "survived", "no tests")
MUTMUT = str(Path(sys.executable).with_name("mutmut"))


def run(*names: str) -> None:
    """Have mutmut test some mutants; it works in `mutants/`."""
    subprocess.run([MUTMUT, "run", "--max-children", "1", *names], check=True)


def states() -> dict[str, str]:
    """Return what is known of each mutant, by its name."""
    told = subprocess.check_output([MUTMUT, "results", "--all", "true"], text=True)
    lines = (line.strip().rpartition(": ") for line in told.splitlines())
    return {name: state for name, _, state in lines if name}


def drawn(names: Iterable[str], number: int) -> dict[str, list[str]]:
    """Draw so many of each part."""
    of: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in sorted(names):
        of[name.split(".")[1]].append(name)
    return {part: random.Random(SEED).sample(all_, len(all_))[:number] for part, all_ in of.items()}


def counted(sample: Mapping[str, Iterable[str]], known: Mapping[str, str]) -> list[str]:
    """Return the lines of a table with what became of the mutants of each part."""
    lines = ["| part | drawn | " + " | ".join(COLUMNS) + " |", "| --- " * (2 + len(COLUMNS)) + "|"]
    for part, names in sample.items():
        became = Counter("noticed" if known[name] in NOTICED else known[name] for name in names)
        row = [part, became.total(), *(became[each] for each in COLUMNS)]
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return lines


def main(number: int) -> None:
    run(FEW)
    sample = drawn(states(), number)
    run(*(name for names in sample.values() for name in names))
    known = states()
    for names in sample.values():
        for name in names:
            if known[name] not in NOTICED:
                print(f"{name}: {known[name]}")
    print("\n".join(counted(sample, known)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
