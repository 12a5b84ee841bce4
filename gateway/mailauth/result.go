package mailauth

// Result is the result of an authentication method, in the words of RFC 8601
// section 2.7.
type Result string

const (
	None      Result = "none"      // nothing to check: no record, no signature
	Neutral   Result = "neutral"   // checked, and nothing said; a signature that cannot be understood
	Pass      Result = "pass"      // authenticated
	Fail      Result = "fail"      // checked, and wrong
	SoftFail  Result = "softfail"  // SPF: probably not authorised
	TempError Result = "temperror" // a later try may say more
	PermError Result = "permerror" // a record or field is unusable
	Policy    Result = "policy"    // not accepted for a reason of ours
)

// String returns the word.
func (r Result) String() string { return string(r) }
