"""The console script ``recipeline``, as ``python -m recipeline``."""

from recipeline.cli.main import main

if __name__ == "__main__":
    main()
