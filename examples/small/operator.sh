# An operator's day, in the folder of fedloop.yaml and plan.yaml: sh operator.sh
set -eu
fedloop plan validate plan.yaml   # what the plan will do and cost, before anyone is asked
fedloop serve &                   # serves devices and drives the rounds; log lines on standard error
read -r line                      # press Enter to go on, for example when the rounds are done
fedloop status                    # rounds, budget, metric; whether the coordinator runs or not
fedloop audit-bundle export --out "${1:-audit-bundle.jsonl}"   # one file for the auditor
kill $!
wait
