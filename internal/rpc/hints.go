package rpc

import (
	"cmp"
	"strings"
	"time"

	"tallystick/ledger"
)

// hint says what would help against a refusal, in the languages of the programmes that we serve. A name in braces stands
// for that detail of the refusal.
type hint struct {
	reason ledger.Reason
	needs  string // the detail without which it does not apply; empty for none
	text   sentence
}

// hints are tried in their order; the first of a reason whose detail is there applies.
var hints = []hint{
	{ledger.InsufficientPoints, "missing", sentence{"{missing} more {unit}", "还差 {missing} {unit}"}},
	{ledger.NotEligible, "opens_at", sentence{"Open to everybody from {opens_at}, to tier {tier} now", "{opens_at} 起对所有会员开放，{tier} 等级现可提前领取"}},
	{ledger.NotEligible, "missing", sentence{"Tier {tier}: {missing} more {unit}", "需 {tier} 等级：还差 {missing} {unit}"}},
	{ledger.NotEligible, "tier", sentence{"Tier {tier}", "需 {tier} 等级"}},
	{ledger.NotEligible, "because", sentence{"For {because}: {accepted}", "仅限（{because}）：{accepted}"}},
	{ledger.NotOpen, "opens_at", sentence{"From {opens_at}", "{opens_at} 起"}},
	{ledger.NotOpen, "", sentence{"The offer is over", "活动已结束"}},
	{ledger.LimitReached, "resets_at", sentence{"Again from {resets_at}", "{resets_at} 后可再次领取"}},
	{ledger.LimitReached, "", sentence{"The limit is used up", "已达上限"}},
	{ledger.OutOfStock, "tier", sentence{"Some are left for tier {tier}", "仅余 {tier} 等级专享名额"}},
}

// hintsOf is what would help against a refusal, by language tag; nothing when nothing would.
func hintsOf(no *ledger.Refusal, zone *time.Location) map[string]string {
	for _, h := range hints {
		if h.reason != no.Reason || h.needs != "" && no.Detail[h.needs] == "" {
			continue
		}
		filled := make(map[string]string, 2)
		for language, text := range h.text.byLanguage() {
			for name, value := range no.Detail {
				text = strings.ReplaceAll(text, "{"+name+"}", cmp.Or(spoken(language, value, zone), value))
			}
			filled[language] = text
		}
		return filled
	}
	return nil
}

// spoken writes a time for people, in the programme's zone; empty for what is no time.
func spoken(language, value string, zone *time.Location) string {
	at, err := time.Parse(time.RFC3339, value)
	switch {
	case err != nil:
		return ""
	case language == "en":
		return at.In(zone).Format("2 January 2006 15:04")
	default:
		return at.In(zone).Format("2006年1月2日 15:04")
	}
}
