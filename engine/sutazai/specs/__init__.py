"""The YAML edge: files of the user to the desired state, with every problem placed where it was written."""
