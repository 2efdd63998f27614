"""What is: the recorded state (serials) and the observed one (what Docker reports), both as plain values."""
