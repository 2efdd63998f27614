"""What the commands do, over ports only: no Docker, no terminal, no clock of their own."""
