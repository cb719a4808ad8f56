#!/usr/bin/env bash
# Writes docs/walkthrough.md by running every command in it against a service on a database of its own. Ids follow from
# keys, so the same commands print the same text but for times and codes: with --check it fails when anything else differs.
set -euo pipefail
cd "$(dirname "$0")/.."
unset DATABASE_URL # it writes down what is done on a local one

dir=$(mktemp -d)
chmod 755 "$dir"
log=$dir/run.log
go build -o "$dir/tallystick" ./cmd/tallystick
PATH=$dir:$PATH
tallystick run --dir "$dir/db" --listen 127.0.0.1:0 >"$log" 2>&1 &
service=$!
trap 'kill $service 2>/dev/null || true; wait $service 2>/dev/null || true; rm -rf "$dir"' EXIT

for _ in $(seq 120); do
	url=$(grep -o 'up at http://[^ ]*' "$log" | cut -d' ' -f3) && break
	kill -0 $service || { cat "$log" >&2; exit 1; }
	sleep 0.5
done
eval "$(grep -E '^ *[A-Z]+=tsk_' "$log")"

call() { curl -sS -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "$3" "$url/tallystick.v1.$2"; }

# show prints a command and what it answers. JSON is laid out, so that a change shows as a line.
show() {
	printf '```console\n$ %s\n' "$1"
	local answer
	answer=$(eval "$1" 2>&1 || true)
	node -e '
		const text = require("fs").readFileSync(0, "utf8");
		const plain = (key, value) => (key === "value" && typeof value === "string" ? undefined : value); // a detail, in base64
		try { console.log(JSON.stringify(JSON.parse(text), plain, 2)) } catch { process.stdout.write(text) }' <<<"$answer"
	printf '```\n\n'
}

# text passes prose through.
text() { printf '%s\n\n' "$*"; }

{
	text '# Walkthrough'
	text 'Made by `make walkthrough`, which runs every command below; do not edit it. `make run` prints the credentials and the' \
		'function `call ROLE SERVICE/METHOD JSON`.'

	text '## A bill earns points, and the tier follows'
	text 'A year of the 599 plan, paid ahead: the rules give points to spend, and growth that makes the tier.'
	show "call \$BILLING LedgerService/RecordActivity '{\"idempotencyKey\": \"bill-1\", \"activity\": {\"kind\": \"bill\", \"memberId\": \"ann\", \"amount\": \"7188.00\", \"fields\": [{\"name\": \"on_time\", \"flag\": true}, {\"name\": \"roaming\", \"number\": \"0\"}]}}'"
	text 'A retry with the same key changes nothing and gets the same answer; the same key for something else is refused.'
	show "call \$BILLING LedgerService/RecordActivity '{\"idempotencyKey\": \"bill-1\", \"activity\": {\"kind\": \"bill\", \"memberId\": \"ann\", \"amount\": \"7189.00\", \"fields\": [{\"name\": \"on_time\", \"flag\": true}, {\"name\": \"roaming\", \"number\": \"0\"}]}}'"

	text '## The client redeems'
	show "call \$MEMBER MemberService/GetWallet '{}'"
	show "call \$MEMBER MemberService/RedeemBenefit '{\"idempotencyKey\": \"redeem-1\", \"benefitId\": \"lounge-pass\", \"payWith\": \"PAY_WITH_POINTS\"}'"
	CODE=$(call "$MEMBER" MemberService/ListVouchers '{"pageSize": 1}' | sed 's/.*"code": *"\([^"]*\)".*/\1/')

	text '## The merchant validates and redeems the voucher'
	text '`CODE` is what the client shows at the till. Looking changes nothing; redeeming works once.'
	show "call \$MERCHANT MerchantService/ValidateVoucher '{\"code\": \"'\$CODE'\"}'"
	show "call \$MERCHANT MerchantService/RedeemVoucher '{\"idempotencyKey\": \"use-1\", \"code\": \"'\$CODE'\"}'"
	show "call \$MERCHANT MerchantService/RedeemVoucher '{\"idempotencyKey\": \"use-2\", \"code\": \"'\$CODE'\"}'"

	text '## Holds reserve'
	show "call \$BILLING LedgerService/Hold '{\"idempotencyKey\": \"hold-1\", \"memberId\": \"ann\", \"unit\": \"points\", \"amount\": \"1000\", \"timeout\": \"900s\"}'"
	show "call \$BILLING LedgerService/GetBalance '{\"memberId\": \"ann\", \"unit\": \"points\"}'"
	show "call \$BILLING LedgerService/Redeem '{\"idempotencyKey\": \"spend-1\", \"memberId\": \"ann\", \"unit\": \"points\", \"amount\": \"209\"}'"

	text '## Finance reads books that re-add'
	show "call \$FINANCE FinanceService/GetTrialBalance '{}'"
	show "tallystick verify --dir \"\$dir/db\" 2>/dev/null"
} >"$dir/walkthrough.md"

same() { sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g; s/"code": "[0-9A-Z]{16}"/CODE/' "$1"; }
if [ "${1:-}" = --check ]; then
	diff <(same docs/walkthrough.md) <(same "$dir/walkthrough.md") || { echo "run make walkthrough, and commit docs/"; exit 1; }
else
	cp "$dir/walkthrough.md" docs/walkthrough.md
fi
