#!/bin/sh
# Installs the Python and front-end packages from their lock files. Quick when nothing has changed.
set -eu
UV="$1"

say() { printf '%s\n' "$*"; }
root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
# Install Debian packages as root; otherwise say exactly what to run.
apt_or_say() {
  if root; then
    say "installing $* …"
    DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends $*" >/dev/null
  else
    say "Missing (缺少): $*. As root run:  apt-get update && apt-get install -y --no-install-recommends $*" >&2
    exit 1
  fi
}

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null 2>&1 &&
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    python="$candidate"
    break
  fi
done
if [ -z "$python" ]; then
  say "Python 3.11, 3.12 or 3.13 is needed (需要 Python 3.11 至 3.13); none was found on PATH." >&2
  exit 1
fi

if ! command -v "$UV" >/dev/null 2>&1; then
  say "installing uv …"
  "$python" -c 'import ensurepip' 2>/dev/null || apt_or_say python3-venv
  "$python" -m venv .local/uv
  .local/uv/bin/pip install --quiet --disable-pip-version-check uv
  UV=.local/uv/bin/uv
fi

[ -d .venv ] || say "installing the Python packages …"
"$UV" sync --frozen --quiet --python "$("$python" -c 'import sys; print(sys.executable)')"

web=parking_cloud/web
if ! cmp -s "$web/package-lock.json" "$web/node_modules/.installed-lock"; then
  command -v npm >/dev/null 2>&1 || apt_or_say nodejs npm
  say "installing the front-end packages …"
  (cd "$web" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
  cp "$web/package-lock.json" "$web/node_modules/.installed-lock"
fi
