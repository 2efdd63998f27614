"""Memory in use, of what an engine answers with either version of cgroups: as `docker stats` shows it."""

import pytest

from sutazai.providers.docker.objects import memory_in


@pytest.mark.parametrize(
    ("stats", "used"),
    [
        ({"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 99, "cache": 60}}, 70),  # version 1
        ({"usage": 100, "stats": {"inactive_file": 30, "file": 60}}, 70),  # version 2
        ({"usage": 100, "stats": {"inactive_file": 101}}, 100),
        ({"usage": 100}, 100),
        ({}, None),
        (None, None),
    ],
)  # fmt: skip
def test_what_files_take_that_nobody_reads_is_not_in_use(stats: object, used: int | None) -> None:
    assert memory_in({"memory_stats": stats}) == used
