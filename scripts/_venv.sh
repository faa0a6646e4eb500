# Sourced by scripts/run and scripts/test: makes .venv once and again whenever the requirements change.
# Usage: ensure_venv REQUIREMENTS_FILE

find_python() {
    # A version manager may leave shims that only print an error, so each candidate is run.
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    echo "error: no Python 3.11 or newer with venv was found; install one (Debian: apt-get install python3-venv) or set PYTHON=/path/to/python3" >&2
    return 1
}

ensure_venv() {
    requirements=$1
    stamp=".venv/installed-$(basename "$requirements")"
    if [ -x .venv/bin/python ] && .venv/bin/python -c '' >/dev/null 2>&1 && cmp -s "$requirements" "$stamp"; then
        return 0
    fi
    python=$(find_python) || return 1
    echo "installing into .venv (first use or changed requirements; about a minute) ..." >&2
    # An interrupted first use may have left a venv without pip.
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        rm -rf .venv
        "$python" -m venv .venv || return 1
    fi
    # A pip of the machine's own may be set to look elsewhere or be told what not to do; it is left alone.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements" || return 1
    cp "$requirements" "$stamp"
}
