# An auditor's check, offline, with nothing but the bundle: sh auditor.sh audit-bundle.jsonl
set -u
fedloop-audit verify "$1" && echo "the bundle holds"
cp "$1" tampered.jsonl
printf '\0' | dd of=tampered.jsonl bs=1 seek=4000 conv=notrunc status=none   # one byte is changed
fedloop-audit verify tampered.jsonl || echo "the changed bundle fails"
