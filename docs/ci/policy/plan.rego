# For Conftest: sutazai show sutazai.plan --json > plan.json && conftest test --policy docs/ci/policy plan.json
# The fields are those of Terraform's JSON plan; only `sutazai` is this engine's own.
package main

import rego.v1

changed contains change if {
	some change in input.resource_changes
	change.change.actions != ["no-op"]
}

workload(change) if change.type in {"sutazai_agent", "sutazai_service"}

deny contains sprintf("%s has no memory limit", [change.address]) if {
	some change in changed
	workload(change)
	change.change.after != null
	not change.change.after.deploy.resources.limits.memory
}

deny contains sprintf("%s runs privileged", [change.address]) if {
	some change in changed
	change.change.after.privileged == true
}

deny contains sprintf("%s is critical and would be destroyed", [change.address]) if {
	some change in changed
	change.change.actions == ["delete"]
	change.change.before.tier == "critical"
}

deny contains sprintf("%s: %s", [finding.code, finding.summary]) if {
	some finding in input.sutazai.findings
	finding.severity == "error"
}

warn contains concat(" ", [change.address, "is replaced because of", concat(".", path)]) if {
	some change in changed
	some path in change.change.replace_paths
}

warn contains sprintf("%s was changed outside", [change.address]) if {
	some change in input.resource_drift
}
