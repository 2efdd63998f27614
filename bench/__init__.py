"""sutazai beside its peers, on the same 131 agents in the same run."""
