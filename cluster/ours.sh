# Read (`.`) before Ray is started on a server: what all its processes inherit. Not the mark by which they are known:
# only `ray start` is given that (cluster.yaml), or `stop` would end whatever else was started from a shell that read this.

unset OMP_NUM_THREADS PYTHONWARNINGS # set by `ray up`; a fold run uses the CPUs that it was given
cd "$HOME/fold-orchestrator" || return
PATH=$PWD/.venv/bin:$PATH
test ! -f "$HOME/.fold-orchestrator/environment" || . "$HOME/.fold-orchestrator/environment"

# A folder of our own, beside any other Ray here. Ray opens its temp dir, sockets included, to everybody
# (chmod 777): so it lies inside one that nobody else may enter.
umask 077 # what they write is for the owner's eyes only
USER=$(id -un)
mkdir -p "/tmp/fold-$USER/ray" # --temp-dir in cluster.yaml
test -O "/tmp/fold-$USER" && chmod 700 "/tmp/fold-$USER" ||
    { echo "/tmp/fold-$USER belongs to another user; have it removed" >&2; return 1; }

# Who cannot show the token is refused. The head makes it; the others are given it.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.fold-orchestrator/token
export RAY_USAGE_STATS_ENABLED=0
