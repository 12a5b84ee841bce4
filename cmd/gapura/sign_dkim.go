package main

type signDKIM struct {
	signFlags
}

// Help implements kong.HelpProvider.
func (signDKIM) Help() string {
	return `Example:

  gapura sign dkim --key s1.pem --domain example.org --selector s1 --message mail.eml > signed.eml`
}

func (c *signDKIM) Run(a *app) error {
	s, err := c.signer()
	if err != nil {
		return err
	}
	m, err := a.hashMessage(c.Message, s.BodyForm())
	if err != nil {
		return err
	}
	field, err := s.Sign(m.header, m.hash)
	if err != nil {
		return err
	}
	return m.write(a.stdout, field)
}
