# An operator's day, in the folder of fedloop.yaml and plan.yaml: sh operator.sh
set -eu
fedloop plan validate plan.yaml                          # what the plan will do and cost
fedloop serve --exit-when-finished &                     # serves devices and drives the rounds
wait $!
fedloop status                                           # also while it runs, from another terminal
fedloop audit-bundle export --out "${1:-audit-bundle.jsonl}"   # one file for the auditor
