package rpc

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"tallystick/ledger"
)

// sentence is what a refusal says to people, in the languages of the programmes that we serve. What differs from case to
// case is in the metadata, so that the sentence can be shown as it is, and nobody parses it.
type sentence struct{ en, zhHans string }

// sentences has one for every reason; a test fails for one without.
var sentences = map[string]sentence{
	string(ledger.InvalidField):         {"A field of the request is not valid.", "请求中有字段无效。"},
	string(ledger.UnknownUnit):          {"The programme has no such unit.", "该计划没有此单位。"},
	string(ledger.AmountOutOfRange):     {"The amount is zero, too large, or has too many decimal places.", "数额为零、过大或小数位过多。"},
	string(ledger.FlowNotAllowed):       {"Units of this kind cannot be moved in this way.", "此类单位不能这样变动。"},
	string(ledger.SameAccount):          {"The giver and the receiver are the same.", "转出方与转入方相同。"},
	string(ledger.EffectiveInFuture):    {"The effective time lies in the future.", "生效时间在未来。"},
	string(ledger.TimeNotInFuture):      {"The time must lie in the future.", "时间必须在未来。"},
	string(ledger.ReasonRequired):       {"A reason is required.", "必须填写原因。"},
	string(ledger.UnknownPolicy):        {"The programme has no such expiry policy.", "该计划没有此有效期政策。"},
	string(ledger.IdempotencyKeyReused): {"The idempotency key was used for another request.", "该幂等键已用于另一个请求。"},
	string(ledger.NotFoundReason):       {"It was not found.", "未找到。"},
	string(ledger.InsufficientPoints):   {"There is not enough to spend.", "可用余额不足。"},
	string(ledger.OutOfStock):           {"There is none left.", "已无库存。"},
	string(ledger.BudgetExhausted):      {"The budget is used up.", "预算已用完。"},
	string(ledger.PrepaidExhausted):     {"The prepaid amount is used up.", "预付款已用完。"},
	string(ledger.DebtLimitReached):     {"The member cannot owe any more.", "会员欠额已达上限。"},
	string(ledger.BalanceCapReached):    {"The balance cannot grow any more.", "余额已达上限。"},
	string(ledger.MemberFrozen):         {"The member's units are frozen.", "该会员的账户已冻结。"},
	string(ledger.PeriodClosed):         {"The effective time lies in a closed period.", "生效时间所在期间已关闭。"},
	string(ledger.BackDatingLimit):      {"The effective time lies too far in the past.", "生效时间过早。"},
	string(ledger.HoldClosed):           {"Nothing is held any more.", "该冻结额度已结清。"},
	string(ledger.HoldExpired):          {"The hold's time is over.", "该冻结额度已超时。"},
	string(ledger.HoldNotDue):           {"The hold's time is not over yet.", "该冻结额度尚未到期。"},
	string(ledger.CaptureExceedsHold):   {"More is asked for than is held.", "请求数额超过冻结额度。"},
	string(ledger.NotPending):           {"Nothing is pending any more.", "已没有待生效的数额。"},
	string(ledger.AlreadyReversed):      {"It was reversed before.", "此前已冲正。"},
	string(ledger.ReversalExceedsRest):  {"More is asked for than is left to reverse.", "请求数额超过可冲正的余额。"},
	string(ledger.NotReversible):        {"A transaction of this kind cannot be reversed.", "此类交易不能冲正。"},
	string(ledger.NotReversibleInParts): {"This transaction can only be reversed whole.", "此交易只能全额冲正。"},
	string(ledger.AlreadyCheckedIn):     {"The ticket was checked in here before.", "该票已在此签到。"},
	reasonInvalidDocument:               {"The document has mistakes.", "该文档有错误。"},
	string(ledger.ProgrammeChanged):     {"The programme was changed by somebody else meanwhile.", "该计划已被他人更改。"},
	string(ledger.VoucherUsed):          {"The voucher was used before.", "该券已使用。"},
	string(ledger.VoucherExpired):       {"The voucher's time is over.", "该券已过期。"},
	string(ledger.VoucherCanceled):      {"The voucher was given back.", "该券已退回。"},
	string(ledger.TierMoved):            {"The tier changed meanwhile; look again.", "等级已发生变化，请重新查看。"},
	string(ledger.CodeChecksum):         {"The code was mistyped: please check it.", "券码输入有误，请核对。"},
	string(ledger.TokenExpired):         {"The QR code has expired: please show the current one.", "二维码已过期，请出示当前二维码。"},
	string(ledger.CodeMalformed):        {"This is not a voucher's code.", "券码格式不正确。"},
	string(ledger.ReferenceUsed):        {"The business reference was used before.", "该业务单号已使用。"},
	string(ledger.NotSandbox):           {"Only a sandbox's clock can be moved.", "只有沙盒的时钟可以调整。"},
	string(ledger.ClockBackwards):       {"The clock only moves forward.", "时钟只能向前调整。"},
	string(ledger.PeriodBackwards):      {"The open period only moves forward.", "开放期间只能向后推移。"},
	string(ledger.AlreadyFrozen):        {"The member is frozen already.", "该会员已处于冻结状态。"},
	string(ledger.NotFrozen):            {"The member is not frozen.", "该会员未被冻结。"},
	string(ledger.NothingToRedate):      {"There is nothing whose expiry would change.", "没有可调整有效期的数额。"},
	string(ledger.AtomicBatchRejected):  {"Another item of the batch was refused, so none was posted.", "批次中有其他项目被拒绝，因此全部未入账。"},
	string(ledger.AsOfTooRecent):        {"The books of that time are not settled yet: ask again in a minute.", "该时点的账目尚未确定，请稍后再查。"},
	string(ledger.NotEligible):          {"The member is not eligible.", "该会员不符合条件。"},
	string(ledger.MemberTerminated):     {"The membership was terminated.", "该会员资格已终止。"},
	string(ledger.NothingToMerge):       {"The member has nothing to hand over.", "该会员没有可转移的数额。"},
	string(ledger.MemberEnrolled):       {"The member was enrolled before.", "该会员已入会。"},
	string(ledger.MemberChanged):        {"The member was changed meanwhile: read it again.", "会员资料已被更改，请重新读取。"},
	string(ledger.NumberTaken):          {"A member has this number already.", "该号码已归会员所有。"},
	string(ledger.MemberLinked):         {"The member is part of it at that time already.", "该会员在此期间已是其成员。"},
	string(ledger.NothingEarned):        {"Nothing was earned.", "未获得积分。"},
	string(ledger.LimitReached):         {"The limit is reached.", "已达到上限。"},
	string(ledger.NotOpen):              {"It is not to be had now.", "当前不在可领取时间内。"},
	string(ledger.RuleFailed):           {"A rule of the programme has no result for this.", "计划规则无法得出结果。"},

	reasonCredentialMissing:   {"A credential is required: send Authorization: Bearer and a key.", "缺少凭证。"},
	reasonCredentialInvalid:   {"The credential is not valid.", "凭证无效。"},
	reasonNotPermitted:        {"The credential's role may not do this.", "该凭证无权执行此操作。"},
	reasonRateLimited:         {"The credential makes too many calls: try again later.", "调用过于频繁，请稍后重试。"},
	reasonTooManyInFlight:     {"The server is busy: try again later.", "服务器繁忙，请稍后重试。"},
	reasonRequestTooLarge:     {"The request is too large.", "请求过大。"},
	reasonRequestMalformed:    {"The request cannot be read.", "无法解析请求。"},
	reasonPageTokenInvalid:    {"The page token is not one that this list answered.", "分页标记无效。"},
	reasonContention:          {"Others were faster: send the same request again.", "存在并发冲突，请重新发送同一请求。"},
	reasonOutcomeUnknown:      {"Whether it was recorded is unknown: send the same request again.", "处理结果未知，请重新发送同一请求。"},
	reasonDatabaseUnavailable: {"The database cannot be reached: send the same request again.", "数据库暂不可用，请重新发送同一请求。"},
	reasonDatabaseBusy:        {"The database is busy: send the same request again later.", "数据库繁忙，请稍后重新发送同一请求。"},
	reasonNameServer:          {"The address's name cannot be looked up now: send the same request again.", "暂时无法解析该地址的域名，请重新发送同一请求。"},
	reasonDeadlineExceeded:    {"Time is up and the outcome unknown: send the same request again.", "请求超时，结果未知，请重新发送同一请求。"},
	reasonCanceled:            {"The caller gave up.", "调用方已取消。"},
	reasonInternal:            {"Something went wrong here: quote the request id to the operators.", "内部错误，请向运维人员提供请求编号。"},
}

// localized are the sentences of a refusal as details of an error.
func (s sentence) localized() []*errdetails.LocalizedMessage {
	return []*errdetails.LocalizedMessage{{Locale: "en", Message: s.en}, {Locale: "zh-Hans", Message: s.zhHans}}
}

// byLanguage are the sentences of a refusal in a batch.
func (s sentence) byLanguage() map[string]string {
	return map[string]string{"en": s.en, "zh-Hans": s.zhHans}
}
