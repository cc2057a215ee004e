"""The console script ``recipeline``, as ``python -m recipeline``."""

from recipeline.errors import require_libraries

require_libraries()

from recipeline.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
