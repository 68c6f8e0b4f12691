"""What the rest of the program may import of this room without paying for it."""

from __future__ import annotations

import subprocess
import sys


def test_the_seam_needs_no_client() -> None:
    """The facts and the protocol come without the Kubernetes client and without urllib3."""
    code = (
        "import sys, autoscaler.cluster.facts, autoscaler.cluster.port\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in {'kubernetes', 'urllib3', 'yaml'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
