package report

// meaning is what words mean.
type meaning struct {
	reason  Reason
	phrases []string
}

// words are what servers write, in lower case, and what they mean by it. The
// first that is found counts, so what is special stands before what is
// general. A * stands for anything on the way.
var words = []meaning{
	{System, []string{
		"procmail:", "maildrop:", "couldn't create", "local configuration error", "mailer error", "internal system error", "system config error", "queue file write error", "could not load", "service currently unavailable", "recipient error", "on hold",
	}},
	{Virus, []string{"virus", "malware", "infected", "trojan", "contains a threat"}},
	{Sender, []string{
		"domain of sender address", "sender address rejected", "sender domain", "sender verify", "sender verification", "sender rejected", "bad sender", "unknown sender", "invalid sender", "sender was rejected",
		"sender is invalid", "sender denied", "sender is blocked", "sender not allowed", "envelope sender", "purported responsible address", "sending domain does not exist", "the sender's domain", "return path", "backscatter", "from address",
	}},
	{Refused, []string{
		"recipient preferences", "user's filter", "rejected by the user", "refused by recipient", "this-message-rejected", "recipient's block", "recipient does not accept", "message filtered", "not authorized to send to this recipient",
		"restricted recipient", "recipient has blocked", "domain filter", "by recipient's", "only accepts mail from",
	}},
	{Full, []string{
		"mailbox full", "mailbox is full", "mailbox * full", "mail box full", "full mailbox", "folder is full", "mailfolder is full", "inbox is full", "account is full", "over quota", "overquota", "over the quota", "quota exceed", "quotaexceed", "exceeded * quota", "quota * exceed", "exceed * quota",
		"disk quota", "quota violation", "out of storage", "exceeded storage", "exceeded the storage", "insufficient storage", "not enough storage", "storage limit", "maildir over", "exceeded the local limit", "maximum mailbox", "maximum inbox", "mailbox size", "mailbox limit", "mailbox exceeds",
		"mailbox has exceeded", "exceeded the mailbox", "is over the limit", "user is overquota", "not enough disk space",
	}},
	{SystemFull, []string{"insufficient disk space", "insufficient system", "disk full", "no space left", "mail system full"}},
	{TooBig, []string{
		"message too large", "message too big", "message is too large", "message is too big", "message was too large", "message size", "too large for this recipient", "message length exceeds", "exceeds maximum", "exceeded max", "size limit", "exceeds size", "size exceeds", "exceeds the size", "length exceeds",
		"line limit exceeded", "larger than the current system limit", "file is too big", "message larger than", "mail is too large", "too big",
	}},
	{Auth, []string{
		"dmarc", "spf", "dkim", "unauthenticated email", "unauthenticated mail", "authentication information", "authentication checks failed", "sender policy framework", "domain authentication", "fails to pass authentication", "sender id", "arc validation",
	}},
	{Moved, []string{"has moved", "no longer on server", "has been replaced by", "not our user", "new address is", "address has changed", "change of address"}},
	{Disabled, []string{
		"account is disabled", "account * disabled", "account disabled", "mailbox disabled", "mailbox is disabled", "user is disabled", "disabled or discontinued", "discontinued", "account is locked", "mailbox locked", "account * suspended", "account suspended", "mailbox * suspended", "user suspended", "has been suspended",
		"recipient suspend", "suspended the service", "domain * suspended", "account inactive", "account is inactive", "inactive account", "mailbox is inactive", "user is inactive", "inactive user", "not been activated", "extended inactivity", "account is not active", "mailbox is frozen", "mailbox frozen",
		"temporarily disabled", "disabled recipient", "account expired", "closed account", "account closed", "account has been closed", "deactivated", "account blocked", "user * is blocked", "domain is disabled", "out of service",
	}},
	{Relay, []string{
		"relay access denied", "relaying denied", "relay denied", "relay not permitted", "relaying not allowed", "unable to relay", "not permitted to relay", "insecure mail relay", "relaying prohibited", "relay prohibited", "relaying is prohibited", "relay is prohibited", "cannot relay", "relaying not permitted",
		"we do not relay", "not allowed to relay", "relay operation rejected", "isn't in my list of allowed", "message could not be relayed", "not a gateway", "no relaying",
	}},
	{TLS, []string{"not support tls", "starttls", "tls is required", "tls required", "tls handshake", "certificate", "encryption required", "encryption needed", "secure connection", "mta-sts", "tlsa", "mandatory tls"}},
	{NoMail, []string{
		"null mx", "nullmx", "does not accept mail", "doesn't accept mail", "does not accept email", "doesn't receive email", "does not accept any mail", "not accepting network messages", "domain does not receive mail", "no mx record found", "couldn't find a mail exchanger", "no mail exchanger", "no mx found for",
		"no smtp service rec", "indicated no smtp service", "mx points to localhost", "malformed or unexpected name server reply", "no mx or a", "mail server not found",
	}},
	{Expired, []string{"host not found, try again", "message expired, dns", "host not reachable", "host is not reachable"}},
	{NoDomain, []string{
		"host unknown", "unknown host", "unknown domain", "domain unknown", "host not found", "domain not found", "no such domain", "no such host", "domain does not exist", "domain doesn't exist", "domain may not exist", "invalid domain name in recipient", "invalid domain", "host or domain name not found", "dns lookup failure",
		"couldn't find any host", "couldn't find * host", "bad destination system", "unrouteable", "relevant mx records point to non-existent", "domain is not reachable", "nxdomain", "domain name not found", "no route to domain", "host * not found", "name or service not known",
		"domain must exist", "domain name does not exist", "illegal host", "unknown recipient domain", "bad recipient domain", "domain * not found",
	}},
	{NoMailbox, []string{
		"recipient address rejected: access denied", "user unknown", "unknown user", "user * unknown", "no such user", "no such mailbox", "no such recipient", "no such person", "no such address", "no such account", "no such local user", "no such email", "user not exist",
		"recipient not found", "recipientnotfound", "recipnotfound", "user not found", "account not found", "mailbox not found", "mailbox unavailable", "mailbox not available", "mailbox does not exist", "mailbox doesn't exist", "address does not exist", "address doesn't exist", "user does not exist", "user doesn't exist",
		"user doesn't have", "doesn't have a", "does not have a", "account does not exist", "account that you tried to reach does not exist", "recipient does not exist", "recipient * does not exist", "mailbox * not exist", "unknown recipient", "recipient unknown", "unknown address", "address unknown",
		"unknown or illegal", "unknown local", "unknown mailbox", "unknown account", "account unknown", "unknown email", "unknown alias", "invalid recipient", "invalid user", "invalid mailbox", "bad destination mailbox", "bad recipient", "illegal user", "illegal alias", "recipient name is not recognized", "not listed in",
		"not a valid mailbox", "not a valid user", "not a valid recipient", "is not a known", "is not a registered", "no mailbox", "nobody by that name", "user * not found", "recipient * not found", "destinataire invalide", "not have an account", "wasn't found at", "user not known", "user is not known",
		"unroutable address", "no valid recipient", "user has no", "mailbox removed", "mailbox deleted", "has been deleted", "no longer valid", "no longer exists", "not exist here", "unable to find user", "verify the address", "not deliver mail to this user", "undeliverable address", "not our customer",
		"no longer accepts mail", "no longer works", "no longer with", "invalid final delivery", "542 @ rejected", "mailbox not exist",
	}},
	{Blocked, []string{
		"ptr record", "dns ptr", "no ptr", "ptr resource", "reverse dns", "rdns", "ip name lookup failed", "cannot resolve your address", "unverifyable sending ip", "mismatches client ip", "cannot find your", "hostname", "not resolve", "reverse lookup", "reverse mapping",
		"blocked using", "blocked by", "blocked for", "blacklist", "black list", "blocklist", "block list", "rbl", "dnsbl", "spamhaus", "spamcop", "barracudacentral", "abuseat.org", "sorbs", "is listed", "listed in", "listed on", "listed at", "listed by", "currently listed",
		"client host", "client address", "reputation", "banned", "bad ip", "ip address", "your ip", "sending ip", "sender ip", "host refused", "connection refused by", "refused to talk to me", "smtp server of your isp", "not accepting connections", "dynamic ip", "my name was rejected", "helo",
		"ehlo command rejected", "connection not accepted", "connections not accepted", "user complaints", "closing transmission channel", "your server", "your host", "redundant", "is not allowed to send mail", "not allowed to connect", "temporarily deferred", "access denied...", "email is blocked",
		"mail server is blocked", "relay quota", "blocked", "server access",
	}},
	{Rate, []string{
		"rate limit", "too many", "exceeded * rate", "receiving mail at a rate", "throttl", "connection rate", "too fast", "sending rate", "rate-limited", "ratelimit", "too frequent", "daily limit", "hourly limit", "limit exceeded", "max number of", "unexpected volume", "too much mail", "exceeded the limit", "connection limit",
		"recipients per", "greylist", "graylist", "grey list",
	}},
	{Spam, []string{"spam", "junk", "unsolicited", "ube", "uce", "bulk mail", "message content rejected", "phish", "mail rejete", "suspicious", "score too high", "bayes"}},
	{Loop, []string{"hop count", "routing loop", "mail loop", "loops back", "loop detected", "message looping", "forwarding loop", "loops to myself", "duplicated message-id", "looping"}},
	{Policy, []string{
		"policy", "not accepted for", "access denied", "denied by", "not allowed", "not permitted", "forbidden", "header error", "delivery not authorized", "not authorized", "unauthorized", "authentication required", "smtp authentication", "authrequired", "unauthenticated senders", "prohibited", "administrative", "denied", "security",
	}},
	{Content, []string{"media error", "duplicate header", "headers too large", "improper use of 8-bit", "multiple * addresses in from", "attachment", "mime", "line too long", "bare lf", "not rfc", "rfc 5322", "rfc5322", "rfc 2822", "html", "encoding", "message-id", "content", "headers"}},
	{Syntax, []string{"improper sequence", "bad sequence", "malformed address", "unrecognized command", "command not recognized", "command unrecognized", "command not implemented", "invalid command", "invalid arguments", "out of sequence", "syntax"}},
	{Expired, []string{
		"expired", "timed out", "timeout", "retries", "giving up", "not accept our requests to connect", "did not respond", "unable to deliver this message after", "could not be delivered for", "delayed", "still being retried", "queue too long", "aborted after", "could not be delivered within",
		"have been failing for a long time", "not reachable", "unable to connect", "will be retried", "retry time", "unable to contact", "not yet been delivered", "too long",
	}},
	{Network, []string{
		"no route to host", "connection refused", "connection reset", "network is unreachable", "name service error", "host name lookup failure", "dns query failed", "dns error", "dns failure", "lookup failure", "couldn't find", "establish an smtp connection", "lost connection", "connection lost", "could not connect",
		"connection dropped", "connection closed", "unable to resolve", "routing", "socket error", "network error", "unreachable", "broken pipe",
	}},
	{System, []string{
		"system error", "internal", "unavailable", "server error", "configuration error", "config error", "resources temporarily", "local error", "temporary failure", "mailer", "read error", "i/o error", "system problem", "protocol error", "command failed", "command died", "exit status", "exited with", "failed to read", "cannot open",
		"delivery error", "software error",
	}},
	{NoDomain, []string{"not exist"}},
	{NoMailbox, []string{"not recognized", "invalid address", "not found", "no user", "no account", "address rejected", "recipient rejected", "is unknown", "be found", "no longer available"}},
}
