"""Health checks: one file per kind, unaware of the others, and `runner` that picks one."""
