"""The name by which a doctor asks a server for its facts, whatever its version: see machine/node_facts.py.

Goes with the version after 0.2, when no server of version 0.1 is left to ask.
"""

import sys

from orchestrator.machine.node_facts import main

if __name__ == "__main__":
    sys.exit(main())
