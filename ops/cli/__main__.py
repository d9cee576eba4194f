"""``python -m ops.cli``: the same as ``fruits``. The job's package is found where it lies, whatever PYTHONPATH says."""

import sys

from ops.core.paths import ROOT

sys.path.append(str(ROOT / "jobs"))

from ops.cli.main import main

main()
