"""What depends on what: selectors that name parts of a fleet, and the waves in which it is changed."""
