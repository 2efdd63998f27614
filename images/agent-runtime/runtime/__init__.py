"""What the agent runtime is made of. `agent.py` beside this package is its only entry point."""
