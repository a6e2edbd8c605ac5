"""``python -m bench``."""

from tools.bench.run import main

if __name__ == "__main__":
    raise SystemExit(main())
