package rpc

import (
	"slices"
	"time"

	"tallystick/internal/auth"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

const (
	callTime   = 10 * time.Second
	reportTime = 60 * time.Second

	callBytes  = 64 << 10
	batchBytes = 1 << 20
)

// procedure is what the front door knows of a method.
type procedure struct {
	roles []auth.Role
	// deadline ends the call; a client may ask for less.
	deadline time.Duration
	// maxBytes is the largest request message.
	maxBytes int
}

func (p procedure) permits(role auth.Role) bool { return slices.Contains(p.roles, role) }

func open(roles ...auth.Role) procedure {
	return procedure{roles: roles, deadline: callTime, maxBytes: callBytes}
}

func report(roles ...auth.Role) procedure {
	return procedure{roles: roles, deadline: reportTime, maxBytes: callBytes}
}

// procedureOf is the row of a method of the contract; without one nobody may call it.
func procedureOf(path string) procedure {
	if p, known := procedures[path]; known {
		return p
	}
	return open()
}

// procedures says who may call what. What has no row is refused to everybody, and a test fails.
var procedures = map[string]procedure{
	api.LedgerServiceAccrueProcedure:         open(auth.System),
	api.LedgerServiceRedeemProcedure:         open(auth.System),
	api.LedgerServiceHoldProcedure:           open(auth.System),
	api.LedgerServiceCaptureProcedure:        open(auth.System),
	api.LedgerServiceVoidProcedure:           open(auth.System),
	api.LedgerServiceReverseProcedure:        open(auth.System, auth.Operator),
	api.LedgerServiceAdjustProcedure:         open(auth.System, auth.Operator),
	api.LedgerServiceTransferProcedure:       open(auth.System, auth.Operator),
	api.LedgerServiceGrantAllotmentProcedure: open(auth.System, auth.Operator),
	api.LedgerServicePostBatchProcedure: {
		roles: []auth.Role{auth.System}, deadline: callTime, maxBytes: batchBytes,
	},

	api.LedgerServiceRecordActivityProcedure:   open(auth.System, auth.Operator),
	api.LedgerServiceEstimateActivityProcedure: open(auth.System, auth.Operator),
	api.LedgerServiceReturnActivityProcedure:   open(auth.System, auth.Operator),

	api.LedgerServiceGetBalanceProcedure:         open(auth.System, auth.Finance, auth.Operator),
	api.LedgerServiceListEntriesProcedure:        open(auth.System, auth.Finance, auth.Operator),
	api.LedgerServiceGetTransactionProcedure:     open(auth.System, auth.Finance, auth.Operator),
	api.LedgerServiceExplainBalanceProcedure:     report(auth.System, auth.Finance, auth.Operator),
	api.LedgerServiceExplainTransactionProcedure: report(auth.System, auth.Finance, auth.Operator),
	api.LedgerServiceListHoldsProcedure:          open(auth.System, auth.Finance, auth.Operator),

	api.MemberServiceGetWalletProcedure:         open(auth.Member, auth.System),
	api.MemberServiceListBenefitsProcedure:      open(auth.Member, auth.System),
	api.MemberServiceCheckEntitlementProcedure:  open(auth.Member, auth.System),
	api.MemberServiceListAllotmentsProcedure:    open(auth.Member, auth.System),
	api.MemberServicePreviewRedemptionProcedure: open(auth.Member, auth.System),
	api.MemberServiceRedeemBenefitProcedure:     open(auth.Member, auth.System),
	api.MemberServiceCancelRedemptionProcedure:  open(auth.Member, auth.System),
	api.MemberServiceListVouchersProcedure:      open(auth.Member, auth.System),
	api.MemberServiceListStatementProcedure:     open(auth.Member, auth.System),
	api.MemberServiceGetVoucherCodeProcedure:    open(auth.Member, auth.System),

	api.MemberServiceListLoungesProcedure:        open(auth.Member, auth.System),
	api.MemberServiceGetLoungeAllotmentProcedure: open(auth.Member, auth.System),
	api.MemberServiceListVisitsProcedure:         open(auth.Member, auth.System),

	api.MemberServiceGetTierProcedure:         open(auth.Member, auth.System, auth.Operator),
	api.MemberServiceListTierHistoryProcedure: open(auth.Member, auth.System, auth.Operator),

	api.MemberServiceListEventsProcedure:       open(auth.Member, auth.System),
	api.MemberServiceGetEventProcedure:         open(auth.Member, auth.System),
	api.MemberServiceBookEventProcedure:        open(auth.Member, auth.System),
	api.MemberServiceCancelBookingProcedure:    open(auth.Member, auth.System),
	api.MemberServiceJoinWaitingListProcedure:  open(auth.Member, auth.System),
	api.MemberServiceLeaveWaitingListProcedure: open(auth.Member, auth.System),
	api.MemberServiceAcceptOfferProcedure:      open(auth.Member, auth.System),
	api.MemberServiceDeclineOfferProcedure:     open(auth.Member, auth.System),
	api.MemberServiceListBookingsProcedure:     open(auth.Member, auth.System),

	api.MerchantServiceCheckInProcedure:        open(auth.Merchant),
	api.MerchantServiceCheckInVisitProcedure:   open(auth.Merchant),
	api.MerchantServiceCancelVisitProcedure:    open(auth.Merchant),
	api.MerchantServiceReportVisitProcedure:    open(auth.Merchant),
	api.MerchantServiceListDeliveriesProcedure: open(auth.Merchant),
	api.MerchantServiceReportDeliveryProcedure: open(auth.Merchant),

	api.AdminServiceInviteMembersProcedure:      open(auth.Operator),
	api.AdminServiceListApplicationsProcedure:   open(auth.Operator),
	api.AdminServiceApproveApplicationProcedure: open(auth.Operator),
	api.AdminServiceDeclineApplicationProcedure: open(auth.Operator),
	api.AdminServicePublishSeatsProcedure:       open(auth.Operator),
	api.AdminServicePublishStockProcedure:       open(auth.Operator),
	api.AdminServiceGetStockProcedure:           open(auth.Operator),
	api.AdminServiceCloseEventProcedure:         open(auth.Operator),

	api.MerchantServiceValidateVoucherProcedure: open(auth.Merchant),
	api.MerchantServiceRedeemVoucherProcedure:   open(auth.Merchant),
	api.MerchantServiceReverseVoucherProcedure:  open(auth.Merchant),

	api.FinanceServiceGetTrialBalanceProcedure:     report(auth.Finance),
	api.FinanceServiceGetRollForwardProcedure:      report(auth.Finance),
	api.FinanceServiceListRollForwardLegsProcedure: report(auth.Finance),
	api.FinanceServiceSetOpenPeriodProcedure:       open(auth.Finance),

	api.AdminServiceApplyProgrammeProcedure: {
		roles: []auth.Role{auth.Operator}, deadline: callTime, maxBytes: batchBytes,
	},
	api.AdminServiceGetProgrammeProcedure:          open(auth.Operator),
	api.AdminServiceListProgrammeVersionsProcedure: open(auth.Operator),
	api.AdminServiceEnrolMemberProcedure:           open(auth.Operator),
	api.AdminServiceUpdateMemberProcedure:          open(auth.Operator),
	api.AdminServiceGetMemberProcedure:             open(auth.Operator),
	api.AdminServiceListMembersProcedure:           open(auth.Operator),
	api.AdminServiceListMemberVersionsProcedure:    open(auth.Operator),
	api.AdminServiceLinkMemberProcedure:            open(auth.Operator),
	api.AdminServiceUnlinkMemberProcedure:          open(auth.Operator),
	api.AdminServiceAssignNumberProcedure:          open(auth.Operator),
	api.AdminServiceReleaseNumberProcedure:         open(auth.Operator),
	api.AdminServiceTerminateMemberProcedure:       open(auth.Operator),
	api.AdminServiceMergeMemberProcedure:           open(auth.Operator),
	api.AdminServiceRateMemberProcedure:            open(auth.Operator),
	api.AdminServiceOverrideTierProcedure:          open(auth.Operator),
	api.AdminServiceEndOverrideProcedure:           open(auth.Operator),
	api.AdminServiceSetMetricsProcedure:            open(auth.Operator, auth.System),
	api.AdminServiceListMetricsProcedure:           open(auth.Operator, auth.System),
	api.AdminServiceFundBudgetProcedure:            open(auth.Operator),
	api.AdminServiceGrantGoodwillProcedure:         open(auth.Operator),
	api.AdminServiceGetBudgetProcedure:             open(auth.Operator),
	api.AdminServiceListBudgetProcedure:            open(auth.Operator),

	api.AdminServiceFreezeMemberProcedure:        open(auth.Operator),
	api.AdminServiceUnfreezeMemberProcedure:      open(auth.Operator),
	api.AdminServiceMoveClockProcedure:           open(auth.Operator),
	api.AdminServiceRedateLotsProcedure:          open(auth.Operator),
	api.AdminServiceCreateWebhookProcedure:       open(auth.Operator),
	api.AdminServiceListWebhooksProcedure:        open(auth.Operator),
	api.AdminServiceRotateWebhookSecretProcedure: open(auth.Operator),
	api.AdminServiceReplayWebhookProcedure:       open(auth.Operator),
	api.AdminServiceResumeWebhookProcedure:       open(auth.Operator),
	api.AdminServiceDeleteWebhookProcedure:       open(auth.Operator),
	api.AdminServiceAssignAllotmentProcedure:     open(auth.Operator),
	api.AdminServiceRevokeAllotmentProcedure:     open(auth.Operator),
}
