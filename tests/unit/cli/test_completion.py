"""What each shell is offered, through the variables by which its script asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHELLS = ("bash", "zsh", "fish")


def offered(shell: str, *words: str, root: Path = ROOT) -> list[str]:
    """The last of `words` is the one that is being typed."""
    typed = (
        words[-1] if shell == "fish" else str(len(words))
    )  # fish hands over the word, the others its number
    environ = {
        **os.environ,
        "_SUTAZAI_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(("sutazai", *words)),
        "COMP_CWORD": typed,
    }
    program = "import sys; sys.argv[0] = 'sutazai'; from sutazai.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environ, capture_output=True, text=True, timeout=60
    )
    assert not ended.stderr
    rows = ended.stdout.splitlines()
    if shell == "zsh":
        return rows[1::3]  # type, word, help
    return [row.split(",", 1)[1].split("\t")[0] for row in rows if row]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("rollb",), ["rollback"]),
        (("emerg",), ["emergency"]),
        (("rollback", "--strategy", "gr"), ["graceful"]),
        (("plan", "--target", "prompt-"), ["prompt-injection-guard"]),
        (("plan", "--exclude", "tier:c"), ["tier:critical"]),
        (("drift", "--exclude", "tier:c"), ["tier:critical"]),
        (("destroy", "--target", "tier:c"), ["tier:critical"]),
        (("plan", "-e", "prod"), ["production"]),
        (("env", "show", "stag"), ["staging"]),
        (("build", "sutazai/red"), ["sutazai/redis:7.0"]),
    ],
)
def test_words_are_completed(shell: str, words: tuple[str, ...], expected: list[str]) -> None:
    assert offered(shell, *words) == expected


def test_where_there_is_no_project_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    assert offered("bash", "plan", "--target", "a", root=tmp_path) == []
    assert offered("bash", "rollback", "--state", "", root=tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell_names_the_program(shell: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sutazai", "completion", shell],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0
    assert "_SUTAZAI_COMPLETE" in ended.stdout
