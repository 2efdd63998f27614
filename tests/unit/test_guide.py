"""What the pages say of this repository's own fleet is so: they show outputs of it."""

from pathlib import Path

import pytest

from sutazai.specs.load import load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "environment", "resources", "workloads"),
    [
        ("README.md", "local", "Resources: {} added, 0 changed", "{0} of {0} healthy, "),
        ("docs/guide.md", "simulated", "Resources: {} added, 0 changed", "{0} of {0} healthy, "),
        ("docs/guide.md", "production", "Plan: {} to add, 0 to change", "Capacity: {} instances"),
    ],
)
def test_a_page_counts_what_the_specs_declare(
    page: str, environment: str, resources: str, workloads: str
) -> None:
    fleet = load(ROOT, environment, variables={}, environ={}).fleet
    assert fleet is not None
    text = (ROOT / page).read_text()
    assert resources.format(len(list(fleet.addresses()))) in text
    assert workloads.format(sum(each.deploy.replicas or 1 for _, each in fleet.workloads())) in text
