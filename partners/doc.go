// Package partners is what merchants do: they look at vouchers, redeem them, take that back, and are owed for it.
//
// A voucher is a place in the journal, voucher/<id>, that holds rights to a benefit. Its state is that place's balance
// and the kind of its last entry; there is no state, counter or lock besides. Using a voucher is one transaction:
//
//	right    voucher/<id>   → the merchant's redeemed
//	money    benefit_cost   → the merchant's payable      the price of the agreement, if there is one
//
// Which partners honour which benefit, and at what price, is the partners section of the programme's document.
package partners
