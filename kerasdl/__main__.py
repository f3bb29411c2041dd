from kerasdl.cli import main

raise SystemExit(main())
