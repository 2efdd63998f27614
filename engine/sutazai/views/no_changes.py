"""What is said when there is nothing to do, apart from all that it takes to say more."""

from sutazai.views.text import Line, Span

NO_CHANGES = "No changes. The fleet matches the specs."


def no_changes() -> Line:
    return (Span(NO_CHANGES, "bold green"),)
