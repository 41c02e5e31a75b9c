"""The name by which a doctor asks who has joined a Ray, whatever version runs there: see on_ray/list_nodes.

Goes with the version after 0.2, when no server of version 0.1 is left to ask.
"""

import json
import sys

from orchestrator.execution.on_ray.list_nodes import list_nodes

if __name__ == "__main__":
    print(json.dumps({"nodes": list_nodes(sys.argv[1])}))
