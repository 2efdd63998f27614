"""sutazai: plan, apply and roll back fleets of containers on Docker.

The package is layered; `[tool.importlinter]` in pyproject.toml keeps the layers, docs/architecture.md explains them.
"""

__version__ = "0.1.0"
