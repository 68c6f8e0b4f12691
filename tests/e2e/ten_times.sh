#!/usr/bin/env bash
# Runs the end-to-end tests ten times (or as often as the first argument says), each time with a fresh control plane,
# and ends with 1 as soon as a run fails or skips anything. Arguments after the first go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
times=${1:-10}
python=${PYTHON:-.venv/bin/python}
for run in $(seq "$times"); do
  began=$(date +%s)
  # CI=true: what is missing fails instead of being skipped
  if ! output=$(CI=true "$python" -m pytest -q -p no:cacheprovider tests/e2e "${@:2}" 2>&1); then
    printf '%s\nrun %s of %s failed\n' "$output" "$run" "$times" >&2
    exit 1
  fi
  summary=$(tail -n 1 <<<"$output")
  if grep -qE 'skipped|xfailed|rerun' <<<"$summary"; then
    printf 'run %s of %s left something out: %s\n' "$run" "$times" "$summary" >&2
    exit 1
  fi
  echo "run $run of $times: $summary ($(($(date +%s) - began)) s with the control plane)"
done
