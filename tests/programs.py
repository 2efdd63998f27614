"""Programs that stand for those of the system, for a test's own PATH."""

import sys
from pathlib import Path


def ssh(folder: Path, source: str) -> None:
    """An `ssh` in this folder, in Python."""
    path = folder / "ssh"
    path.write_text(f"#!{sys.executable}\n{source}")
    path.chmod(0o755)
