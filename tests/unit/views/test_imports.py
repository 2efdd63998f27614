import subprocess
import sys

VIEWS = "diagnostics plan_text plan_json plan_markdown lines live events_json status history compare graph graph_svg"


def test_importing_the_views_loads_no_heavy_library():
    code = ";".join(f"import sutazai.views.{name}" for name in VIEWS.split())
    heavy = "rich networkx deepdiff docker jinja2 ruamel"
    code += f";import sys; print([m for m in {heavy.split()!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
