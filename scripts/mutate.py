"""Mutation testing of what decides: changes the code of `plan` and `state` one small way at a time, and sees whether a
test notices. A sample of the mutants is drawn by seed, so that a figure can be taken again; mutmut makes and tests them, as
`[tool.mutmut]` of pyproject.toml says.

It works in a temporary copy: nothing of an earlier run counts, and the code at hand is never touched. Alive is what no test
runs, too. What ran out of time counts as noticed, and is shown. It ends with 1 when the share alive reaches the limit.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

ROOT = Path(__file__).parents[1]
LINKS = {"src": "engine", "tests": "tests", "pyproject.toml": "pyproject.toml"}
"""What a copy is made of. mutmut knows a folder `src` as one that is no part of a module's name."""
MODULES = ("plan", "state")
KILLED = ("killed", "timeout")
PROCESSES = 2
MUTMUT = Path(sys.executable).with_name("mutmut")


def main() -> int:
    options = _options()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sutazai-mutants-") as folder:
        for name, target in LINKS.items():
            Path(folder, name).symlink_to(ROOT / target)
        os.chdir(folder)  # mutmut reads its configuration from where it is
        everything = _every_mutant()
        draw = random.Random(options.seed)  # noqa: S311 - to be drawn again, not to be secret
        sample = options.mutants or sorted(draw.sample(everything, min(options.size, len(everything))))
        print(f"{len(sample)} of {len(everything)} mutants, seed {options.seed}", flush=True)
        _test(sample)
        found = _outcomes()
        alive = [name for name in sample if found[name] not in KILLED]
        for name in sample:
            if found[name] != "killed":
                print(f"\n{_diff(name)}")
    counts = ", ".join(f"{number} {word}" for word, number in Counter(found[n] for n in sample).most_common())
    share = 100 * len(alive) / len(sample)
    print(f"\n{len(alive)} of {len(sample)} mutants alive = {share:.1f} % ({counts}); seed {options.seed}, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    return 0 if share < options.limit else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="default: any"
    )
    parser.add_argument("--size", type=int, default=150, help="how many mutants (default: %(default)s)")
    parser.add_argument(
        "--limit", type=float, default=10, help="per cent alive that fail (default: %(default)s)"
    )
    parser.add_argument("mutants", nargs="*", help="names of mutants to test instead of a sample")
    return parser.parse_args()


def _every_mutant() -> list[str]:
    found = []
    for module in MODULES:
        for path in sorted(Path("src", "sutazai", module).glob("*.py")):
            names = mutate_file_contents(str(path), path.read_text()).mutant_names
            found += [get_mutant_name(path, name) for name in names]
    return found


def _test(names: list[str]) -> None:
    """mutmut's own words are of use only where it fails."""
    done = subprocess.run(
        [MUTMUT, "run", "--max-children", str(PROCESSES), *names],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"mutmut failed:\n{done.stdout[-10_000:]}")


def _outcomes() -> dict[str, str]:
    """Mutant → what became of it. mutmut keeps it in a JSON file beside each mutated one."""
    found: dict[str, str] = {}
    for path in Path("mutants", "src").rglob("*.py.meta"):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    return found


def _diff(name: str) -> str:
    return subprocess.run([MUTMUT, "show", name], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
