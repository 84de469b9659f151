"""The door answers in a second only if the light files stay light."""

import subprocess
import sys


def test_components_load_without_torch():
    files = ["rng", "schedules", "estimators", "advantages", "surrogates", "kl", "aggregate"]
    code = "import sys\n" + "\n".join(f"import r1lab.functional.{f}" for f in files) + "\nprint('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
