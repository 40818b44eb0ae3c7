"""``python -m unified`` is ``unified``."""

from unified.cli.main import main

if __name__ == "__main__":
    main()
