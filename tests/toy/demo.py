"""`make demo` with the toy application alone: python -m tests.toy.demo <port> <serve port>."""

import sys
from pathlib import Path

from seqapps import __main__
from seqapps import app as contract
from tests.toy import APP

if __name__ == "__main__":
    contract.names = lambda: ("toy",)
    contract.load = lambda name: APP
    port, serve_port = sys.argv[1:]
    words = ["demo", "--profile", "smoke", "--port", port, "--serve-port", serve_port]
    assert (Path.cwd() / "data/toy").is_dir()
    sys.exit(__main__.main(words))
