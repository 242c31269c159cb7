# The questions asked and read, in the folder of fedloop.yaml and plan.yaml: sh operator.sh
set -eu
fedloop plan validate plan.yaml          # the noise of each question, before anyone is asked
fedloop serve &                          # asks; log lines on standard error
read -r line                             # press Enter to go on, for example when all is answered
fedloop analytics show session-length    # counts with their 95 % intervals
fedloop experiments show message-test    # both arms, and the difference by three analyses
fedloop journal                          # what was released, every number computed once more
fedloop audit-bundle export --out "${1:-audit-bundle.jsonl}"
kill $!
wait
