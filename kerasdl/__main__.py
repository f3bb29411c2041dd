"""``python -m kerasdl`` is the command line ``kerasdl``."""

from kerasdl.course.cli import main

raise SystemExit(main())
