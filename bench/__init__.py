"""sutazai beside its peers: the same 131 agents on the same engine in the same run, and planning alone at any size."""
