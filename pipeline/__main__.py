"""``python -m pipeline`` is ``weir``."""

from pipeline.cli import main

main()
