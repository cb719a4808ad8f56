package ledger

// HotStatements are those that postings, reads of the app and the sweep send again and again.
var HotStatements = map[string]string{
	"sqlLockStripes": sqlLockStripes, "sqlLockAccounts": sqlLockAccounts, "sqlReadKnown": sqlReadKnown,
	"sqlReadLots": sqlReadLots, "sqlReadReferences": sqlReadReferences, "sqlReadFreezes": sqlReadFreezes,
	"sqlReadReversed": sqlReadReversed, "sqlReadProgramme": sqlReadProgramme,

	"sqlInsertTransactions": sqlInsertTransactions, "sqlInsertLegs": sqlInsertLegs, "sqlInsertEntries": sqlInsertEntries,
	"sqlInsertAccounts": sqlInsertAccounts, "sqlUpdateAccounts": sqlUpdateAccounts, "sqlInsertLots": sqlInsertLots,
	"sqlUpdateLots": sqlUpdateLots, "sqlDeleteLots": sqlDeleteLots, "sqlInsertOpenPlaces": sqlInsertOpenPlaces,
	"sqlDeleteOpenPlaces": sqlDeleteOpenPlaces, "sqlInsertFollowUps": sqlInsertFollowUps,
	"sqlInsertReferences": sqlInsertReferences, "sqlUpdateStripe": sqlUpdateStripe, "sqlLeaseStripe": sqlLeaseStripe,

	"sqlReadTransactions": sqlReadTransactions, "sqlReadLegs": sqlReadLegs, "sqlReadEntries": sqlReadEntries,
	"sqlReadBalances": sqlReadBalances, "sqlReadBalanceLots": sqlReadBalanceLots,
	"sqlReadOpenBalances": sqlReadOpenBalances, "sqlReadMovements": sqlReadMovements,
	"sqlBalanceAsOfRecorded": sqlBalanceAsOfRecorded, "sqlReadFollowUps": sqlReadFollowUps, "sqlReadState": sqlReadState,
	"sqlDueLots": sqlDueLots, "sqlDuePlaces": sqlDuePlaces, "sqlOldestDue": sqlOldestDue,
	"sqlCountDue": sqlCountDue, "sqlCountBatches": sqlCountBatches, "sqlReadAccrued": sqlReadAccrued, "sqlRedatableLots": sqlRedatableLots,
}

// StartLanes gives a ledger at least n lanes, as it has on a machine with more processors. Call it before anything else.
func (l *Ledger) StartLanes(n int) {
	for len(l.lanes) < n {
		l.lanes = append(l.lanes, startLane(l))
	}
}
