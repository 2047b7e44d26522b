#!/bin/sh
# Holds the scenarios of a change against the gate, with the base branch's result and policy beside them. Any CI can run it; the
# GitHub action does. Ends as `edgeroi check` does, with everything written before.
#
#   BASE=origin/main sh check.sh                      a comment, SARIF, JUnit, Code Quality and JSON in ./edgeroi-out
#   BASE=origin/main sh check.sh --config litellm.yaml
#
# BASE       the commit to compare with; without it nothing is compared, and the present policy judges
# SCENARIOS  files and folders, a blank between them (scenarios/)
# POLICY     the project's policy (edgeroi.yaml)
# MIN_CHANGE what a premium or a net must move by to be told (10 USD/month)
# OUT        where to write (edgeroi-out) · FORMAT what to print (table) · EDGEROI the command (edgeroi)
set -eu

edgeroi=$(command -v "${EDGEROI:-edgeroi}")
case $edgeroi in /*) ;; *) edgeroi=$PWD/$edgeroi ;; esac
scenarios=${SCENARIOS:-scenarios/}
policy=${POLICY:-edgeroi.yaml}
mkdir -p "${OUT:-edgeroi-out}"
out=$(cd "${OUT:-edgeroi-out}" && pwd)
rm -f "$out/base.json" "$out/base-policy.yaml" "$out/comment.md" "$out/edgeroi.sarif" "$out/junit.xml" "$out/code-quality.json" "$out/check.json"

if [ -n "${BASE:-}" ]; then
  git cat-file -e "$BASE^{commit}" 2> /dev/null || git fetch -q --depth=1 origin "$BASE"
  work=$(mktemp -d)
  git worktree add -q --detach "$work/base" "$(git rev-parse --verify -q "$BASE^{commit}" || git rev-parse FETCH_HEAD)"
  trap 'git worktree remove --force "$work/base"; rm -rf "$work"' EXIT
  # A base without a policy states nothing: what the change's own allows beyond the gate's defaults is then told.
  if [ -f "$work/base/$policy" ]; then cp "$work/base/$policy" "$out/base-policy.yaml"; else echo 'edgeroi: 1' > "$out/base-policy.yaml"; fi
  # shellcheck disable=SC2086  # several scenarios are several words
  (cd "$work/base" && "$edgeroi" check $scenarios --format json --output "$out/base.json" > /dev/null 2> "$out/base.log") || true
  [ -f "$out/base.json" ] || echo "edgeroi: no comparison, for the base cannot be judged: $(head -n 1 "$out/base.log")" >&2
fi

set -- --format "${FORMAT:-table}" "$@"
[ ! -f "$out/base.json" ] || set -- --baseline "$out/base.json" --min-change "${MIN_CHANGE:-10 USD/month}" "$@"
[ ! -f "$out/base-policy.yaml" ] || set -- --policy-from "$out/base-policy.yaml" "$@"
# shellcheck disable=SC2086
"$edgeroi" check $scenarios "$@" --also "markdown=$out/comment.md" --also "sarif=$out/edgeroi.sarif" --also "junit=$out/junit.xml" \
  --also "gitlab=$out/code-quality.json" --also "json=$out/check.json"
