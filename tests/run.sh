#!/usr/bin/env bash
# All checks, in the order in which they are cheapest to fail. `make test` sets up Python before it calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
strict=${CI:-false}

say() { printf '\n== %s\n' "$*"; }

# Chromium and a font with Chinese characters come from the system's packages.
find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
if [ -z "$(find_chromium)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing chromium from the system's packages"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-noto-cjk; } >/tmp/nqi-apt.log 2>&1 \
    || { tail -5 /tmp/nqi-apt.log; echo "could not install chromium"; }
fi
TEST_CHROMIUM="$(find_chromium)"
export TEST_CHROMIUM
if [ -z "$TEST_CHROMIUM" ]; then
  if [ "$strict" = true ]; then echo "CI needs Chromium: apt-get install chromium"; exit 1; fi
  say "SKIPPED: no Chromium here, so no browser test runs. Install it: apt-get install chromium fonts-noto-cjk"
fi

say "lint, types, import directions"
$bin/ruff check .
$bin/ruff format --check .
$bin/mypy
$bin/lint-imports

say "tests"
exec $bin/python -m pytest -n 2 --dist loadgroup "$@"
