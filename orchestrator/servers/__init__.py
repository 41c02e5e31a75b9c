"""Our own Ray on the servers of cluster.yaml: what is ours, the workers joined, all of it ended."""
