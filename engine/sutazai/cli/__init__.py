"""The command line: parse, call the operation, hand the result to a view. One file per command."""
