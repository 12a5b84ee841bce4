package config

// SMTP bounds the dialogue.
type SMTP struct{}

func defaultSMTP() SMTP { return SMTP{} }
