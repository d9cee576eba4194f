"""``python -m ops.cli``: the same as ``fruits``."""

from ops.cli.main import main

main()
