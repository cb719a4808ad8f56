package ledger

// check is one thing that Verify checks. They are listed in the order in which failures are reported: what explains
// others comes first.
type check int

const (
	checkChain check = iota
	checkSeq
	checkBalance
	checkLots
	checkFloor
	checkDigest
	checkID
	checkTransaction
	checkLegs
	checkSeal
	checkSealed
	checkComplete
	checkSides
	checkLapse
	checkTotal
	checkReversed
	checkAccount
	checkLotRows
	checkDue
	checkStripe
	checkVersions
	checkProgramme
	checkOpenPlaces
	checkFollowUps
	checkReferences
	checkFreezes
	checkClosed
	checkCount
)

var checks = [checkCount]Check{
	checkChain:       {Invariant: "L8", Name: "the hash of every entry follows from its row and the entry before it"},
	checkSeq:         {Invariant: "L4", Name: "the seq of an account's entries, in order of recorded_at, counts from 1 without a gap"},
	checkBalance:     {Invariant: "L4", Name: "every balance is the one before it plus the amount"},
	checkLots:        {Invariant: "L5", Name: "the lot lines of an entry sum to its amount, and no lot falls below zero"},
	checkFloor:       {Invariant: "L3", Name: "no balance falls below its floor"},
	checkDigest:      {Invariant: "L8", Name: "the hash of every transaction, posted or rejected, follows from its row and its legs"},
	checkID:          {Invariant: "L6", Name: "the id of every transaction follows from its programme, client and idempotency key"},
	checkTransaction: {Invariant: "L1", Name: "a posted transaction has legs, a rejected one has none"},
	checkLegs:        {Invariant: "L1", Name: "legs are numbered from 0, of a declared unit and its scale, and of an allowed flow"},
	checkSeal:        {Invariant: "L8", Name: "the seals of every stripe are chained and number its events without a gap"},
	checkSealed:      {Invariant: "L8", Name: "every transaction is sealed once, and every sealed transaction is there"},
	checkComplete:    {Invariant: "L2", Name: "no row stands outside its account or transaction"},
	checkSides:       {Invariant: "L1", Name: "every leg has its two entries, and every entry its leg"},
	checkLapse:       {Invariant: "L7", Name: "what has lapsed leaves a wallet to breakage only, and nothing else goes there"},
	checkTotal:       {Invariant: "L1", Name: "every unit sums to zero"},
	checkReversed:    {Invariant: "L6", Name: "no transaction is reversed for more than it moved"},
	checkAccount:     {Invariant: "L4", Name: "accounts agree with their last entries"},
	checkLotRows:     {Invariant: "L5", Name: "lots agree with the lot lines of their accounts"},
	checkDue:         {Invariant: "L4", Name: "places are due when the transactions that opened them say"},
	checkStripe:      {Invariant: "L8", Name: "stripes agree with their last seals"},
	checkVersions:    {Invariant: "L8", Name: "the versions of every programme are chained and numbered without a gap"},
	checkProgramme:   {Invariant: "L2", Name: "clocks and open periods agree with the journal"},
	checkOpenPlaces:  {Invariant: "L5", Name: "open places are those that hold something"},
	checkFollowUps:   {Invariant: "L6", Name: "follow-ups agree with what transactions refer to"},
	checkReferences:  {Invariant: "L6", Name: "business references agree with posted transactions"},
	checkFreezes:     {Invariant: "L2", Name: "frozen members are those whose last word is a freeze, or whose membership ended"},
	checkClosed:      {Invariant: "L2", Name: "members whose membership ended have nothing but debt"},
}

var subjectCheck = [subjects]check{
	aboutSides: checkSides, aboutLapse: checkLapse, aboutSealed: checkSealed, aboutDue: checkDue,
	aboutOpenPlaces: checkOpenPlaces, aboutFollowUps: checkFollowUps, aboutReferences: checkReferences,
}

// subjectSides names the tables whose facts are compared.
var subjectSides = [subjects][2]string{
	aboutSides:      {"legs", "entries"},
	aboutLapse:      {"legs, as a move to breakage", "entries, as a draw of lapsed lots"},
	aboutSealed:     {"seals", "transactions"},
	aboutDue:        {"transactions", "accounts"},
	aboutOpenPlaces: {"accounts that hold something", "open_places"},
	aboutFollowUps:  {"transactions", "follow_ups"},
	aboutReferences: {"transactions", "business_references"},
}
