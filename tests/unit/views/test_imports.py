import subprocess
import sys

VIEWS = "diagnostics plan_text plan_json plan_markdown lines live events_json status history compare graph graph_svg"


def test_importing_the_views_loads_no_heavy_library():
    code = ";".join(f"import sutazai.views.{name}" for name in VIEWS.split())
    heavy = "rich networkx docker jinja2 ruamel"
    code += f";import sys; print([m for m in {heavy.split()!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_plan_that_is_not_saved_does_not_load_the_format_of_plan_files():
    code = "import sutazai.cli.plan, sutazai.cli.apply, sutazai.operations.changing, sutazai.views.plan_text, sys"
    code += "; print('sutazai.plan.saved' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
