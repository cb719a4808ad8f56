package rpc

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"tallystick/ledger"
)

func TestEveryReasonHasASentenceForPeopleInBothLanguages(t *testing.T) {
	reasons := append(constants(t, "errors.go", "Reason"),
		reasonCredentialMissing, reasonCredentialInvalid, reasonNotPermitted, reasonRateLimited, reasonTooManyInFlight,
		reasonRequestTooLarge, reasonRequestMalformed, reasonPageTokenInvalid, reasonInvalidDocument, reasonContention, reasonOutcomeUnknown,
		reasonDatabaseUnavailable, reasonDatabaseBusy, reasonNameServer, reasonDeadlineExceeded, reasonCanceled, reasonInternal)
	han := regexp.MustCompile(`\p{Han}`)
	for _, reason := range reasons {
		s := sentences[reason]
		if !strings.HasSuffix(s.en, ".") || han.MatchString(s.en) {
			t.Errorf("%s has no English sentence: %q", reason, s.en)
		}
		if !strings.HasSuffix(s.zhHans, "。") || !han.MatchString(s.zhHans) {
			t.Errorf("%s has no Chinese sentence: %q", reason, s.zhHans)
		}
	}
	for reason := range sentences {
		if !slices.Contains(reasons, reason) {
			t.Errorf("nothing is refused with %s", reason)
		}
	}
}

func TestDetailsAreInTheMetadataAndInNoSentence(t *testing.T) {
	err := toRefusal(&ledger.Refusal{Reason: ledger.InsufficientPoints, Detail: map[string]string{"available": "42"}}).connectError()
	said := []string{err.Message()}
	for _, detail := range err.Details() {
		value, decodeErr := detail.Value()
		if decodeErr != nil {
			t.Fatal(decodeErr)
		}
		switch m := value.(type) {
		case *errdetails.LocalizedMessage:
			said = append(said, m.Locale+" "+m.Message)
		case *errdetails.ErrorInfo:
			if m.Metadata["available"] != "42" {
				t.Errorf("metadata %v", m.Metadata)
			}
		}
	}
	want := []string{"There is not enough to spend.", "en There is not enough to spend.", "zh-Hans 可用余额不足。"}
	if !slices.Equal(said, want) || connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("said %q, want %q", said, want)
	}
}
