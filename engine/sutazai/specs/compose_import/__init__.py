"""Compose files in, a project out.

The files are read and merged as Compose would (`nodes`, `merge`, `project`), `${VAR}` becomes a variable of the project
instead of being frozen (`interpolate`), every field is tried on the model (`convert`), and what the model does not take
is named with its file and line, never dropped in silence. `write` lays out the result.
"""

from sutazai.specs.compose_import.run import Imported, import_compose

__all__ = ["Imported", "import_compose"]
