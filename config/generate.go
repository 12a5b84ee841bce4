package config

//go:generate go run ./fielddocs fielddocs_gen.go . ../gateway/smtpd ../gateway/proxy ../gateway/cert ../gateway/dns ../gateway/inbound ../gateway/account ../gateway/outbound ../gateway/queue ../gateway/signing ../gateway/outbound/mtasts ../gateway/outbound/tlsrpt ../gateway/suppress ../gateway/bounce ../gateway/quota ../gateway/mailbox ../gateway/sieve ../gateway/lda ../gateway/imapd ../gateway/pop3d ../gateway/acceptor ../filters/antivirus ../filters/arc ../filters/attachment ../filters/dkim ../filters/dmarc ../filters/dnsbl ../filters/headers ../filters/spf ../plugins
