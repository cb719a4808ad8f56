package partners

import "time"

// RotatingAt is the rotating code of a voucher at another time than now.
func (v *Vouchers) RotatingAt(voucher Voucher, at time.Time) string {
	return rotatingFor(v.keys, voucher.Key, voucher.ID, at).Token
}
