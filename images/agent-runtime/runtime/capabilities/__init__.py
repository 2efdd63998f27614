"""What agents can do. Each capability is a pure function from JSON to JSON: same input, same answer.

Its module is imported when it is first asked for, so that an agent pays for what it does and no more.
"""

from collections.abc import Callable
from importlib import import_module

from runtime.capabilities.inputs import InputError
from runtime.http1 import Json

__all__ = ["CAPABILITIES", "InputError", "perform"]

CAPABILITIES = {
    "alerting": "figures.firing_alerts",
    "analysis": "texts.text_statistics",
    "architecture": "graphs.layers",
    "automated_testing": "cases.run_cases",
    "automation": "graphs.ordered_steps",
    "code_generation": "code.generate_dataclass",
    "code_quality_validation": "code.quality_findings",
    "coordination": "capacity.share_out",
    "deployment": "releases.version_changes",
    "docker_management": "releases.image_references",
    "documentation": "texts.outline",
    "efficiency": "figures.efficiency",
    "inference_scaling": "capacity.replicas",
    "infrastructure_provisioning": "capacity.pack",
    "integration": "records.map_fields",
    "integration_testing": "cases.run_cases",
    "kubernetes_orchestration": "capacity.pack",
    "llm_integration": "texts.prompt_within_budget",
    "model_deployment": "releases.version_changes",
    "model_optimization": "capacity.best_within_budget",
    "monitoring": "figures.summary",
    "observability": "figures.summary",
    "ollama_model_management": "capacity.best_within_budget",
    "optimization": "capacity.best_within_budget",
    "performance": "figures.percentiles",
    "performance_optimization": "capacity.best_within_budget",
    "performance_testing": "figures.percentiles",
    "planning": "graphs.ordered_steps",
    "processing": "records.clean",
    "reporting": "records.markdown_table",
    "resource_management": "capacity.pack",
    "security_analysis": "security.findings",
    "security_testing": "security.findings",
    "storage": "records.content_address",
    "support": "texts.best_match",
    "system_monitoring": "figures.summary",
    "testing": "cases.run_cases",
    "validation": "records.validate",
}


def perform(capability: str, value: Json) -> Json:
    """Raises InputError, whose message says what the capability wants."""
    module, _, function = CAPABILITIES[capability].partition(".")
    run: Callable[[Json], Json] = getattr(import_module(f"runtime.capabilities.{module}"), function)
    return run(value)
