"""`gangway` and `python -m webapp`: patch first, then everything else."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from webapp.cli import main

if __name__ == "__main__":
    main()
