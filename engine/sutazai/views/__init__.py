"""Everything that a person or a tool reads. A view turns values into text; it decides nothing, and never
reads a clock or the environment: times, widths and colours are passed in."""
