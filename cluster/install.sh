#!/usr/bin/env bash
# What `ray up` runs on every server after the project is there: .venv with the exact versions of constraints.txt,
# on PATH of the login shell. The first time minutes; nothing when pyproject.toml, constraints.txt and Python are as
# they were. PYTHON=python3.12 before it in cluster.yaml takes another Python.
set -euo pipefail
umask 077
mkdir -p ~/.fold-orchestrator # token and environment; not in the project, which is copied about
chmod 700 ~/.fold-orchestrator
cd ~/fold-orchestrator

python=${PYTHON:-python3}
stamp=.venv/.installed-here
same_python() { test -z "${PYTHON:-}" || test "$("$PYTHON" -V)" = "$(.venv/bin/python -V)"; }
if ! { cat pyproject.toml constraints.txt | cmp --silent - "$stamp" && same_python; }; then
    if test -e "$stamp" && .venv/bin/python -m orchestrator.servers running; then
        echo "$(hostname): pyproject.toml, constraints.txt or PYTHON changed, and packages are not exchanged under a Ray" \
            "that runs; on the head: python -m orchestrator.servers stop; then ray up again, and --resume what it ran" >&2
        exit 1
    fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is "
        + sys.version.split()[0] + "; put PYTHON=python3.12 (or such) before the set-up command in cluster.yaml")'
    # Without ensurepip `venv` fails, but leaves a Python that has no pip.
    { .venv/bin/python -m pip --version > /dev/null 2>&1 && same_python; } || "$python" -m venv --clear .venv || {
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        echo "$(hostname): no venv; on Debian and Ubuntu: sudo apt-get install $package" >&2
        exit 1
    }
    .venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[wandb]'
    cat pyproject.toml constraints.txt > "$stamp"
fi

# bash reads the first of these that exists, and only that.
for profile in ~/.bash_profile ~/.bash_login ~/.profile; do
    test -e "$profile" && break
done
marked='export PATH="$HOME/fold-orchestrator/.venv/bin:$PATH"  # fold-orchestrator'
grep --quiet --fixed-strings --line-regexp "$marked" "$profile" 2> /dev/null || printf '\n%s\n' "$marked" >> "$profile"
